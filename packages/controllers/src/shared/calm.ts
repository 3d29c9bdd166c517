// Workloads that have come to rest: every pod is there and of the newest template, and nothing is waited for but that some get ready. Until
// something else happens, a look at one costs a few numbers that the store keeps (its index "standing"), however many pods it has. When a
// workload is at rest is for its controller to say; what is counted then is the same for all.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodTerminal, type PodStanding, podCondition, podStanding } from '@podplane/api/pod-state';
import { standingKey } from '@podplane/store/indexes';
import type { Change, ReadView } from '@podplane/store/types';
import { uidOf } from './objects.js';

type Workload = Obj<'DaemonSet' | 'StatefulSet'>;

/** Begins a key that asks for a look at all pods, whatever the numbers say. */
const LOOK = 'look:';

export const lookKey = (key: string): string => `${LOOK}${key}`;
export const isLook = (key: string): boolean => key.startsWith(LOOK);
export const withoutLook = (key: string): string => (isLook(key) ? key.slice(LOOK.length) : key);

/**
 * Whether a change of a pod, or of something else that a workload owns, may matter in a way that the numbers do not show: who joins or leaves,
 * and what a pod is of. That one got ready, is lost, ends or is gone, they show.
 */
export function isHidden({ kind, type, object, previous }: Change): boolean {
  if (kind !== 'Pod') return true;
  if (type !== 'modified' || previous === undefined) return type === 'added';
  const [now, before] = [object.metadata, previous.metadata];
  return now?.labels !== before?.labels || now?.ownerReferences !== before?.ownerReferences;
}

/**
 * Whether a change of a pod changes nothing by which a workload counts or places its pods: it got a node, an address, another container's
 * state. Of ten changes of a pod that starts, one or two are more than that.
 */
export function isWeightless(change: Change): boolean {
  if (change.kind !== 'Pod' || change.type !== 'modified' || change.previous === undefined || isHidden(change)) return false;
  const [now, before] = [change.object as Obj<'Pod'>, change.previous as Obj<'Pod'>];
  if (podStanding(now) !== podStanding(before) || now.metadata?.deletionTimestamp !== before.metadata?.deletionTimestamp) return false;
  const [ready, was] = [podCondition(now, 'Ready'), podCondition(before, 'Ready')];
  if (ready?.status !== was?.status || ready?.lastTransitionTime !== was?.lastTransitionTime) return false;
  return now.status?.phase === before.status?.phase || (ready?.status !== 'True' && !isPodTerminal(now));
}

interface Rest {
  readonly uid: string;
  readonly spec: Workload['spec'];
  readonly pods: number;
}

export class Calm {
  /** By key. Losing one costs one look at all pods. */
  readonly #resting = new Map<string, Rest>();

  /** It has exactly so many pods, all as they shall be, each counted as available once it is ready. */
  rest(key: string, set: Workload, pods: number): void {
    this.#resting.set(key, { uid: uidOf(set), spec: set.spec, pods });
  }

  forget(key: string): void {
    this.#resting.delete(key);
  }

  /** How many pods of one at rest are ready; undefined: it is not at rest, or not any more. */
  ready(key: string, set: Workload, view: ReadView): number | undefined {
    const known = this.#resting.get(key);
    if (known === undefined) return undefined;
    const uid = uidOf(set);
    const count = (...standings: readonly PodStanding[]): number =>
      standings.reduce((sum, standing) => sum + view.countIndex('Pod', 'standing', standingKey(uid, standing)), 0);
    const same = known.uid === uid && known.spec === set.spec && !isBeingDeleted(set);
    if (same && count('leaving', 'over', 'uncounted') === 0 && count('ready', 'unready', 'lost') === known.pods) return count('ready');
    this.#resting.delete(key);
    return undefined;
  }
}
