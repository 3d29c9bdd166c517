// The container of a node's watchdog: one, made of an image of our own, with the processes of the host and the agent's lease file in it. A
// container, because it outlives the agent however that ends: also where the agent is a container itself, or a unit whose processes systemd
// kills together. What the program does is watchdog-code.ts.
import { createHash } from 'node:crypto';
import { imageArchive } from '../../images/archive.js';
import { tarFile } from '../../images/tar.js';
import { LABEL_NODE, LABEL_SPEC_HASH } from '../types.js';
import type { Engine } from './engine.js';
import type { ContainerInspect, CreateContainer } from './engine-api.js';
import type { Architecture } from './machine.js';
import { ensureOwnImage } from './pause-image.js';
import { watchdogProgram } from './watchdog-code.js';

/** Goes up whenever the program or its file changes: nodes of two versions may share one engine. */
export const WATCHDOG_IMAGE = 'podplane/watchdog:1';

export const watchdogName = (nodeName: string): string => `podplane-watchdog-${nodeName}`;

export function watchdogArchive(architecture: Architecture): AsyncIterable<Uint8Array> {
  return imageArchive({
    name: WATCHDOG_IMAGE,
    architecture,
    config: { entrypoint: ['/watchdog'], stopSignal: 'SIGTERM' },
    entries: [tarFile('watchdog', watchdogProgram(architecture), 0o755)],
  });
}

function options(nodeName: string, folder: string, hash: string): CreateContainer {
  return {
    Image: WATCHDOG_IMAGE,
    Cmd: ['/lease/lease', '/proc'],
    Labels: { [LABEL_NODE]: nodeName, [LABEL_SPEC_HASH]: hash },
    HostConfig: {
      PidMode: 'host',
      UsernsMode: 'host',
      NetworkMode: 'none',
      // Killed by whomever, it is back before the agent hears of it, and also when there is no agent.
      RestartPolicy: { Name: 'always' },
      LogConfig: { Type: 'none', Config: {} },
      Mounts: [{ Type: 'bind', Source: folder, Target: '/lease', ReadOnly: true }],
      ReadonlyRootfs: true,
      CapDrop: ['ALL'],
      CapAdd: ['KILL'],
      // Profiles that would keep it from ending containers with other ones.
      SecurityOpt: ['no-new-privileges', 'apparmor=unconfined', 'label=disable'],
    },
  };
}

/** Engines on which no watchdog of before is left. */
const cleared = new WeakSet<Engine>();

/**
 * Resolves with the id of the node's watchdog when it runs and reads from this folder. None of its calls waits for a place in the limit of
 * engine calls. Rejects with RuntimeError.
 */
export async function ensureWatchdog(
  engine: Engine,
  nodeName: string,
  folder: string,
  architecture: () => Promise<string>,
): Promise<string> {
  const name = watchdogName(nodeName);
  const path = `/containers/${encodeURIComponent(name)}`;
  const before = `${name}-before`;
  const removeBefore = async (): Promise<void> => {
    const query = { force: true };
    await engine.find(`remove container ${before}`, { method: 'DELETE', path: `/containers/${encodeURIComponent(before)}`, query });
    cleared.add(engine);
  };
  const hash = createHash('sha256').update(`${WATCHDOG_IMAGE} ${folder}`).digest('hex').slice(0, 16);
  const found = await engine.find<ContainerInspect>(`inspect container ${name}`, { method: 'GET', path: `${path}/json` });
  if (found?.State.Status === 'running' && found.Config.Labels?.[LABEL_SPEC_HASH] === hash) {
    // What an agent left that was killed on its way from one to the next goes by a word that nobody renews any more.
    if (!cleared.has(engine)) await removeBefore();
    return found.Id;
  }
  await ensureOwnImage(engine, await architecture(), WATCHDOG_IMAGE, watchdogArchive);
  // The one before goes on until the next runs: an agent that is killed in between leaves nobody unguarded.
  if (found?.State.Status === 'running') {
    await removeBefore();
    await engine.call(`rename container ${name}`, { method: 'POST', path: `${path}/rename`, query: { name: before } });
  } else if (found !== undefined) await engine.find(`remove container ${name}`, { method: 'DELETE', path, query: { force: true } });
  const { Id } = await engine.call<{ readonly Id: string }>(`create container ${name}`, {
    method: 'POST',
    path: '/containers/create',
    query: { name },
    body: options(nodeName, folder, hash),
  });
  await engine.call(`start container ${name}`, { method: 'POST', path: `/containers/${Id}/start` });
  await removeBefore();
  return Id;
}
