// The pods of a StatefulSet: their numbers and names, what a new one looks like, which state each is in. Pure.
import { FENCING_ANNOTATION } from '@podplane/api/fencing';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { availableAt, isBeingDeleted, isPodReady, isPodTerminal } from '@podplane/api/pod-state';
import { mouldOf, podFrom, type Template } from '../shared/pod-mould.js';
import { REVISION_LABEL } from '../shared/revisions.js';
import { volumesOf } from './claims.js';
import { podName } from './names.js';

type StatefulSet = Obj<'StatefulSet'>;
type Pod = Obj<'Pod'>;

export const POD_NAME_LABEL = 'statefulset.kubernetes.io/pod-name';
export const POD_INDEX_LABEL = 'apps.kubernetes.io/pod-index';

/** Labels that a pod of one number has, whatever its template says. */
export const identityOf = (name: string, ordinal: number): Readonly<Record<string, string>> => ({
  [POD_NAME_LABEL]: name,
  [POD_INDEX_LABEL]: String(ordinal),
});

export function hasIdentity({ metadata }: Pod, ordinal: number): boolean {
  return metadata?.labels[POD_NAME_LABEL] === metadata?.name && Number(metadata?.labels[POD_INDEX_LABEL]) === ordinal;
}

/** A new pod of one number. Its full host name, which programs that find their peers by it ask for, is NAME.SERVICE.NAMESPACE.svc and the cluster's domain. */
export function newPod(set: StatefulSet, ordinal: number, template: Template, revision: string, now: number): Pod {
  const mould = mouldOf(template, now);
  const name = podName(set, ordinal);
  const labels = { ...mould.labels, ...identityOf(name, ordinal), [REVISION_LABEL]: revision };
  const subdomain = set.spec?.serviceName || undefined;
  const spec =
    mould.spec === undefined
      ? undefined
      : { ...mould.spec, hostname: name, subdomain, volumes: volumesOf(set, ordinal, mould.spec.volumes) };
  // At most one of a number, unless the template says otherwise.
  const annotations = { [FENCING_ANNOTATION]: 'strict', ...mould.annotations };
  return podFrom('StatefulSet', set, { ...mould, labels, annotations, spec }, name);
}

export const revisionOf = (pod: Pod): string => pod.metadata?.labels[REVISION_LABEL] ?? '';

/** Running, ready, and not on its way out. */
export function isHealthy(pod: Pod): boolean {
  return pod.status?.phase === 'Running' && isPodReady(pod) && !isBeingDeleted(pod) && !isPodTerminal(pod);
}

/** Its readiness says more than its phase: it is counted as Ready by nobody who asks for both. */
export const isReadyUnrun = (pod: Pod): boolean => pod.status?.phase !== 'Running' && isPodReady(pod);

/** Healthy for minReadySeconds at now (wall clock, ms). */
export function isAvailable(pod: Pod, minReadySeconds: number, now: number): boolean {
  const at = availableAt(pod, minReadySeconds);
  return isHealthy(pod) && at !== undefined && at <= now;
}
