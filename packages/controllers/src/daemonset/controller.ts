// DaemonSets: one pod on each node that fits. Which changes concern which of them, and what a pass writes; what it decides is in rollout.ts.
import type { ApiError } from '@podplane/api/errors';
import type { DaemonSetStatus } from '@podplane/api/gen/podplane/apps/v1/daemon_set';
import { deepEqual } from '@podplane/api/kinds/equal';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { availableAt, isBeingDeleted, isPodReady, isPodTerminal } from '@podplane/api/pod-state';
import type { Change, ReadView, Tx } from '@podplane/store/types';
import { isTerminating } from '../admission/namespace.js';
import { type ReconcileContext, type ReconcileResult, type Reconciler, unlessDecided, unlessDecidedToGo } from '../runtime/types.js';
import { Calm, isHidden, isLook, isWeightless, lookKey, withoutLook } from '../shared/calm.js';
import { claimPods, ownerKeys } from '../shared/claim-pods.js';
import { makePod } from '../shared/create-pod.js';
import { deletePod } from '../shared/delete-pod.js';
import { countText, keyOf, nameOf, namespaceOf, namesText, parseKey, regarding, uidOf } from '../shared/objects.js';
import { OwnWrites } from '../shared/own-writes.js';
import { mouldOf, podFrom } from '../shared/pod-mould.js';
import { isRefused, keysOfAccount, tellRefused } from '../shared/refusals.js';
import { clearRevisions, newestRevision, REVISION_LABEL } from '../shared/revisions.js';
import { fitOf, specFor, targetOf } from './placement.js';
import { boundsOf, byAge, isAvailable, isNew, type Place, planPass, type Rules } from './rollout.js';

type DaemonSet = Obj<'DaemonSet'>;
type Pod = Obj<'Pod'>;

/** Most pods made in one reconcile. */
const BURST = 250;
const SUFFIX = 5;
const LONGEST_BASE = 63 - SUFFIX;
/** A pod that ends at once is replaced ever more seldom: ms. */
const BACK_OFF_FIRST = 1000;
const BACK_OFF_MOST = 15 * 60_000;
/** More than these are told in one event. */
const EVENTS_EACH = 20;
const NO_PODS: readonly Pod[] = [];

export class DaemonSetController implements Reconciler {
  readonly name = 'daemonset';
  /** How long a pod that is over is left alone, by set and node; monotonic. Losing it costs one early start. */
  readonly #backOff = new Map<string, { readonly delay: number; readonly until: number }>();
  readonly #calm = new Calm();
  readonly #own = new OwnWrites();

