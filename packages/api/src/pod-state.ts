// What a Pod's status says, as the deciders ask it. Reading only; who writes statuses is elsewhere.
import type { Obj } from './kinds/kind-map.js';

export type PodConditionObject = NonNullable<Obj<'Pod'>['status']>['conditions'][number];

/** Phase Succeeded or Failed: it will never run again. */
export function isPodTerminal(pod: Obj<'Pod'>): boolean {
  const phase = pod.status?.phase;
  return phase === 'Succeeded' || phase === 'Failed';
}

export function isBeingDeleted(object: { readonly metadata?: { readonly deletionTimestamp?: string | undefined } | undefined }): boolean {
  return object.metadata?.deletionTimestamp !== undefined;
}

export function podCondition(pod: Obj<'Pod'>, type: string): PodConditionObject | undefined {
  // A loop, as this is asked of every pod of a set whenever one of them changes.
  for (const condition of pod.status?.conditions ?? []) if (condition.type === type) return condition;
  return undefined;
}

export function isPodReady(pod: Obj<'Pod'>): boolean {
  return podCondition(pod, 'Ready')?.status === 'True';
}

/** When (ms since 1970) a pod becomes available, i.e. was ready for minReadySeconds; undefined: it is not ready. */
export function availableAt(pod: Obj<'Pod'>, minReadySeconds: number): number | undefined {
  const ready = podCondition(pod, 'Ready');
  if (ready?.status !== 'True') return undefined;
  if (minReadySeconds <= 0) return 0;
  const since = ready.lastTransitionTime === undefined ? Number.NaN : Date.parse(ready.lastTransitionTime);
  return Number.isNaN(since) ? undefined : since + minReadySeconds * 1000;
}

/**
 * Why a pod whose node fell silent is not deleted at once: its containers may still run, and if the node returns before a
 * replacement is ready, the original is kept. Such a pod carries the condition DisruptionTarget with this reason.
 */
export const REASON_NODE_LOST = 'NodeLost';

/** The pod's node is lost; its controller does not count it any more and makes a replacement. */
export function isPodLost(pod: Obj<'Pod'>): boolean {
  const condition = podCondition(pod, 'DisruptionTarget');
  return condition?.status === 'True' && condition.reason === REASON_NODE_LOST;
}

/** Its node did not take it: it has failed, and nothing of it was ever made, so that there is no status of any container. */
export function isPodRejected({ status }: Obj<'Pod'>): boolean {
  return status?.phase === 'Failed' && !!status.reason && status.containerStatuses.length + status.initContainerStatuses.length === 0;
}

/** A pod of a Job carries this finalizer until it has been counted; so none is lost, whoever deletes it. */
export const JOB_TRACKING = 'batch.kubernetes.io/job-tracking';

/**
 * How a pod stands towards the workload that controls it. ready, unready: it counts. lost: on a lost node, replaced. leaving: being
 * deleted and not over. uncounted: over, and its Job has not counted it. over: nothing is to be done about it.
 */
export type PodStanding = 'ready' | 'unready' | 'lost' | 'leaving' | 'uncounted' | 'over';

export function podStanding(pod: Obj<'Pod'>): PodStanding {
  if (isPodTerminal(pod)) return pod.metadata?.finalizers.includes(JOB_TRACKING) === true ? 'uncounted' : 'over';
  if (isBeingDeleted(pod)) return 'leaving';
  // Only a lost pod has a reason; asked first, it spares a look through the conditions of all others.
  if (pod.status?.reason === REASON_NODE_LOST && isPodLost(pod)) return 'lost';
  return isPodReady(pod) ? 'ready' : 'unready';
}

/** The owner that manages an object, if there is one. */
export function controllerOf(object: Obj): { readonly kind: string; readonly name: string; readonly uid: string } | undefined {
  return object.metadata?.ownerReferences.find((owner) => owner.controller === true);
}
