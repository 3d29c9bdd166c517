// Does the whole host shut down, or does only the agent end (a restart, an update)? Only systemd tells; elsewhere it counts as the latter,
// and the node is missed a few seconds later.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';

const SYSTEMD = '/run/systemd/system';
const ANSWER_MS = 1_000;

/** Asked when the agent is told to stop. Never rejects; false where it cannot be known. */
export function hostShutsDown(systemctl = 'systemctl', systemd = SYSTEMD): Promise<boolean> {
  if (!existsSync(systemd)) return Promise.resolve(false);
  return new Promise((resolve) => {
    // Its exit code is no success while the system stops: only the word counts.
    execFile(systemctl, ['is-system-running'], { timeout: ANSWER_MS }, (_error, stdout) => resolve(stdout.trim() === 'stopping'));
  });
}
