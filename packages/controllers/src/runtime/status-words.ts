// How an object stands, in a few words: what a write says for itself whose writer has nothing more to say than that it brought the object up to
// date. Of pods the agents say it (server/src/sessions).
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import type { Change } from '@podplane/store/types';

type Words = { readonly [K in Kind]?: (object: Obj<K>) => string | undefined };

const ready = (count: number | undefined, all: number | undefined): string => `${count ?? 0} of ${all ?? 0} ready`;

const words: Words = {
  Deployment: ({ spec, status }) =>
    `${ready(status?.readyReplicas, spec?.replicas ?? 1)}, ${status?.updatedReplicas ?? 0} of the newest template${progress(status?.conditions)}`,
  ReplicaSet: ({ spec, status }) => `${ready(status?.readyReplicas, spec?.replicas ?? 1)}, ${status?.replicas ?? 0} there`,
  ReplicationController: ({ spec, status }) => `${ready(status?.readyReplicas, spec?.replicas ?? 1)}, ${status?.replicas ?? 0} there`,
  StatefulSet: ({ spec, status }) =>
    `${ready(status?.readyReplicas, spec?.replicas ?? 1)}, ${status?.updatedReplicas ?? 0} of the newest template`,
  DaemonSet: ({ status }) =>
    `${ready(status?.numberReady, status?.desiredNumberScheduled)}, ${status?.updatedNumberScheduled ?? 0} of the newest template`,
  Job: ({ status }) => `${status?.active ?? 0} active, ${status?.succeeded ?? 0} succeeded, ${status?.failed ?? 0} failed`,
  CronJob: ({ status }) => `${status?.active.length ?? 0} jobs active, last time ${status?.lastScheduleTime ?? 'none'}`,
  PodDisruptionBudget: ({ status }) =>
    `${status?.currentHealthy ?? 0} healthy, ${status?.desiredHealthy ?? 0} needed: ${status?.disruptionsAllowed ?? 0} may be disrupted`,
  PersistentVolumeClaim: ({ status }) => `claim is ${status?.phase ?? 'Pending'}`,
  PersistentVolume: ({ status }) => `volume is ${status?.phase ?? 'Available'}`,
};

function progress(conditions: readonly { readonly type: string; readonly reason?: string | undefined }[] | undefined): string {
  const reason = conditions?.find(({ type }) => type === 'Progressing')?.reason;
  return reason === undefined ? '' : ` (${reason})`;
}

/** How an object stands after a change of its status; undefined where there is nothing to say. */
export function standingWords({ kind, type, object, previous }: Change): string | undefined {
  if (type !== 'modified') return undefined;
  if (statusOf(object) !== statusOf(previous)) return (words[kind] as ((object: Obj) => string | undefined) | undefined)?.(object);
  const finalizers = object.metadata?.finalizers ?? [];
  if (finalizers.length === previous?.metadata?.finalizers.length) return undefined;
  return finalizers.length === 0 ? 'no finalizer holds it any more' : `finalizers hold it: ${finalizers.join(', ')}`;
}

const statusOf = (object: Obj | undefined): unknown => (object as { readonly status?: unknown } | undefined)?.status;