  *keysFor(change: Change, view: ReadView): Iterable<string> {
    if (this.#own.has(change) || isWeightless(change)) return;
    if (change.kind === 'DaemonSet') yield keyOf(change.object);
    else if (change.kind === 'Pod' || change.kind === 'ControllerRevision') {
      for (const key of ownerKeys(change, view, 'DaemonSet')) yield isHidden(change) ? lookKey(key) : key;
    } else if (change.kind === 'ServiceAccount') yield* keysOfAccount(change, view, 'DaemonSet');
    else if (change.kind === 'Node') {
      const node = change.object as Obj<'Node'>;
      const before = change.previous as Obj<'Node'> | undefined;
      if (change.type === 'modified' && deepEqual(before?.metadata?.labels, node.metadata?.labels) && deepEqual(before?.spec, node.spec))
        return;
      yield* this.allKeys(view);
    }
  }

  *allKeys(view: ReadView): Iterable<string> {
    for (const set of view.list('DaemonSet')) yield lookKey(keyOf(set));
  }

  reconcile(asked: string, context: ReconcileContext): ReconcileResult {
    const key = withoutLook(asked);
    if (isLook(asked)) this.#calm.forget(key);
    const { namespace, name } = parseKey(key);
    const { tx, now } = context;
    const set = tx.get('DaemonSet', namespace, name);
    const ready = set && this.#calm.ready(key, set, tx);
    if (set !== undefined && ready !== undefined) {
      writeReady(tx, set, ready);
      return undefined;
    }
    this.#calm.forget(key);
    const template = set?.spec?.template;
    if (set?.spec === undefined || template?.spec === undefined) {
      for (const known of this.#backOff.keys()) if (known.startsWith(`${key} `)) this.#backOff.delete(known);
      return undefined;
    }
    const pods = claimPods(context, 'DaemonSet', set);
    if (isBeingDeleted(set)) return undefined;
    const newest = newestRevision(tx, 'DaemonSet', set, template);
    const hash = newest.revision.metadata?.labels[REVISION_LABEL] ?? '';
    const fits = fitOf(template.spec);
    const { places, strays: meant } = placesOf(tx, fits, pods);
    const desired = places.reduce((sum, { fit }) => sum + Number(fit.run), 0);
    const onDelete = set.spec.updateStrategy?.type === 'OnDelete';
    const rules: Rules = { hash, now, minReadySeconds: set.spec.minReadySeconds ?? 0, onDelete, ...boundsOf(set, desired) };
    const plan = planPass(places, rules);
    // Bound to nodes that are no more: the garbage collector's. Meant for one that never took them: ours.
    const strays = meant.filter((pod) => !pod.spec?.nodeName && !isBeingDeleted(pod));
    const { wait, cleared } = this.#clearOver(key, set, plan.over, context);
    const deleted = this.#delete(context, set, [...plan.delete, ...strays], reasonToGo(places, rules));
    const made = plan.create.slice(0, BURST);
    const refused = this.#create(context, set, hash, made);
    clearRevisions(tx, set, newest.all, (revision) => {
      if (revision === newest.revision) return true;
      const label = revision.metadata?.labels[REVISION_LABEL];
      return pods.some((pod) => pod.metadata?.labels[REVISION_LABEL] === label);
    });
    const idle = made.length + plan.delete.length + plan.over.length + meant.length === 0;
    const after = idle ? places : placesOf(tx, fits, tx.index('Pod', 'controller', uidOf(set))).places;
    const next = this.#writeStatus(context, set, rules, newest.collisionCount, after);
    if (idle && rules.minReadySeconds === 0 && places.every((place) => isSettled(place, hash))) this.#calm.rest(key, set, desired);
    // What is gone at once makes room that no change will tell of.
    if ((cleared || deleted || plan.create.length > BURST) && refused === undefined) return { requeueAfterMs: 0 };
    const soonest = Math.min(wait, next);
    const again = Number.isFinite(soonest) ? { requeueAfterMs: Math.max(1, soonest) } : {};
    return { ...again, refused: refused !== undefined && !isTerminating(refused) };
  }

  /** Deletes pods that are over, each node's in its own time. Returns ms until the next one's time. */
  #clearOver(
    key: string,
    set: DaemonSet,
    over: readonly { readonly node: string; readonly pod: Pod }[],
    context: ReconcileContext,
  ): { readonly wait: number; readonly cleared: boolean } {
    let wait = Number.POSITIVE_INFINITY;
    let cleared = false;
    for (const { node, pod } of over) {
      const at = `${key} ${node}`;
      const known = this.#backOff.get(at);
      if (known !== undefined && known.until > context.monotonic) {
        wait = Math.min(wait, known.until - context.monotonic);
        continue;
      }
      // Long over its time: it ran well meanwhile, so it starts from the beginning.
      const forgotten = known === undefined || context.monotonic > known.until + 2 * known.delay;
      const delay = forgotten ? BACK_OFF_FIRST : Math.min(BACK_OFF_MOST, known.delay * 2);
      this.#backOff.set(at, { delay, until: context.monotonic + delay });
      const failed = pod.status?.phase === 'Failed';
      const message = `Found ${failed ? 'failed' : 'succeeded'} daemon pod ${namespaceOf(pod)}/${nameOf(pod)} on node ${node}, will try to ${failed ? 'kill' : 'delete'} it`;
      const reason = failed ? 'FailedDaemonPod' : 'SucceededDaemonPod';
      context.event({ regarding: regarding('DaemonSet', set), type: failed ? 'Warning' : 'Normal', reason, message });
      context.becauseFor(pod, message);
      context.because(message, unlessDecided(context, set));
      if (this.#own.add(deletePod(context.tx, pod)) === undefined) cleared = true;
      tell(context, set, 'SuccessfulDelete', 'Deleted', [nameOf(pod)]);
    }
    return { wait, cleared };
  }

  /** Whether one of them was gone at once. */
  #delete(context: ReconcileContext, set: DaemonSet, pods: readonly Pod[], why: (pod: Pod) => string): boolean {
    if (pods.length === 0) return false;
    let gone = false;
    for (const pod of pods) {
      context.becauseFor(pod, why(pod));
      if (this.#own.add(deletePod(context.tx, pod)) === undefined) gone = true;
    }
    const [first] = pods;
    const words = first === undefined ? '' : `${why(first)}: `;
    context.because(`${words}delete ${countText(pods.length, 'pod')}`, unlessDecidedToGo(context, set));
    tell(context, set, 'SuccessfulDelete', 'Deleted', pods.map(nameOf));
    return gone;
  }

  /** Why not all of them could be made; undefined: they could. */
  #create(context: ReconcileContext, set: DaemonSet, hash: string, nodes: readonly string[]): ApiError | undefined {
    const { tx, random, now } = context;
    const template = set.spec?.template;
    if (template === undefined || nodes.length === 0) return undefined;
    const mould = mouldOf(template, now);
    const labels = { ...mould.labels, [REVISION_LABEL]: hash };
    const base = `${nameOf(set)}-`.slice(0, LONGEST_BASE);
    const names: string[] = [];
    let refused: ApiError | undefined;
    for (const node of nodes) {
      let name: string;
      do name = `${base}${random.suffix(SUFFIX)}`;
      while (tx.get('Pod', namespaceOf(set), name) !== undefined);
      const spec = mould.spec === undefined ? undefined : specFor(mould.spec, node);
      const made = makePod(tx, podFrom('DaemonSet', set, { ...mould, labels, spec }, name), `${nameOf(set)}-`);
      if (isRefused(made)) {
        refused = made;
        break;
      }
      this.#own.add(made);
      names.push(name);
    }
    if (names.length > 0) {
      const why = `${namesText(nodes)} without a pod of ${nameOf(set)}`;
      context.because(`${why}: create ${countText(names.length, 'pod')}`, unlessDecided(context, set));
      tell(context, set, 'SuccessfulCreate', 'Created', names);
    }
    if (refused !== undefined) tellRefused(context, 'DaemonSet', set, refused);
    return refused;
  }

  /** Counts nodes as they are after this pass. Returns ms until time alone changes a number. */
  #writeStatus({ tx, now }: ReconcileContext, set: DaemonSet, rules: Rules, collisionCount: number, places: readonly Place[]): number {
    let [desired, current, misscheduled, ready, available, updated] = [0, 0, 0, 0, 0, 0];
    let next = Number.POSITIVE_INFINITY;
    for (const { fit, pods } of places) {
      if (!fit.run) {
        if (pods.length > 0) misscheduled++;
        continue;
      }
      desired++;
      if (pods.length === 0) continue;
      current++;
      // Of two on a node (a surge) the older counts: the node is not updated before the younger one alone is left.
      const living = pods.filter((pod) => !isBeingDeleted(pod));
      const [pod] = living.length > 1 ? living.sort(byAge) : living;
      if (pod === undefined) continue;
      if (isNew(pod, rules.hash)) updated++;
      if (isPodReady(pod)) ready++;
      if (isAvailable(pod, rules)) available++;
      if (rules.minReadySeconds === 0) continue;
      for (const one of living) {
        const at = availableAt(one, rules.minReadySeconds);
        if (at !== undefined && at > now) next = Math.min(next, at - now);
      }
    }
    const status: DaemonSetStatus = {
      desiredNumberScheduled: desired,
      currentNumberScheduled: current,
      numberMisscheduled: misscheduled,
      numberReady: ready,
      numberAvailable: available,
      numberUnavailable: desired - available,
      updatedNumberScheduled: updated,
      observedGeneration: set.metadata?.generation,
      collisionCount: collisionCount === 0 ? undefined : collisionCount,
      conditions: [],
    };
    if (!deepEqual(set.status, status)) this.#own.add(tx.update('DaemonSet', { ...set, status }, 'any'));
    return next;
  }
}

