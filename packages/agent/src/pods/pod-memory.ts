// What is remembered about a pod, and the one place where it changes. Pure: every change is a function from memory to memory.
// How it is written to disk is in ../state/, who calls is worker.ts.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { ContainerInfo } from '../runtime/types.js';
import { parseTime } from '../time.js';
import { MAX_DELAY_MS } from './planner/back-off.js';
import { FRESH_CONTAINER } from './planner/containers.js';
import { alive, attemptOf, exitCodeOf, group, runOf } from './planner/observed.js';

import { FENCED_MESSAGE } from './planner/plan-fence.js';
import { type ContainerMemory, LABEL_POD_IP, type LastRun, type PodMemory } from './planner/types.js';

export const FRESH_POD: PodMemory = {
  phase: 'sync',
  ip: undefined,
  volumes: { ready: false, failure: undefined },
  sandbox: { attempt: -1, pid: 0, failure: undefined },
  containers: new Map(),
  deadline: undefined,
  failed: undefined,
  released: false,
};

/** Why a run ended, in Kubernetes' words. OOMKilled only where the first process itself was killed (docker.md 2.4). */
export function exitReason(info: ContainerInfo): string {
  if (runOf(info) === 'failed') return 'StartError';
  const code = exitCodeOf(info);
  if (code === 0) return 'Completed';
  if (info.fenced === true) return 'Fenced';
  return code === 137 && info.oomKilled ? 'OOMKilled' : 'Error';
}

export function lastRunOf(info: ContainerInfo): LastRun {
  return {
    attempt: attemptOf(info),
    containerId: info.id,
    exitCode: exitCodeOf(info),
    reason: exitReason(info),
    message: info.message ?? (info.fenced === true && exitCodeOf(info) !== 0 ? FENCED_MESSAGE : info.error),
    startedAt: info.startedAt ?? 0,
    finishedAt: info.finishedAt ?? 0,
  };
}

/** Memory for a pod that this agent has not seen before; what the server knows of earlier runs is taken over. */
export function memoryFor(pod: Pod | undefined): PodMemory {
  const containers = new Map<string, ContainerMemory>();
  const { initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] } = pod?.status ?? {};
  for (const status of [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses]) {
    const terminated = status.state?.terminated ?? status.lastState?.terminated;
    if (status.state?.running === undefined && terminated === undefined) continue;
    const attempt = status.restartCount;
    const lastRun: LastRun | undefined =
      terminated === undefined
        ? undefined
        : {
            attempt: status.state?.terminated === undefined ? attempt - 1 : attempt,
            containerId: (terminated.containerID ?? '').replace(/^docker:\/\//, ''),
            exitCode: terminated.exitCode,
            reason: terminated.reason ?? '',
            message: terminated.message ?? '',
            startedAt: parseTime(terminated.startedAt) ?? 0,
            finishedAt: parseTime(terminated.finishedAt) ?? 0,
          };
    containers.set(status.name, { ...FRESH_CONTAINER, started: attempt, lastRun });
  }
  return { ...FRESH_POD, containers };
}

export function withContainer(memory: PodMemory, name: string, change: Partial<ContainerMemory>): PodMemory {
  const containers = new Map(memory.containers);
  containers.set(name, { ...(containers.get(name) ?? FRESH_CONTAINER), ...change });
  return { ...memory, containers };
}

export interface Now {
  readonly wall: number;
  readonly monotonic: number;
}

/**
 * Takes in what the engine shows. `adopting`: for the first time since the agent started, so that ends may be older than this
 * moment.
 */
export function noteObserved(memory: PodMemory, observed: readonly ContainerInfo[], now: Now, adopting: boolean): PodMemory {
  const { sandboxes, apps } = group(observed);
  let next = memory;
  for (const name of new Set([...apps.keys(), ...memory.containers.keys()])) {
    const before = memory.containers.get(name) ?? FRESH_CONTAINER;
    const after = noteRuns(before, apps.get(name) ?? [], now, adopting);
    if (after !== before) next = withContainer(next, name, after);
  }
  const newest = sandboxes[0];
  if (newest === undefined) return next;
  const { sandbox } = next;
  const attempt = attemptOf(newest);
  const ip = newest.labels[LABEL_POD_IP];
  if (next.ip === undefined && ip) next = { ...next, ip };
  if (attempt > sandbox.attempt) next = { ...next, sandbox: { ...sandbox, attempt, pid: newest.pid } };
  else if (attempt === sandbox.attempt && sandbox.pid === 0 && newest.pid !== 0)
    next = { ...next, sandbox: { ...sandbox, pid: newest.pid } };
  return next;
}

function noteRuns(memory: ContainerMemory, list: readonly ContainerInfo[], now: Now, adopting: boolean): ContainerMemory {
  let { started } = memory;
  for (const info of list) if (runOf(info) !== 'created') started = Math.max(started, attemptOf(info));
  let next = started === memory.started ? memory : { ...memory, started };
  if (started < 0 || list.some(alive)) return next;
  const newest = list.find((info) => attemptOf(info) === started && runOf(info) !== 'created' && runOf(info) !== 'gone');
  if (newest !== undefined) {
    if (next.exit?.containerId === newest.id) return next;
    const age = adopting && newest.finishedAt !== undefined ? Math.min(Math.max(0, now.wall - newest.finishedAt), MAX_DELAY_MS) : 0;
    next = { ...next, exit: { containerId: newest.id, at: now.monotonic - age }, lastRun: lastRunOf(newest) };
    // It was not the container's fault: it starts again as soon as it may.
    if (newest.fenced === true) next = { ...next, backOff: undefined };
  } else if (!list.some((info) => attemptOf(info) === started && runOf(info) !== 'gone') && next.lastRun?.attempt !== started) {
    const lost: LastRun = {
      attempt: started,
      containerId: '',
      exitCode: 137,
      reason: 'ContainerStatusUnknown',
      message: 'The container could not be located when the pod was deleted.  The container used to be Running',
      startedAt: 0,
      finishedAt: now.wall,
    };
    next = { ...next, exit: { containerId: '', at: now.monotonic }, lastRun: lost };
  }
  return next;
}

/** A container is being started: from now on this attempt counts. */
export function noteStarting(memory: PodMemory, name: string, attempt: number, backOff: ContainerMemory['backOff']): PodMemory {
  const before = memory.containers.get(name) ?? FRESH_CONTAINER;
  return withContainer(memory, name, { started: Math.max(before.started, attempt), ...(backOff === undefined ? {} : { backOff }) });
}
