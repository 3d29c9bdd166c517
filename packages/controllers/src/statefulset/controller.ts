// StatefulSets: pods with lasting numbers and names, each at most once. Which changes concern which set, what a pass writes, and the
// status; what is to be done next is in plan.ts.
//
// There are never two pods of one number: the name is the number, and a name is free only when the object of the pod before is gone,
// which its agent's word, or the removal of its node, brings about.
import type { ApiError } from '@podplane/api/errors';
import type { StatefulSetStatus } from '@podplane/api/gen/podplane/apps/v1/stateful_set';
import { deepEqual } from '@podplane/api/kinds/equal';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { availableAt, controllerOf, isBeingDeleted, isPodTerminal } from '@podplane/api/pod-state';
import type { Change, ReadView, Tx } from '@podplane/store/types';
import { isTerminating } from '../admission/namespace.js';
import { type ReconcileContext, type ReconcileResult, type Reconciler, unlessDecided, unlessDecidedToGo } from '../runtime/types.js';
import { Calm, isHidden, isLook, isWeightless, lookKey, withoutLook } from '../shared/calm.js';
import { claimPods, ownerKeys } from '../shared/claim-pods.js';
import { makePod } from '../shared/create-pod.js';
import { deletePod } from '../shared/delete-pod.js';
import { countText, keyOf, nameOf, namespaceOf, namesText, parseKey, regarding, uidOf } from '../shared/objects.js';
import { OwnWrites } from '../shared/own-writes.js';
import { isRefused, keysOfAccount, tellRefused } from '../shared/refusals.js';
import { RejectionBackOff } from '../shared/rejected.js';
import { clearRevisions, newestRevision, type Revision, templateOf } from '../shared/revisions.js';
import { createClaims, hasStaleClaim, setsOfClaim, syncClaims } from './claims.js';
import { ordinalOf, podName } from './names.js';
import { planStep, slotsOf } from './plan.js';
import { hasIdentity, identityOf, isAvailable, isHealthy, isReadyUnrun, newPod, revisionOf } from './pods.js';

type StatefulSet = Obj<'StatefulSet'>;
type Pod = Obj<'Pod'>;

/** Most pods made or deleted in one reconcile. */
const BURST = 250;
/** When a name that somebody else's pod has is tried again, ms. */
const NAME_TAKEN_RETRY = 10_000;

export class StatefulSetController implements Reconciler {
  readonly name = 'statefulset';
  readonly #calm = new Calm();
  readonly #rejected = new RejectionBackOff();
  readonly #own = new OwnWrites();

