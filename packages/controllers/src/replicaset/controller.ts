// ReplicaSets, and ReplicationControllers, which are the same under an older name: as many pods as asked for, adopted or made, and a
// status that says how many. Rollouts are the Deployment's business.
import type { ReplicaSetStatus } from '@podplane/api/gen/podplane/apps/v1/replica_set';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { controllerOf, isBeingDeleted, isPodReady, isPodTerminal } from '@podplane/api/pod-state';
import type { Change, ReadView, Tx } from '@podplane/store/types';
import type { ReconcileContext, ReconcileResult, Reconciler } from '../runtime/types.js';
import { createPod } from '../shared/create-pod.js';
import { deletePod } from '../shared/delete-pod.js';
import { controllerReference, keyOf, nameOf, namespaceOf, namesText, parseKey, regarding, uidOf } from '../shared/objects.js';
import { selectorOf } from '../shared/selectors.js';
import { type Counts, countPods, kindOf, newPod, type ReplicaKind, type ReplicaSet, sortPods } from './pods.js';
import { chooseForDeletion } from './ranking.js';

/** Most pods made or deleted in one reconcile; the rest follows in the next, so that no turn is long. */
const BURST = 250;
/** More than these are told in one event. */
const EVENTS_EACH = 20;
const SUFFIX = 5;
const LONGEST_BASE = 63 - SUFFIX;
const ADOPT = 'adopt:';

export class ReplicaSetController implements Reconciler {
  readonly name: string;
  readonly #kind: ReplicaKind;

  constructor(kind: ReplicaKind = 'ReplicaSet') {
    this.#kind = kind;
    this.name = kind.toLowerCase();
  }

