// The events that a pod's life produces, with Kubernetes' reasons. Only words; counting and sending is in ../session/.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { PodRef } from './names.js';

export interface PodEvent {
  readonly pod: PodRef;
  /** spec.containers{web}, or empty. */
  readonly fieldPath: string;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export type PodEventSink = (event: PodEvent) => void;

export function containerField(pod: Pod | undefined, container: string): string {
  const has = (list: 'initContainers' | 'ephemeralContainers'): boolean =>
    pod?.spec?.[list].some(({ name }) => name === container) === true;
  const list = has('initContainers') ? 'initContainers' : has('ephemeralContainers') ? 'ephemeralContainers' : 'containers';
  return `spec.${list}{${container}}`;
}

/** Bytes for people: 12.3 MB. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
