// The pods of a ReplicaSet or ReplicationController: which count, how many are ready, what a new one looks like. When there are too many is in ranking.ts.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { availableAt, type PodStanding } from '@podplane/api/pod-state';
import { standingKey } from '@podplane/store/indexes';
import type { ReadView } from '@podplane/store/types';
import { mouldOf, podFrom } from '../shared/pod-mould.js';

export type ReplicaKind = 'ReplicaSet' | 'ReplicationController';
/** Of either kind: what they differ in is the form of the selector. */
export type ReplicaSet = Obj<ReplicaKind>;

export const kindOf = (set: ReplicaSet): ReplicaKind => (set.kind === 'ReplicationController' ? 'ReplicationController' : 'ReplicaSet');

/** How many of a set's pods stand so. */
const count = (view: ReadView, set: ReplicaSet, standing: PodStanding): number =>
  view.countIndex('Pod', 'standing', standingKey(set.metadata?.uid ?? '', standing));

/** Those of a set's pods that stand so. */
export function podsOf(view: ReadView, set: ReplicaSet, ...standings: readonly PodStanding[]): Obj<'Pod'>[] {
  const uid = set.metadata?.uid ?? '';
  return standings.flatMap((standing) => [...view.index('Pod', 'standing', standingKey(uid, standing))]);
}

/** Those that count as replicas. */
export const activePods = (view: ReadView, set: ReplicaSet): Obj<'Pod'>[] => podsOf(view, set, 'ready', 'unready');
export const countActive = (view: ReadView, set: ReplicaSet): number => count(view, set, 'ready') + count(view, set, 'unready');
export const countReady = (view: ReadView, set: ReplicaSet): number => count(view, set, 'ready');

/** Whether a pod has all labels of the set's template. */
export function isFullyLabeled(pod: Obj<'Pod'>, set: ReplicaSet): boolean {
  const own = pod.metadata?.labels ?? {};
  for (const [key, value] of Object.entries(set.spec?.template?.metadata?.labels ?? {})) if (own[key] !== value) return false;
  return true;
}

export interface Counts {
  readonly replicas: number;
  readonly fullyLabeled: number;
  readonly ready: number;
  readonly available: number;
  /** Ms until one more becomes available; undefined: time alone changes nothing. */
  readonly nextInMs: number | undefined;
}

/** Counts active pods, by looking at none where it can. allLabeled: it is known that all are fully labelled. now: wall clock, ms. */
export function countPods(view: ReadView, set: ReplicaSet, allLabeled: boolean, now: number): Counts {
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  const replicas = countActive(view, set);
  const ready = countReady(view, set);
  const fullyLabeled = allLabeled ? replicas : activePods(view, set).reduce((sum, pod) => sum + Number(isFullyLabeled(pod, set)), 0);
  if (minReadySeconds <= 0) return { replicas, fullyLabeled, ready, available: ready, nextInMs: undefined };
  let available = 0;
  let next = Number.POSITIVE_INFINITY;
  for (const pod of podsOf(view, set, 'ready')) {
    const at = availableAt(pod, minReadySeconds);
    if (at === undefined) continue;
    if (at <= now) available++;
    else next = Math.min(next, at - now);
  }
  return { replicas, fullyLabeled, ready, available, nextInMs: Number.isFinite(next) ? next : undefined };
}

/** A new pod of a set, with defaults and owner, without a node. */
export function newPod(set: ReplicaSet, name: string, now: number): Obj<'Pod'> {
  const template = set.spec?.template;
  if (template === undefined) throw new TypeError('a ReplicaSet without a template');
  return podFrom(kindOf(set), set, mouldOf(template, now), name);
}