  // A key with "adopt:" also looks for pods that nobody controls; that look is made only where there may be some.
  *keysFor(change: Change, view: ReadView): Iterable<string> {
    if (change.kind === this.#kind) {
      const set = change.object as ReplicaSet;
      const before = change.previous as ReplicaSet | undefined;
      yield `${before?.spec?.selector === set.spec?.selector ? '' : ADOPT}${keyOf(set)}`;
    } else if (change.kind === 'Pod') {
      const pod = change.object as Obj<'Pod'>;
      const owner = controllerOf(pod);
      const before = change.previous && controllerOf(change.previous);
      if (owner?.kind === this.#kind) yield `${namespaceOf(pod)}/${owner.name}`;
      if (before?.kind === this.#kind && before.uid !== owner?.uid) yield `${namespaceOf(pod)}/${before.name}`;
      if (owner === undefined && change.type !== 'deleted' && mayBeAdopted(pod)) {
        const labels = pod.metadata?.labels ?? {};
        for (const set of view.list(this.#kind, namespaceOf(pod))) if (selectorOf(set)(labels)) yield `${ADOPT}${keyOf(set)}`;
      }
    }
  }

  *allKeys(view: ReadView): Iterable<string> {
    for (const set of view.list(this.#kind)) yield `${ADOPT}${keyOf(set)}`;
  }

  reconcile(key: string, context: ReconcileContext): ReconcileResult {
    const adopt = key.startsWith(ADOPT);
    const { namespace, name } = parseKey(adopt ? key.slice(ADOPT.length) : key);
    const { tx } = context;
    const set = tx.get(this.#kind, namespace, name);
    if (set?.spec === undefined) return undefined;
    const { active, lost } = sortPods(claimPods(tx, set, adopt));
    let current = active;
    let rest = 0;
    if (!isBeingDeleted(set)) {
      const wanted = set.spec.replicas ?? 1;
      const missing = wanted - active.length;
      if (missing > 0) {
        current = [...active, ...createPods(context, set, Math.min(missing, BURST))];
        rest = missing - BURST;
      } else if (missing < 0) {
        const gone = deletePods(context, set, active, Math.min(-missing, BURST));
        current = active.filter((pod) => !gone.has(uidOf(pod)));
        rest = -missing - BURST;
      }
      dropLost(context, set, current, lost);
    }
    const counts = countPods(current, set, context.now);
    writeStatus(tx, set, counts);
    if (rest > 0) return { requeueAfterMs: 0 };
    return counts.nextInMs === undefined ? undefined : { requeueAfterMs: counts.nextInMs };
  }
}

const mayBeAdopted = (pod: Obj<'Pod'>): boolean => !isPodTerminal(pod) && !isBeingDeleted(pod);

/** The pods that the set controls, after letting go of those that its selector no longer matches and taking those that it does. */
function claimPods(tx: Tx, set: ReplicaSet, adopt: boolean): Obj<'Pod'>[] {
  const matches = selectorOf(set);
  const uid = uidOf(set);
  const claimed: Obj<'Pod'>[] = [];
  let known: Readonly<Record<string, string>> | undefined;
  let fits = false;
  for (const pod of Array.from(tx.index('Pod', 'controller', uid))) {
    const labels = pod.metadata?.labels ?? {};
    if (labels !== known) {
      known = labels;
      fits = matches(labels);
    }
    if (fits) claimed.push(pod);
    else if (pod.metadata !== undefined && !isBeingDeleted(set) && !isBeingDeleted(pod)) {
      const ownerReferences = pod.metadata.ownerReferences.filter((owner) => owner.uid !== uid);
      tx.update('Pod', { ...pod, metadata: { ...pod.metadata, ownerReferences } }, 'any');
    }
  }
  if (!adopt || isBeingDeleted(set)) return claimed;
  for (const pod of Array.from(tx.index('Pod', 'uncontrolled', namespaceOf(set)))) {
    if (pod.metadata === undefined || !mayBeAdopted(pod) || !matches(pod.metadata.labels)) continue;
    const ownerReferences = [...pod.metadata.ownerReferences.filter((owner) => owner.uid !== uid), controllerReference(kindOf(set), set)];
    claimed.push(tx.update('Pod', { ...pod, metadata: { ...pod.metadata, ownerReferences } }, 'any'));
  }
  return claimed;
}

function createPods(context: ReconcileContext, set: ReplicaSet, count: number): Obj<'Pod'>[] {
  const { tx, random, now } = context;
  const base = `${nameOf(set)}-`.slice(0, LONGEST_BASE);
  const created: Obj<'Pod'>[] = [];
  while (created.length < count) {
    const name = `${base}${random.suffix(SUFFIX)}`;
    if (tx.get('Pod', namespaceOf(set), name) === undefined) created.push(createPod(tx, newPod(set, name, now)));
  }
  context.because(`create ${count} pod${count === 1 ? '' : 's'} of ${nameOf(set)}`);
  tell(context, set, 'SuccessfulCreate', 'Created', created.map(nameOf));
  return created;
}

/** Returns the uids of those deleted. */
function deletePods(context: ReconcileContext, set: ReplicaSet, active: readonly Obj<'Pod'>[], count: number): Set<string> {
  const chosen = chooseForDeletion(active, count, relatedByNode(context.tx, set, active));
  for (const pod of chosen) deletePod(context.tx, pod);
  context.because(`delete ${count} pod${count === 1 ? '' : 's'} of ${nameOf(set)}`);
  tell(context, set, 'SuccessfulDelete', 'Deleted', chosen.map(nameOf));
  return new Set(chosen.map(uidOf));
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
    if (uidOf(sibling) !== uidOf(set)) count(sortPods(tx.index('Pod', 'controller', uidOf(sibling))).active);
  }
  return counts;
}

/** Pods on lost nodes stay as long as they may still be needed: until as many others are ready as there shall be. */
function dropLost(context: ReconcileContext, set: ReplicaSet, active: readonly Obj<'Pod'>[], lost: readonly Obj<'Pod'>[]): void {
  if (lost.length === 0) return;
  const wanted = set.spec?.replicas ?? 1;
  const ready = active.reduce((sum, pod) => sum + Number(isPodReady(pod)), 0);
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

function writeStatus(tx: Tx, set: ReplicaSet, counts: Counts): void {
  const status: ReplicaSetStatus = {
    replicas: counts.replicas,
    fullyLabeledReplicas: counts.fullyLabeled,
    readyReplicas: counts.ready,
    availableReplicas: counts.available,
    observedGeneration: set.metadata?.generation,
    conditions: [...(set.status?.conditions ?? [])],
  };
  const now = set.status;
  const same =
    now !== undefined &&
    now.replicas === status.replicas &&
    (now.fullyLabeledReplicas ?? 0) === status.fullyLabeledReplicas &&
    (now.readyReplicas ?? 0) === status.readyReplicas &&
    (now.availableReplicas ?? 0) === status.availableReplicas &&
    now.observedGeneration === status.observedGeneration;
  if (!same) tx.update(kindOf(set), { ...set, status }, 'any');
}
