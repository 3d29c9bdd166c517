// The end of a command that the engine started in a container: the command and all that it started, found among this machine's processes. Where the
// engine runs elsewhere, or we may not signal its processes, nothing is ended here. When that is wanted is known in exec.ts.
import { readdir, readFile } from 'node:fs/promises';

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
}

/** Looks at most; each finds who was started since the one before. */
const MOST_LOOKS = 20;

/**
 * Kills the process, which began as the leader of a session (as runc makes it), all of that session, and whoever descends from either. They are stopped
 * first, so that nobody is lost whose parent goes, and nobody is started meanwhile. That they are the container's is seen from their cgroups, so
 * a number that is another's by now does no harm; the leader itself may have ended long before.
 */
export async function killCommand(leader: number, containerId: string): Promise<void> {
  const family = new Set<number>();
  for (let look = 0; look < MOST_LOOKS; look++) {
    const found = relatives(await processesOf(containerId), leader).filter((pid) => !family.has(pid));
    if (found.length === 0) break;
    for (const pid of found) {
      family.add(pid);
      signal(pid, 'SIGSTOP');
    }
  }
  for (const pid of family) signal(pid, 'SIGKILL');
}

function relatives(all: readonly Process[], leader: number): readonly number[] {
  const family = new Set(all.filter(({ pid, session }) => pid === leader || session === leader).map(({ pid }) => pid));
  for (let before = -1; before !== family.size; ) {
    before = family.size;
    for (const { pid, parent } of all) if (family.has(parent)) family.add(pid);
  }
  return [...family];
}

/** All of a container's processes but those that have ended. */
async function processesOf(containerId: string): Promise<readonly Process[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(pids.map((pid) => processOf(pid, containerId)));
  return found.filter((one) => one !== undefined);
}

async function processOf(pid: string, containerId: string): Promise<Process | undefined> {
  try {
    if (!(await readFile(`/proc/${pid}/cgroup`, 'latin1')).includes(containerId)) return undefined;
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    const [state, parent, , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : { pid: Number(pid), parent: Number(parent), session: Number(session) };
  } catch {
    return undefined; // it has ended
  }
}

function signal(pid: number, name: 'SIGSTOP' | 'SIGKILL'): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended, or is not ours to signal.
  }
}