  *keysFor(change: Change, view: ReadView): Iterable<string> {
    if (this.#own.has(change) || isWeightless(change)) return;
    if (change.kind === 'StatefulSet') yield keyOf(change.object);
    else if (change.kind === 'ServiceAccount') yield* keysOfAccount(change, view, 'StatefulSet');
    else if (change.kind === 'PersistentVolumeClaim') {
      // Made anew where a pod needs it.
      if (change.type !== 'deleted') return;
      for (const set of setsOfClaim(change.object as Obj<'PersistentVolumeClaim'>, view)) yield lookKey(keyOf(set));
    } else if (change.kind === 'Pod' || change.kind === 'ControllerRevision') {
      const isOdd = isHidden(change) || (change.kind === 'Pod' && isReadyUnrun(change.object as Pod));
      for (const key of ownerKeys(change, view, 'StatefulSet')) yield isOdd ? lookKey(key) : key;
      // A foreign pod that had one of the set's names is gone.
      const name = nameOf(change.object);
      if (change.kind === 'Pod' && change.type === 'deleted' && controllerOf(change.object)?.kind !== 'StatefulSet') {
        const set = view.get('StatefulSet', namespaceOf(change.object), name.slice(0, Math.max(0, name.lastIndexOf('-'))));
        if (set !== undefined) yield keyOf(set);
      }
    }
  }

  *allKeys(view: ReadView): Iterable<string> {
    for (const set of view.list('StatefulSet')) yield lookKey(keyOf(set));
  }

  reconcile(asked: string, context: ReconcileContext): ReconcileResult {
    const key = withoutLook(asked);
    if (isLook(asked)) this.#calm.forget(key);
    const { namespace, name } = parseKey(key);
    const { tx, now } = context;
    const set = tx.get('StatefulSet', namespace, name);
    const ready = set && this.#calm.ready(key, set, tx);
    if (set !== undefined && ready !== undefined) {
      writeReady(tx, set, ready);
      return undefined;
    }
    this.#calm.forget(key);
    const template = set?.spec?.template;
    if (set === undefined || template === undefined) {
      this.#rejected.forget(key);
      return undefined;
    }
    const claimed = claimPods(context, 'StatefulSet', set, (pod) => ordinalOf(set, nameOf(pod)) !== undefined);
    if (isBeingDeleted(set)) {
      this.#countLast(context, set, claimed);
      return undefined;
    }
    const pods = claimed.map((pod) => withIdentity(context, set, pod));
    const { start, replicas, updateFrom } = slotsOf(set);
    const wanted = (ordinal: number): boolean => ordinal >= start && ordinal < start + replicas;
    // Before any of them goes: a claim that goes with its pod has to name it first.
    for (const { pod, claim } of syncClaims(tx, set, pods, wanted)) tellClaim(context, set, pod, claim);
    const newest = newestRevision(tx, 'StatefulSet', set, template);
    const updateRevision = nameOf(newest.revision);
    const current = newest.all.find((revision) => nameOf(revision) === set.status?.currentRevision) ?? newest.revision;
    const currentRevision = nameOf(current);
    const step = planStep({ set, pods, updateRevision, currentRevision, now });
    const rolling = set.spec?.updateStrategy?.type !== 'OnDelete';
    const revisionAt = (ordinal: number): string | undefined => {
      if (!wanted(ordinal)) return undefined;
      return rolling && ordinal < updateFrom ? currentRevision : updateRevision;
    };
    let held = Number.POSITIVE_INFINITY;
    const free = step.delete.filter((pod) => {
      const next = revisionAt(ordinalOf(set, nameOf(pod)) ?? -1);
      // What does not come back as it was need not wait.
      if (next !== revisionOf(pod)) return true;
      const wait = this.#rejected.wait(`${key} ${nameOf(pod)}`, revisionOf(pod), [pod], context.monotonic);
      if (wait > 0) held = Math.min(held, wait);
      return wait === 0;
    });
    const removed = free.slice(0, BURST);
    let gone = false;
    for (const pod of removed) {
      context.becauseFor(pod, wordsToGo(set, pod, updateRevision, wanted));
      if (this.#own.add(deletePod(tx, pod)) === undefined) gone = true;
      tell(context, set, 'Normal', 'SuccessfulDelete', `delete Pod ${nameOf(pod)} in StatefulSet ${nameOf(set)} successful`);
    }
    const made = step.create.slice(0, BURST);
    let taken = false;
    let refused: ApiError | undefined;
    const names: string[] = [];
    for (const { ordinal, revision } of made) {
      const result = this.#create(context, set, ordinal, revision, newest.all);
      if (result === 'taken') taken = true;
      else if (isRefused(result)) {
        refused = result;
        break;
      } else names.push(nameOf(this.#own.add(result)));
    }
    if (removed.length + names.length > 0) {
      const made =
        names.length === 0 ? [] : [`${pods.length - removed.length} of ${countText(replicas, 'replica')}: create ${namesText(names)}`];
      const gone = removed.length === 0 ? [] : [`delete ${namesText(removed.map(nameOf))}`];
      const goes = made.length === 0 && !removed.some(isPodTerminal);
      context.because([...made, ...gone].join('; '), goes ? unlessDecidedToGo(context, set) : unlessDecided(context, set));
    }
    syncClaims(
      tx,
      set,
      names.flatMap((made) => tx.get('Pod', namespace, made) ?? []),
      wanted,
    );
    const idle = step.create.length + step.delete.length === 0;
    const living = idle ? pods : [...tx.index('Pod', 'controller', uidOf(set))];
    const { next, currentRevision: after } = this.#writeStatus(context, set, living, {
      updateRevision,
      currentRevision,
      collisionCount: newest.collisionCount,
    });
    const settled = (pod: Pod): boolean =>
      revisionOf(pod) === updateRevision &&
      wanted(ordinalOf(set, nameOf(pod)) ?? -1) &&
      !isBeingDeleted(pod) &&
      !isPodTerminal(pod) &&
      !isReadyUnrun(pod);
    if (idle && living.length === replicas && after === updateRevision && !set.spec?.minReadySeconds && living.every(settled))
      this.#calm.rest(key, set, replicas);
    const live = new Set([updateRevision, after]);
    for (const pod of living) live.add(revisionOf(pod));
    clearRevisions(tx, set, newest.all, (revision) => live.has(nameOf(revision)));
    // What is gone at once makes room that no change will tell of.
    if (refused === undefined && (gone || step.create.length > BURST || free.length > BURST)) return { requeueAfterMs: 0 };
    const wait = Math.min(next, held, taken ? NAME_TAKEN_RETRY : Number.POSITIVE_INFINITY);
    const again = Number.isFinite(wait) ? { requeueAfterMs: Math.max(1, wait) } : {};
    return { ...again, refused: refused !== undefined && !isTerminating(refused) };
  }

  /** Of a set that waits for its pods to go before it does: how many are left. */
  #countLast(context: ReconcileContext, set: StatefulSet, pods: readonly Pod[]): void {
    if (set.status === undefined) return;
    const { updateRevision = '', currentRevision = '', collisionCount = 0 } = set.status;
    this.#writeStatus(context, set, pods, { updateRevision, currentRevision, collisionCount });
  }

  /** The pod, or why it is refused; taken: another pod has its name, or a claim that goes has its claim's. */
  #create(
    context: ReconcileContext,
    set: StatefulSet,
    ordinal: number,
    revision: string,
    all: readonly Revision[],
  ): Pod | ApiError | 'taken' {
    const { tx, now } = context;
    const name = podName(set, ordinal);
    const about = `create Pod ${name} in StatefulSet ${nameOf(set)}`;
    if (tx.get('Pod', namespaceOf(set), name) !== undefined) {
      tell(context, set, 'Warning', 'FailedCreate', `${about} failed error: pods "${name}" already exists and belongs to something else`);
      return 'taken';
    }
    if (hasStaleClaim(tx, set, ordinal)) return 'taken';
    const kept = all.find((one) => nameOf(one) === revision);
    const template = (kept && templateOf(kept)) ?? set.spec?.template;
    if (template === undefined) throw new TypeError('a StatefulSet without a template');
    const made = makePod(tx, newPod(set, ordinal, template, revision, now), name);
    if (isRefused(made)) tellRefused(context, 'StatefulSet', set, made, `${about} failed error: ${made.message}`);
    else {
      for (const claim of createClaims(tx, set, ordinal)) tellClaim(context, set, name, claim);
      tell(context, set, 'Normal', 'SuccessfulCreate', `${about} successful`);
    }
    return made;
  }

