// Finds the container that a log, a command or a port is meant for. Pure. What is done with it is in tunnels/.
import { alive, attemptOf, group, runOf } from './pods/planner/observed.js';
import type { PodMemory } from './pods/planner/types.js';
import type { ContainerInfo } from './runtime/types.js';

export interface TunnelTarget {
  readonly containerId: string;
  /** The pod's IP. */
  readonly ip: string;
}

/** previous: the run before the current one. Container empty: only the pod's address is wanted. undefined: there is none. */
export function tunnelTarget(
  memory: PodMemory,
  observed: readonly ContainerInfo[],
  container: string,
  previous: boolean,
): TunnelTarget | undefined {
  const ip = memory.ip ?? '';
  if (container === '') return ip === '' ? undefined : { containerId: '', ip };
  // A container that was made but never started has no log.
  const runs = (group(observed).apps.get(container) ?? []).filter((info) => runOf(info) !== 'created' && runOf(info) !== 'gone');
  const current = runs.find(alive) ?? runs[0];
  if (current === undefined) return undefined;
  const wanted = previous ? runs.find((info) => attemptOf(info) < attemptOf(current)) : current;
  return wanted === undefined ? undefined : { containerId: wanted.id, ip };
}
