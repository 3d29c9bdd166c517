// activeDeadlineSeconds: how long a pod may still be active on its node. Pure. What ends it is worker.ts.
import type { Pod, PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import { parseTime } from '../time.js';
import { isTerminalPhase } from './planner/plan.js';
import type { PodMemory } from './planner/types.js';

export const DEADLINE_EXCEEDED = {
  reason: 'DeadlineExceeded',
  message: 'Pod was active on the node longer than the specified deadline',
} as const;

/** Ms until the pod has to end; Infinity: no such limit (any more). wall: ms since 1970, as is acceptedAt. */
export function activeMsLeft(
  pod: Pod | undefined,
  memory: PodMemory,
  status: PodStatus | undefined,
  acceptedAt: number,
  wall: number,
): number {
  const seconds = pod?.spec?.activeDeadlineSeconds;
  if (seconds === undefined || memory.phase !== 'sync' || memory.failed !== undefined || isTerminalPhase(status?.phase))
    return Number.POSITIVE_INFINITY;
  return (parseTime(status?.startTime ?? pod?.status?.startTime) ?? acceptedAt) + seconds * 1000 - wall;
}