  /** pods: as they are after this pass. next: ms until time alone makes one of them available. */
  #writeStatus(
    { tx, now }: ReconcileContext,
    set: StatefulSet,
    pods: readonly Pod[],
    revisions: { readonly updateRevision: string; readonly currentRevision: string; readonly collisionCount: number },
  ): { readonly next: number; readonly currentRevision: string } {
    const minReadySeconds = set.spec?.minReadySeconds ?? 0;
    const { updateRevision, collisionCount } = revisions;
    let { currentRevision } = revisions;
    let [readyReplicas, availableReplicas, currentReplicas, updatedReplicas] = [0, 0, 0, 0];
    let next = Number.POSITIVE_INFINITY;
    for (const pod of pods) {
      if (isHealthy(pod)) {
        readyReplicas++;
        if (isAvailable(pod, minReadySeconds, now)) availableReplicas++;
        else next = Math.min(next, (availableAt(pod, minReadySeconds) ?? Number.POSITIVE_INFINITY) - now);
      }
      if (isBeingDeleted(pod)) continue;
      if (revisionOf(pod) === currentRevision) currentReplicas++;
      if (revisionOf(pod) === updateRevision) updatedReplicas++;
    }
    const { replicas } = slotsOf(set);
    const rolling = set.spec?.updateStrategy?.type !== 'OnDelete';
    if (rolling && updatedReplicas === replicas && readyReplicas === replicas && pods.length === replicas) {
      currentRevision = updateRevision;
      currentReplicas = updatedReplicas;
    }
    const status: StatefulSetStatus = {
      observedGeneration: set.metadata?.generation,
      replicas: pods.length,
      readyReplicas,
      availableReplicas,
      currentReplicas,
      updatedReplicas,
      currentRevision,
      updateRevision,
      collisionCount,
      conditions: [],
    };
    if (!deepEqual(set.status, status)) this.#own.add(tx.update('StatefulSet', { ...set, status }, 'any'));
    return { next, currentRevision };
  }
}

