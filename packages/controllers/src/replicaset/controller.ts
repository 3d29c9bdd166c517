// ReplicaSets, and ReplicationControllers, which are the same under an older name: as many pods as asked for, adopted or made, and a
// status that says how many. Rollouts are the Deployment's business.
import type { ApiError } from '@podplane/api/errors';
import type { ReplicaSetStatus } from '@podplane/api/gen/podplane/apps/v1/replica_set';
import { deepEqual } from '@podplane/api/kinds/equal';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { controllerOf, isBeingDeleted, isPodTerminal } from '@podplane/api/pod-state';
import type { Change, ReadView, Tx } from '@podplane/store/types';
import { isTerminating } from '../admission/namespace.js';
import { type ReconcileContext, type ReconcileResult, type Reconciler, unlessDecided, unlessDecidedToGo } from '../runtime/types.js';
import { tellAdopted, tellReleased } from '../shared/claim-pods.js';
import { makePod } from '../shared/create-pod.js';
import { deletePod } from '../shared/delete-pod.js';
import { controllerReference, countText, keyOf, nameOf, namespaceOf, namesText, parseKey, regarding, uidOf } from '../shared/objects.js';
import { isRefused, keysOfAccount, tellRefused, withFailure } from '../shared/refusals.js';
import { RejectionBackOff } from '../shared/rejected.js';
import { selectorOf } from '../shared/selectors.js';
import {
  activePods,
  type Counts,
  countActive,
  countPods,
  countReady,
  isFullyLabeled,
  kindOf,
  newPod,
  podsOf,
  type ReplicaKind,
  type ReplicaSet,
} from './pods.js';
import { chooseForDeletion } from './ranking.js';
import { isReranked, Surplus } from './surplus.js';

/** Most pods made or deleted in one reconcile; the rest follows in the next, so that no turn is long. */
const BURST = 250;
/** More than these are told in one event. */
const EVENTS_EACH = 20;
const SUFFIX = 5;
const LONGEST_BASE = 63 - SUFFIX;
/** Keys of sets that may have pods to take or to let go. */
const CLAIM = 'claim:';

/** What is known of a set's pods since the start of this controller. */
interface Known {
  readonly uid: string;
  /** All that count have all labels of the template, so that nobody has to look. */
  readonly allLabeled: boolean;
}

export class ReplicaSetController implements Reconciler {
  readonly name: string;
  readonly #kind: ReplicaKind;
  /** By key. Losing it costs one look at all pods of a set. */
  readonly #known = new Map<string, Known>();
  readonly #rejected = new RejectionBackOff();
  readonly #surplus = new Surplus();

  constructor(kind: ReplicaKind = 'ReplicaSet') {
    this.#kind = kind;
    // As Kubernetes calls them: people filter events by it.
    this.name = kind === 'ReplicaSet' ? 'replicaset' : 'replication';
  }

