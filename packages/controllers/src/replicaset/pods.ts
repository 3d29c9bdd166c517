// The pods of a ReplicaSet or ReplicationController: which count, how many are ready, what a new one looks like. When there are too many is in ranking.ts.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { availableAt, isBeingDeleted, isPodLost, isPodReady, isPodTerminal, REASON_NODE_LOST } from '@podplane/api/pod-state';
import { mouldOf, podFrom } from '../shared/pod-mould.js';

export type ReplicaKind = 'ReplicaSet' | 'ReplicationController';
/** Of either kind: what they differ in is the form of the selector. */
export type ReplicaSet = Obj<ReplicaKind>;

export const kindOf = (set: ReplicaSet): ReplicaKind => (set.kind === 'ReplicationController' ? 'ReplicationController' : 'ReplicaSet');

export interface Sorted {
  /** Those that count as replicas. */
  readonly active: Obj<'Pod'>[];
  /** On lost nodes: replaced, but kept in case that the node returns before the replacement is ready. */
  readonly lost: Obj<'Pod'>[];
}

/** Pods that are over or on their way out are in neither. */
export function sortPods(pods: Iterable<Obj<'Pod'>>): Sorted {
  const active: Obj<'Pod'>[] = [];
  const lost: Obj<'Pod'>[] = [];
  for (const pod of pods) {
    if (isBeingDeleted(pod) || isPodTerminal(pod)) continue;
    // Only a lost pod has a reason; asked first, it spares a look through the conditions of a hundred thousand others.
    if (pod.status?.reason === REASON_NODE_LOST && isPodLost(pod)) lost.push(pod);
    else active.push(pod);
  }
  return { active, lost };
}

export interface Counts {
  readonly replicas: number;
  readonly fullyLabeled: number;
  readonly ready: number;
  readonly available: number;
  /** Ms until one more becomes available; undefined: time alone changes nothing. */
  readonly nextInMs: number | undefined;
}

/** Counts active pods. now: wall clock, ms. */
export function countPods(active: readonly Obj<'Pod'>[], set: ReplicaSet, now: number): Counts {
  const labels = Object.entries(set.spec?.template?.metadata?.labels ?? {});
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  let [fullyLabeled, ready, available] = [0, 0, 0];
  let next = Number.POSITIVE_INFINITY;
  // Pods of one mould share their labels, so the answer for one is the answer for the next.
  let known: Readonly<Record<string, string>> | undefined;
  let full = false;
  for (const pod of active) {
    const own = pod.metadata?.labels ?? {};
    if (own !== known) {
      known = own;
      full = labels.every(([key, value]) => own[key] === value);
    }
    if (full) fullyLabeled++;
    if (!isPodReady(pod)) continue;
    ready++;
    const at = availableAt(pod, minReadySeconds);
    if (at === undefined) continue;
    if (at <= now) available++;
    else next = Math.min(next, at - now);
  }
  return { replicas: active.length, fullyLabeled, ready, available, nextInMs: Number.isFinite(next) ? next : undefined };
}

/** A new pod of a set, with defaults and owner, without a node. */
export function newPod(set: ReplicaSet, name: string, now: number): Obj<'Pod'> {
  const template = set.spec?.template;
  if (template === undefined) throw new TypeError('a ReplicaSet without a template');
  return podFrom(kindOf(set), set, mouldOf(template, now), name);
}
