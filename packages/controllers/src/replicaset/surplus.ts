// Which pods of a set go next while it has too many: ranked once and then taken in bursts, as long as none of them changes in a way that ranks
// them otherwise. How they are ranked is in ranking.ts.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { controllerOf, podStanding } from '@podplane/api/pod-state';
import type { Change, ReadView } from '@podplane/store/types';
import { nameOf, namespaceOf, uidOf } from '../shared/objects.js';

type Pod = Obj<'Pod'>;

/** A ranking goes by restarts and by pods of other sets, too, whose changes are not told here: it holds for so long, ms. */
const HOLDS_MS = 1000;

interface Ranked {
  readonly uid: string;
  readonly pods: readonly Pod[];
  taken: number;
  readonly until: number;
}

/** Whether a change of a pod may put it elsewhere among those that are to go. */
export function isReranked({ type, object, previous }: Change): boolean {
  if (type === 'added') return true;
  if (type === 'deleted' || previous === undefined) return false;
  const [now, before] = [object as Pod, previous as Pod];
  if (now.metadata?.annotations !== before.metadata?.annotations || now.spec?.nodeName !== before.spec?.nodeName) return true;
  const standing = podStanding(now);
  return (
    (standing === 'ready' || standing === 'unready') && (standing !== podStanding(before) || now.status?.phase !== before.status?.phase)
  );
}

export class Surplus {
  /** By key of the set. Losing one costs one ranking of all its pods. */
  readonly #ranked = new Map<string, Ranked>();

  forget(key: string): void {
    this.#ranked.delete(key);
  }

  /**
   * The next pods to go, at most burst of the surplus of them that the set has too many. rank: all of the surplus, those that go first before the
   * others. now: monotonic, ms.
   */
  take(key: string, set: Obj, surplus: number, burst: number, view: ReadView, now: number, rank: () => readonly Pod[]): Pod[] {
    const count = Math.min(surplus, burst);
    let known = this.#ranked.get(key);
    let pods = known?.uid === uidOf(set) && now < known.until ? next(known, count, view) : [];
    if (pods.length < count) {
      known = { uid: uidOf(set), pods: rank(), taken: 0, until: now + HOLDS_MS };
      pods = next(known, count, view);
    }
    if (known === undefined || known.taken >= known.pods.length) this.#ranked.delete(key);
    else this.#ranked.set(key, known);
    return pods;
  }
}

/** The next ones that are still there and still count. */
function next(ranked: Ranked, count: number, view: ReadView): Pod[] {
  const pods: Pod[] = [];
  while (pods.length < count && ranked.taken < ranked.pods.length) {
    const pod = ranked.pods[ranked.taken++];
    const now = pod && view.get('Pod', namespaceOf(pod), nameOf(pod));
    if (now === undefined || uidOf(now) !== uidOf(pod as Pod) || controllerOf(now)?.uid !== ranked.uid) continue;
    const standing = podStanding(now);
    if (standing === 'ready' || standing === 'unready') pods.push(now);
  }
  return pods;
}
