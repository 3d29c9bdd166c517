// How long a pod may take to end when nobody says otherwise. Pure.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { ContainerInfo } from '../runtime/types.js';
import { DEFAULT_GRACE_SECONDS, LABEL_GRACE } from './planner/types.js';

/** Seconds. Of a pod whose specification is no longer known its containers' labels tell. */
export function graceSecondsOf(pod: Pod | undefined, containers: readonly ContainerInfo[]): number {
  const labels = containers.map(({ labels: own }) => Number.parseInt(own[LABEL_GRACE] ?? '', 10));
  const told = labels.find((seconds) => Number.isInteger(seconds) && seconds >= 0);
  return pod?.spec?.terminationGracePeriodSeconds ?? told ?? DEFAULT_GRACE_SECONDS;
}