/** Why a pod that is deleted has to go, in a few words. */
function reasonToGo(places: readonly Place[], { hash, maxSurge, maxUnavailable }: Rules): (pod: Pod) => string {
  let byPod: Map<Pod, Place> | undefined;
  return (pod) => {
    byPod ??= new Map(places.flatMap((place) => place.pods.map((one) => [one, place])));
    const place = byPod.get(pod);
    if (place === undefined) return `node ${targetOf(pod)} is no more`;
    if (!place.fit.stay) return `node ${place.node} does not fit any more`;
    if (isNew(pod, hash)) return `node ${place.node} has another one`;
    return maxSurge > 0
      ? `rolling update, node ${place.node} has a pod of the new template`
      : `rolling update, at most ${maxUnavailable} not available`;
  };
}

/** The nodes with the pods that are on each or meant for it; strays: pods of no node that there is. */
function placesOf(tx: Tx, fits: ReturnType<typeof fitOf>, pods: Iterable<Pod>): { readonly places: Place[]; readonly strays: Pod[] } {
  const byNode = Map.groupBy(pods, targetOf);
  const places: Place[] = [];
  for (const node of tx.list('Node', undefined, { ordered: true })) {
    const at = nameOf(node);
    places.push({ node: at, fit: fits(node), pods: byNode.get(at) ?? NO_PODS });
    byNode.delete(at);
  }
  return { places, strays: [...byNode.values()].flat() };
}

function tell(context: ReconcileContext, set: DaemonSet, reason: string, verb: string, names: readonly string[]): void {
  const about = regarding('DaemonSet', set);
  if (names.length > EVENTS_EACH) {
    context.event({ regarding: about, type: 'Normal', reason, message: `${verb} ${names.length} pods: ${namesText(names)}` });
  } else for (const name of names) context.event({ regarding: about, type: 'Normal', reason, message: `${verb} pod: ${name}` });
}

/** One pod of the newest template where one belongs, else none. */
function isSettled({ fit, pods }: Place, hash: string): boolean {
  const [pod] = pods;
  if (pod === undefined) return !fit.run;
  return fit.run && pods.length === 1 && isNew(pod, hash) && !isBeingDeleted(pod) && !isPodTerminal(pod);
}

/** The status of a set at rest, of whose pods so many are ready. */
function writeReady(tx: Tx, set: DaemonSet, ready: number): void {
  const { status } = set;
  if (status === undefined) return;
  const next = {
    ...status,
    numberReady: ready,
    numberAvailable: ready,
    numberUnavailable: status.desiredNumberScheduled - ready,
    observedGeneration: set.metadata?.generation,
  };
  if (!deepEqual(status, next)) tx.update('DaemonSet', { ...set, status: next }, 'any');
}
