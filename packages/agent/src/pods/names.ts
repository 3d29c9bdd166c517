// Names and labels of what a pod has in the engine. Pure. What the labels mean is in ../runtime/types.ts and planner/types.ts.
import { createHash } from 'node:crypto';
import { EPOCH_ANNOTATION, isFenced } from '@podplane/api/fencing';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import {
  LABEL_ATTEMPT,
  LABEL_CGROUP_PARENT,
  LABEL_CONTAINER,
  LABEL_NODE,
  LABEL_POD_NAME,
  LABEL_POD_NAMESPACE,
  LABEL_POD_UID,
  LABEL_SPEC_HASH,
  PAUSE_CONTAINER,
} from '../runtime/types.js';
import { containerHash } from './container-hash.js';
import { DEFAULT_GRACE_SECONDS, LABEL_EPOCH, LABEL_GRACE, LABEL_POD_IP, LABEL_SANDBOX } from './planner/types.js';

export interface PodRef {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

export function podRef(pod: Pod): PodRef {
  return { uid: pod.metadata?.uid ?? '', namespace: pod.metadata?.namespace ?? '', name: pod.metadata?.name ?? '' };
}

/** What a container's labels say of the pod that it is of. */
export function refFromLabels(uid: string, labels: Readonly<Record<string, string>>): PodRef {
  return { uid: labels[LABEL_POD_UID] ?? uid, namespace: labels[LABEL_POD_NAMESPACE] ?? '', name: labels[LABEL_POD_NAME] ?? '' };
}

/** Uids are UUIDs; another text is hashed so that the engine takes it and two pods never share a name. */
function uid8(uid: string): string {
  return /^[0-9a-f]{8}-/.test(uid) ? uid.slice(0, 8) : createHash('sha256').update(uid).digest('hex').slice(0, 8);
}

/** pp_<container>_<pod>_<namespace>_<uid8>_<attempt> */
export function containerName(ref: PodRef, container: string, attempt: number): string {
  return `pp_${container}_${ref.name}_${ref.namespace}_${uid8(ref.uid)}_${attempt}`;
}

/** pp-<uid>-<volume> */
export function volumeName(uid: string, volume: string): string {
  return `pp-${uid}-${volume}`;
}

function podLabels(ref: PodRef, nodeName: string): Record<string, string> {
  return { [LABEL_NODE]: nodeName, [LABEL_POD_UID]: ref.uid, [LABEL_POD_NAME]: ref.name, [LABEL_POD_NAMESPACE]: ref.namespace };
}

export function volumeLabels(ref: PodRef, nodeName: string): Record<string, string> {
  return podLabels(ref, nodeName);
}

function graceSeconds(pod: Pod): string {
  return String(pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS);
}

export function pauseLabels(
  pod: Pod,
  nodeName: string,
  attempt: number,
  ip: string,
  cgroupParent: string | undefined,
): Record<string, string> {
  return {
    ...podLabels(podRef(pod), nodeName),
    [LABEL_CONTAINER]: PAUSE_CONTAINER,
    [LABEL_ATTEMPT]: String(attempt),
    [LABEL_POD_IP]: ip,
    // Said in any case: what is not said here an image could say in its own labels.
    [LABEL_CGROUP_PARENT]: cgroupParent ?? '',
    [LABEL_GRACE]: graceSeconds(pod),
  };
}

/** The epoch of a pod as its containers are told it. */
export const epochText = (pod: Pod | undefined): string => pod?.metadata?.annotations[EPOCH_ANNOTATION] ?? '';

export function containerLabels(
  pod: Pod,
  nodeName: string,
  container: { readonly name: string; readonly image?: string | undefined },
  attempt: number,
  sandboxId: string,
): Record<string, string> {
  return {
    ...podLabels(podRef(pod), nodeName),
    [LABEL_CONTAINER]: container.name,
    [LABEL_ATTEMPT]: String(attempt),
    [LABEL_SPEC_HASH]: containerHash(container),
    [LABEL_SANDBOX]: sandboxId,
    [LABEL_GRACE]: graceSeconds(pod),
    ...(isFenced(pod) ? { [LABEL_EPOCH]: epochText(pod) } : {}),
  };
}