/** Why a pod of a set is deleted. */
function wordsToGo(set: StatefulSet, pod: Pod, updateRevision: string, wanted: (ordinal: number) => boolean): string {
  const about = `${nameOf(pod)} of StatefulSet ${nameOf(set)}`;
  if (!wanted(ordinalOf(set, nameOf(pod)) ?? -1))
    return `${countText(slotsOf(set).replicas, 'replica')} asked for: ${about} is beyond that`;
  if (isPodTerminal(pod)) return `${about} is ${pod.status?.phase ?? 'over'}: it is made anew`;
  return `rolling update to ${updateRevision}: ${about} is of ${revisionOf(pod)}`;
}

/** The status of a set at rest, of whose pods so many are ready. */
function writeReady(tx: Tx, set: StatefulSet, ready: number): void {
  const { status } = set;
  if (status === undefined) return;
  const next = { ...status, readyReplicas: ready, availableReplicas: ready, observedGeneration: set.metadata?.generation };
  if (!deepEqual(status, next)) tx.update('StatefulSet', { ...set, status: next }, 'any');
}

/** The pod with the labels of its number, which somebody may have taken from it. */
function withIdentity(context: ReconcileContext, set: StatefulSet, pod: Pod): Pod {
  const ordinal = ordinalOf(set, nameOf(pod)) ?? 0;
  if (pod.metadata === undefined || isBeingDeleted(pod) || hasIdentity(pod, ordinal)) return pod;
  context.becauseFor(pod, `the labels of its number in StatefulSet ${nameOf(set)}`);
  tell(context, set, 'Normal', 'SuccessfulUpdate', `update Pod ${nameOf(pod)} in StatefulSet ${nameOf(set)} successful`);
  const labels = { ...pod.metadata.labels, ...identityOf(nameOf(pod), ordinal) };
  return context.tx.update('Pod', { ...pod, metadata: { ...pod.metadata, labels } }, 'any');
}

function tellClaim(context: ReconcileContext, set: StatefulSet, pod: string, claim: string): void {
  tell(context, set, 'Normal', 'SuccessfulCreate', `create Claim ${claim} Pod ${pod} in StatefulSet ${nameOf(set)} success`);
}

function tell(context: ReconcileContext, set: StatefulSet, type: 'Normal' | 'Warning', reason: string, message: string): void {
  context.event({ regarding: regarding('StatefulSet', set), type, reason, message });
}
