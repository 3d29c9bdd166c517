// Events that follow from a change of status: a container began to wait. Pure.
import type { ContainerStatus } from '@podplane/api/gen/podplane/core/v1/container_status';
import type { Pod, PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import type { PodRef } from './names.js';
import { containerField, type PodEvent } from './pod-events.js';

/** Events for containers that began to wait out a back-off between the two statuses. */
export function waitingEvents(pod: PodRef, spec: Pod | undefined, before: PodStatus | undefined, after: PodStatus): readonly PodEvent[] {
  const events: PodEvent[] = [];
  for (const status of allOf(after)) {
    const waiting = status.state?.waiting;
    const old = allOf(before).find((one) => one.name === status.name);
    if (waiting?.reason === undefined || (old?.state?.waiting?.reason === waiting.reason && old.restartCount === status.restartCount))
      continue;
    const fieldPath = containerField(spec, status.name);
    if (waiting.reason === 'CrashLoopBackOff') {
      const message = `Back-off restarting failed container ${status.name} in pod ${pod.name}_${pod.namespace}(${pod.uid})`;
      events.push({ pod, fieldPath, type: 'Warning', reason: 'BackOff', message });
    } else if (waiting.reason === 'ImagePullBackOff') {
      events.push({ pod, fieldPath, type: 'Normal', reason: 'BackOff', message: `Back-off pulling image "${status.image}"` });
      events.push({ pod, fieldPath, type: 'Warning', reason: 'Failed', message: 'Error: ImagePullBackOff' });
    }
  }
  return events;
}

function allOf(status: PodStatus | undefined): readonly ContainerStatus[] {
  const { initContainerStatuses = [], containerStatuses = [], ephemeralContainerStatuses = [] } = status ?? {};
  return [...initContainerStatuses, ...containerStatuses, ...ephemeralContainerStatuses];
}