  *keysFor(change: Change, view: ReadView): Iterable<string> {
    if (change.kind === this.#kind) {
      const set = change.object as ReplicaSet;
      const before = change.previous as ReplicaSet | undefined;
      const isOther = before?.spec?.selector !== set.spec?.selector || before?.spec?.template !== set.spec?.template;
      if (isOther && change.type !== 'deleted') yield `${CLAIM}${keyOf(set)}`;
      yield keyOf(set);
    } else if (change.kind === 'ServiceAccount') yield* keysOfAccount(change, view, this.#kind);
    else if (change.kind === 'Pod') {
      const pod = change.object as Obj<'Pod'>;
      const owner = controllerOf(pod);
      const before = change.previous && controllerOf(change.previous);
      if (owner?.kind === this.#kind) {
        const key = `${namespaceOf(pod)}/${owner.name}`;
        if (isReranked(change)) this.#surplus.forget(key);
        if (this.#isOdd(change, pod, view)) yield `${CLAIM}${key}`;
        yield key;
      }
      if (before?.kind === this.#kind && before.uid !== owner?.uid) yield `${namespaceOf(pod)}/${before.name}`;
      if (owner === undefined && change.type !== 'deleted' && mayBeAdopted(pod)) {
        const labels = pod.metadata?.labels ?? {};
        for (const set of view.list(this.#kind, namespaceOf(pod))) {
          if (!selectorOf(set)(labels)) continue;
          yield `${CLAIM}${keyOf(set)}`;
          yield keyOf(set);
        }
      }
    }
  }

  /** Whether a change of a set's pod may mean that not all of its pods are as its template makes them any more, or again. */
  #isOdd({ type, previous }: Change, pod: Obj<'Pod'>, view: ReadView): boolean {
    if (type === 'deleted') return false;
    const { labels, ownerReferences } = pod.metadata ?? {};
    if (type === 'modified') return previous?.metadata?.labels !== labels || previous?.metadata?.ownerReferences !== ownerReferences;
    const set = view.get(this.#kind, namespaceOf(pod), controllerOf(pod)?.name ?? '');
    return set !== undefined && !(selectorOf(set)(labels ?? {}) && isFullyLabeled(pod, set));
  }

  *allKeys(view: ReadView): Iterable<string> {
    for (const set of view.list(this.#kind)) {
      yield `${CLAIM}${keyOf(set)}`;
      yield keyOf(set);
    }
  }

  reconcile(key: string, context: ReconcileContext): ReconcileResult {
    if (key.startsWith(CLAIM)) {
      const own = key.slice(CLAIM.length);
      // Forgotten, so that the look is one at all pods. It is made here: the one that was asked for beside it may have waited already, and be over.
      this.#known.delete(own);
      this.reconcile(own, context);
      return undefined; // what it wrote asks for the next look
    }
    const { namespace, name } = parseKey(key);
    const { tx } = context;
    const set = tx.get(this.#kind, namespace, name);
    if (set?.spec === undefined) {
      this.#known.delete(key);
      this.#rejected.forget(key);
      this.#surplus.forget(key);
      return undefined;
    }
    try {
      return this.#look(key, context, set, this.#claim(key, set, context));
    } catch (error) {
      this.#known.delete(key); // what it took is undone
      this.#surplus.forget(key);
      throw error;
    }
  }

  #look(key: string, context: ReconcileContext, set: ReplicaSet, { allLabeled }: Known): ReconcileResult {
    const { tx } = context;
    let rest = 0;
    let wait = 0;
    let refused: ApiError | undefined;
    if (!isBeingDeleted(set)) {
      const missing = (set.spec?.replicas ?? 1) - countActive(tx, set);
      if (missing > 0) wait = this.#rejected.wait(key, set.spec, podsOf(tx, set, 'over'), context.monotonic);
      if (missing > 0 && wait === 0) refused = createPods(context, set, missing);
      else if (missing < 0) this.#deletePods(key, context, set, -missing);
      if (missing >= 0) this.#surplus.forget(key);
      rest = Math.abs(missing) - BURST;
      dropLost(context, set);
    }
    const counts = countPods(tx, set, allLabeled, context.now);
    // In a namespace that is going nothing can be made any more, and nothing need be.
    const failed = refused !== undefined && !isTerminating(refused);
    writeStatus(tx, set, counts, failed ? refused?.message : undefined);
    if (rest > 0 && refused === undefined && wait === 0) return { requeueAfterMs: 0 };
    const soonest = Math.min(counts.nextInMs ?? Number.POSITIVE_INFINITY, wait > 0 ? wait : Number.POSITIVE_INFINITY);
    const again = Number.isFinite(soonest) ? { requeueAfterMs: soonest } : {};
    return { ...again, refused: failed };
  }

  #deletePods(key: string, context: ReconcileContext, set: ReplicaSet, surplus: number): void {
    const { tx, monotonic } = context;
    const chosen = this.#surplus.take(key, set, surplus, BURST, tx, monotonic, () => {
      // Where all go, there is nothing to choose.
      if (surplus >= countActive(tx, set)) return podsOf(tx, set, 'unready', 'ready');
      const active = activePods(tx, set);
      return chooseForDeletion(active, surplus, relatedByNode(tx, set, active));
    });
    for (const pod of chosen) deletePod(tx, pod);
    sayCount(context, set, 'delete', chosen.length, -surplus);
    tell(context, set, 'SuccessfulDelete', 'Deleted', chosen.map(nameOf));
  }

  /** The first time, and whenever it may have changed, looks at all pods: takes those that are the set's and lets others go. */
  #claim(key: string, set: ReplicaSet, context: ReconcileContext): Known {
    const known = this.#known.get(key);
    if (known?.uid === uidOf(set)) return known;
    claimPods(context, set);
    const fresh = { uid: uidOf(set), allLabeled: activePods(context.tx, set).every((pod) => isFullyLabeled(pod, set)) };
    this.#known.set(key, fresh);
    return fresh;
  }
}

const mayBeAdopted = (pod: Obj<'Pod'>): boolean => !isPodTerminal(pod) && !isBeingDeleted(pod);

/** Lets go of pods that the set's selector no longer matches, and takes those that it does. */
function claimPods(context: ReconcileContext, set: ReplicaSet): void {
  if (isBeingDeleted(set)) return;
  const { tx } = context;
  const matches = selectorOf(set);
  const uid = uidOf(set);
  for (const pod of Array.from(tx.index('Pod', 'controller', uid))) {
    if (pod.metadata === undefined || isBeingDeleted(pod) || matches(pod.metadata.labels)) continue;
    const ownerReferences = pod.metadata.ownerReferences.filter((owner) => owner.uid !== uid);
    tx.update('Pod', { ...pod, metadata: { ...pod.metadata, ownerReferences } }, 'any');
    tellReleased(context, pod, kindOf(set), set);
  }
  for (const pod of Array.from(tx.index('Pod', 'uncontrolled', namespaceOf(set)))) {
    if (pod.metadata === undefined || !mayBeAdopted(pod) || !matches(pod.metadata.labels)) continue;
    const ownerReferences = [...pod.metadata.ownerReferences.filter((owner) => owner.uid !== uid), controllerReference(kindOf(set), set)];
    tx.update('Pod', { ...pod, metadata: { ...pod.metadata, ownerReferences } }, 'any');
    tellAdopted(context, pod, kindOf(set), set);
  }
}

/** Why not all of them could be made; undefined: they could, or will be in the next reconcile. */
function createPods(context: ReconcileContext, set: ReplicaSet, missing: number): ApiError | undefined {
  const { tx, random, now } = context;
  const count = Math.min(missing, BURST);
  const base = `${nameOf(set)}-`.slice(0, LONGEST_BASE);
  const created: Obj<'Pod'>[] = [];
  let refused: ApiError | undefined;
  while (created.length < count && refused === undefined) {
    const name = `${base}${random.suffix(SUFFIX)}`;
    if (tx.get('Pod', namespaceOf(set), name) !== undefined) continue;
    const made = makePod(tx, newPod(set, name, now), `${nameOf(set)}-`);
    if (isRefused(made)) refused = made;
    else created.push(made);
  }
  if (created.length > 0) {
    sayCount(context, set, 'create', created.length, missing);
    tell(context, set, 'SuccessfulCreate', 'Created', created.map(nameOf));
  }
  if (refused !== undefined) tellRefused(context, kindOf(set), set, refused);
  return refused;
}

/** Why pods are made or deleted. missing: before that; below 0: too many. */
function sayCount(context: ReconcileContext, set: ReplicaSet, verb: string, count: number, missing: number): void {
  const wanted = set.spec?.replicas ?? 1;
  const there = missing < 0 ? `${countText(wanted - missing, 'pod')} for` : `${wanted - missing} of`;
  context.because(
    `${there} ${countText(wanted, 'replica')} of ${nameOf(set)}: ${verb} ${countText(count, 'pod')}`,
    missing < 0 ? unlessDecidedToGo(context, set) : unlessDecided(context, set),
  );
}

/** How many living pods of the set's owner (all of a Deployment's sets) are on each node. */
function relatedByNode(tx: Tx, set: ReplicaSet, active: readonly Obj<'Pod'>[]): Map<string, number> {
  const counts = new Map<string, number>();
  const count = (pods: readonly Obj<'Pod'>[]): void => {
    for (const pod of pods) counts.set(pod.spec?.nodeName ?? '', (counts.get(pod.spec?.nodeName ?? '') ?? 0) + 1);
  };
  count(active);
  const owner = controllerOf(set);
  if (owner === undefined) return counts;
  for (const sibling of tx.index('ReplicaSet', 'controller', owner.uid)) {
    if (uidOf(sibling) !== uidOf(set)) count(activePods(tx, sibling));
  }
  return counts;
}

/** Pods on lost nodes stay as long as they may still be needed: until as many others are ready as there shall be. */
function dropLost(context: ReconcileContext, set: ReplicaSet): void {
  const lost = podsOf(context.tx, set, 'lost');
  if (lost.length === 0) return;
  const wanted = set.spec?.replicas ?? 1;
  const ready = countReady(context.tx, set);
  const needed = Math.max(0, wanted - ready);
  const surplus = lost.slice(needed);
  if (surplus.length === 0) return;
  for (const pod of surplus) deletePod(context.tx, pod);
  const nodes = [...new Set(surplus.map((pod) => pod.spec?.nodeName ?? ''))].sort();
  const names = namesText(surplus.map(nameOf));
  context.because(`${ready} of ${wanted} ready without the pods of ${namesText(nodes)}`);
  context.event({
    regarding: regarding(kindOf(set), set),
    type: 'Normal',
    reason: 'ReplacementsReady',
    message: `${ready} of ${wanted} pods are Ready without lost node ${namesText(nodes)}; deleted ${names}`,
  });
}

function tell(context: ReconcileContext, set: ReplicaSet, reason: string, verb: string, names: readonly string[]): void {
  const about = regarding(kindOf(set), set);
  if (names.length > EVENTS_EACH) {
    context.event({ regarding: about, type: 'Normal', reason, message: `${verb} ${names.length} pods: ${namesText(names)}` });
  } else for (const name of names) context.event({ regarding: about, type: 'Normal', reason, message: `${verb} pod: ${name}` });
}

/** refusal: why not all pods could be made. */
function writeStatus(tx: Tx, set: ReplicaSet, counts: Counts, refusal: string | undefined): void {
  const status: ReplicaSetStatus = {
    replicas: counts.replicas,
    fullyLabeledReplicas: counts.fullyLabeled,
    readyReplicas: counts.ready,
    availableReplicas: counts.available,
    observedGeneration: set.metadata?.generation,
    conditions: withFailure(set.status?.conditions ?? [], refusal, tx.now),
  };
  const now = set.status;
  const same =
    now !== undefined &&
    now.replicas === status.replicas &&
    (now.fullyLabeledReplicas ?? 0) === status.fullyLabeledReplicas &&
    (now.readyReplicas ?? 0) === status.readyReplicas &&
    (now.availableReplicas ?? 0) === status.availableReplicas &&
    now.observedGeneration === status.observedGeneration &&
    deepEqual(now.conditions, status.conditions);
  if (!same) tx.update(kindOf(set), { ...set, status }, 'any');
}
