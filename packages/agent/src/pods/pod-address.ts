// Which address a pod has: that of its host, the one it had, or a new one. Which addresses are free is network/'s.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { PAUSE_CONTAINER } from '../runtime/types.js';
import type { PodRef } from './names.js';
import { containerNameOf } from './planner/observed.js';
import { isTerminalPhase } from './planner/plan.js';
import type { PodMemory } from './planner/types.js';
import type { PodReportSource, WorkerHost } from './worker-types.js';

interface Addressed {
  readonly ref: PodRef;
  readonly host: WorkerHost;
  readonly pod: Pod | undefined;
  readonly memory: PodMemory;
  readonly status: PodReportSource['status'];
}

/** The pod's memory with an address, which a pod that shall run has before anything is made. making: its sandbox is under way. */
export function withAddress({ ref, host, pod, memory, status }: Addressed, making: boolean): PodMemory {
  const unwanted = memory.failed?.rejected === true && memory.ip === undefined;
  if (memory.phase === 'terminated' || memory.released || unwanted) return memory;
  if (pod?.spec?.hostNetwork === true) {
    const { hostIP } = host.facts();
    return memory.ip === undefined && hostIP !== '' ? { ...memory, ip: hostIP } : memory;
  }
  let next = memory;
  if (memory.ip !== undefined && memory.phase === 'sync' && !isTerminalPhase(pod?.status?.phase) && !isTerminalPhase(status?.phase)) {
    const kept = host.addresses.keep(ref.uid, memory.ip);
    const hasSandbox = host.cache.ofPod(ref.uid).some((info) => containerNameOf(info) === PAUSE_CONTAINER);
    if (!kept && !hasSandbox && !making) next = { ...memory, ip: undefined };
  }
  if (next.ip !== undefined || pod === undefined || memory.phase !== 'sync' || isTerminalPhase(pod.status?.phase)) return next;
  const ip = host.addresses.allocate(ref.uid);
  return ip === undefined ? next : { ...next, ip };
}
