// One pass over one Deployment: its sets made, sized and cleared as its strategy says. Arithmetic is in bounds.ts and proportional.ts,
// the status in status.ts; when a pass happens is for controller.ts.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { onFailureOf } from '@podplane/api/kinds/on-failure';
import { isBeingDeleted, isPodTerminal } from '@podplane/api/pod-state';
import { type ReconcileContext, unlessDecided } from '../runtime/types.js';
import { countText, nameOf, namespaceOf, regarding, uidOf } from '../shared/objects.js';
import { desiredOf, FAILED, HASH_LABEL, maxOf, REVISION, ROLLBACK_OF, ROLLED_OUT, revisionOf } from './annotations.js';
import { type Bounds, boundsOf, isRolling, newSetSize } from './bounds.js';
import { lastGood } from './on-failure.js';
import { proportionalSizes } from './proportional.js';
import {
  annotateSet,
  byCreation,
  claimSets,
  clearHistory,
  createNewSet,
  findNewSet,
  isActive,
  refreshNewSet,
  resizeSet,
  type Sizes,
  sameTemplate,
  setName,
  templateHash,
} from './sets.js';
import { AVAILABLE, actualReplicas, conditionOf, heldReplicas, isComplete, lastingReplicas, specReplicas } from './status.js';

type ReplicaSet = Obj<'ReplicaSet'>;
type Deployment = Obj<'Deployment'>;

const COLLISIONS_MAX = 16;

export class Rollout {
  readonly deployment: Deployment;
  readonly #context: ReconcileContext;
  readonly #bounds: Bounds;
  readonly #sizes: Sizes;
  /** As last written, older first. */
  #sets: ReplicaSet[];
  #newUid: string | undefined;
  collisionCount: number;
  /** The revision that the Deployment shows; undefined: as it was. */
  revision: string | undefined;
  /** What happened to the newest set in this pass, for the condition Progressing. */
  found: 'created' | 'promoted' | 'found' | undefined;

  constructor(context: ReconcileContext, deployment: Deployment) {
    this.deployment = deployment;
    this.#context = context;
    this.#bounds = boundsOf(deployment);
    this.#sizes = { desired: this.#bounds.replicas, max: this.#bounds.replicas + this.#bounds.maxSurge };
    this.#sets = claimSets(context, deployment);
    this.#newUid = undefined;
    this.collisionCount = deployment.status?.collisionCount ?? 0;
  }

  get sets(): readonly ReplicaSet[] {
    return this.#sets;
  }

  get newSet(): ReplicaSet | undefined {
    return this.#sets.find((set) => uidOf(set) === this.#newUid);
  }

  get #old(): ReplicaSet[] {
    return this.#sets.filter((set) => uidOf(set) !== this.#newUid);
  }

  run(): void {
    const { spec } = this.deployment;
    if (isBeingDeleted(this.deployment)) {
      this.#newUid = this.#find();
    } else if (spec?.paused) {
      this.#locateNewSet(false);
      this.#scale();
      this.#clear();
    } else if (this.#isScaling()) {
      this.#locateNewSet(false);
      this.#scale();
    } else if (isRolling(this.deployment)) this.#roll();
    else this.#recreate();
  }

  #find(): string | undefined {
    const found = findNewSet(this.deployment, this.#sets);
    return found && uidOf(found);
  }

  /** The size asked for changed since the sets were sized. */
  #isScaling(): boolean {
    return this.#sets.some((set) => isActive(set) && desiredOf(set) !== undefined && desiredOf(set) !== this.#bounds.replicas);
  }

  #locateNewSet(create: boolean): void {
    this.#newUid = this.#find();
    const newSet = this.newSet;
    const revision = 1 + this.#old.reduce((most, set) => Math.max(most, revisionOf(set)), 0);
    if (newSet !== undefined) {
      const refreshed = refreshNewSet(
        this.#context.tx,
        this.deployment,
        newSet,
        revision,
        this.#isScaling() ? this.#sizesOf(newSet) : this.#sizes,
      );
      this.#replace(refreshed);
      if (refreshed !== newSet) this.#tellRefreshed(refreshed, revisionOf(newSet));
      this.revision = refreshed.metadata?.annotations[REVISION];
      this.found = revisionOf(refreshed) === revisionOf(newSet) ? 'found' : 'promoted';
      if (this.found === 'promoted') this.#turnTo(refreshed);
    } else if (create) this.#createNewSet(revision);
  }

  // While a scale is pending, the sets keep the size that they were made for: it tells by how much each has to change.
  #sizesOf(set: ReplicaSet): Sizes {
    return { desired: desiredOf(set) ?? this.#sizes.desired, max: maxOf(set) ?? this.#sizes.max };
  }

  #createNewSet(revision: number): void {
    const { tx } = this.#context;
    const template = this.deployment.spec?.template;
    if (template === undefined) return;
    for (let tries = 0; tries < COLLISIONS_MAX; tries++) {
      const hash = templateHash(template, this.collisionCount);
      const taken = tx.get('ReplicaSet', namespaceOf(this.deployment), setName(this.deployment, hash));
      if (taken !== undefined) {
        // A foreign set, or one of an equal hash: take another name. One that is ours and only just lost its owner comes back by adoption.
        if (sameTemplate(taken.spec?.template, template) && isBeingDeleted(taken)) return;
        this.collisionCount++;
        continue;
      }
      const size = newSetSize(this.#bounds, isRolling(this.deployment), heldReplicas(this.#sets), 0);
      const made = createNewSet(tx, this.deployment, hash, size, revision, this.#sizes);
      this.#sets = [...this.#sets, made].sort(byCreation);
      this.#newUid = uidOf(made);
      this.revision = String(revision);
      this.found = 'created';
      this.#turnTo(made);
      this.#say(
        made,
        `revision ${revision}: new ReplicaSet ${nameOf(made)}, ${size} of ${countText(this.#bounds.replicas, 'replica')} to begin with`,
      );
      if (size > 0) this.#tellScaled(made, 0, size);
      return;
    }
    throw new Error(
      `no free name for a ReplicaSet of Deployment ${nameOf(this.deployment)} with ${HASH_LABEL} after ${COLLISIONS_MAX} tries`,
    );
  }

  /** Another set than before is the newest: what was written about how its and their rollouts went is brought up to date. */
  #turnTo(newest: ReplicaSet): void {
    const [before] = this.#old.toSorted((a, b) => revisionOf(b) - revisionOf(a));
    const progress = conditionOf(this.deployment.status, 'Progressing');
    if (before !== undefined && progress?.reason === AVAILABLE) this.annotate(before, { [ROLLED_OUT]: progress.lastUpdateTime ?? '' });
    for (const set of this.#old) this.annotate(set, { [ROLLBACK_OF]: undefined });
    this.annotate(newest, { [FAILED]: undefined });
  }

  /** Sets annotations of one of the sets; undefined takes one away. */
  annotate(set: ReplicaSet, changes: Readonly<Record<string, string | undefined>>): void {
    const now = this.#sets.find((one) => uidOf(one) === uidOf(set)) ?? set;
    this.#replace(annotateSet(this.#context.tx, now, changes));
  }

  #replace(set: ReplicaSet): void {
    this.#sets = this.#sets.map((one) => (uidOf(one) === uidOf(set) ? set : one));
  }

  /** Why one of the sets is written; of the Deployment itself holds what was said last. */
  #say(set: ReplicaSet, words: string): void {
    this.#context.becauseFor(set, words);
    this.#context.because(words, unlessDecided(this.#context, this.deployment));
  }

  #tellRefreshed(set: ReplicaSet, before: number): void {
    const revision = revisionOf(set);
    if (revision !== before)
      this.#say(set, `ReplicaSet ${nameOf(set)} has the wanted template: revision ${before} is revision ${revision} now`);
    else this.#context.becauseFor(set, `what Deployment ${nameOf(this.deployment)} says of its ReplicaSets`);
  }

  /** Returns whether the size changed. why: of the decision, in a few words; asked only where something is written. */
  #resize(set: ReplicaSet, replicas: number, why: () => string): boolean {
    const before = set.spec?.replicas ?? 1;
    // Of how things were before it.
    if (before !== replicas) this.#say(set, `${why()}: ${nameOf(set)} from ${before} to ${replicas}`);
    this.#replace(resizeSet(this.#context.tx, set, replicas, this.#sizes));
    if (before === replicas) return false;
    this.#tellScaled(set, before, replicas);
    return true;
  }

  #tellScaled(set: ReplicaSet, from: number, to: number): void {
    const message = `Scaled ${to > from ? 'up' : 'down'} replica set ${nameOf(set)} from ${from} to ${to}`;
    this.#context.event({ regarding: regarding('Deployment', this.deployment), type: 'Normal', reason: 'ScalingReplicaSet', message });
  }

  // ---------------------------------------------------------------------------------------------------------------- scaling

  #scale(): void {
    const asked = (): string => `${countText(this.#bounds.replicas, 'replica')} asked for`;
    const active = this.#sets.filter(isActive);
    const only =
      active.length > 1 ? undefined : (active[0] ?? this.newSet ?? this.#sets.toSorted((a, b) => revisionOf(b) - revisionOf(a))[0]);
    if (active.length <= 1) {
      if (only !== undefined) this.#resize(only, this.#bounds.replicas, asked);
      return;
    }
    const { newSet } = this;
    const wanted = this.#bounds.replicas;
    if (
      newSet !== undefined &&
      newSet.spec?.replicas === wanted &&
      desiredOf(newSet) === wanted &&
      newSet.status?.availableReplicas === wanted
    ) {
      for (const set of this.#old.filter(isActive)) this.#resize(set, 0, () => `${nameOf(newSet)} has all that is asked for`);
      return;
    }
    if (!isRolling(this.deployment)) {
      // Recreate in the middle of its change: the newest set alone has a size.
      for (const set of active) this.#resize(set, uidOf(set) === this.#newUid ? wanted : 0, asked);
      return;
    }
    const growing = wanted + (wanted > 0 ? this.#bounds.maxSurge : 0) > specReplicas(active);
    const size = (set: ReplicaSet): number => set.spec?.replicas ?? 1;
    const ordered = active.toSorted((a, b) => size(b) - size(a) || (growing ? byCreation(b, a) : byCreation(a, b)));
    const sizes = proportionalSizes(
      ordered.map((set) => ({ replicas: size(set), max: maxOf(set) })),
      this.#bounds,
      this.deployment.status?.replicas ?? 0,
    );
    ordered.forEach((set, i) => this.#resize(set, sizes[i] ?? size(set), () => `${asked()} in the middle of a rollout`));
  }

  // ---------------------------------------------------------------------------------------------------------------- rolling

  #roll(): void {
    this.#locateNewSet(true);
    const { newSet } = this;
    if (newSet === undefined) return;
    const current = newSet.spec?.replicas ?? 1;
    const { replicas } = this.#bounds;
    const target = current > replicas ? replicas : newSetSize(this.#bounds, true, heldReplicas(this.#sets), current);
    const room = (): string =>
      `rolling update to ${nameOf(newSet)}, ${heldReplicas(this.#sets)} of at most ${countText(this.#sizes.max, 'pod')}`;
    if (this.#resize(newSet, target, current > replicas ? () => `${countText(replicas, 'replica')} asked for` : room)) return;
    if (this.#shrinkOld()) return;
    this.#clear();
  }

  #shrinkOld(): boolean {
    const { newSet } = this;
    const old = this.#old.filter(isActive);
    if (old.length === 0 || newSet === undefined) return false;
    const rolling = `rolling update to ${nameOf(newSet)}`;
    const minAvailable = this.#bounds.replicas - this.#bounds.maxUnavailable;
    const newUnavailable = (newSet.spec?.replicas ?? 1) - (newSet.status?.availableReplicas ?? 0);
    let room = specReplicas(this.#sets) - minAvailable - newUnavailable;
    let changed = false;
    if (room <= 0) return false;
    // First those that are not available anyway; a broken old version must not hold up the new one.
    for (const set of old) {
      const size = set.spec?.replicas ?? 1;
      const down = Math.min(room, size - Math.min(size, set.status?.availableReplicas ?? 0));
      if (down <= 0) continue;
      room -= down;
      changed = this.#resize(set, size - down, () => `${rolling}, old pods that are not available go first`) || changed;
    }
    const available = lastingReplicas(this.#sets);
    let spare = available - minAvailable;
    for (const { metadata } of old) {
      if (spare <= 0) break;
      const set = this.#sets.find((one) => uidOf(one) === metadata?.uid);
      const size = set?.spec?.replicas ?? 1;
      const down = Math.min(size, spare);
      if (set === undefined || down <= 0) continue;
      spare -= down;
      changed = this.#resize(set, size - down, () => `${rolling}, ${available} available, ${minAvailable} needed`) || changed;
    }
    return changed;
  }

  // --------------------------------------------------------------------------------------------------------------- recreate

  #recreate(): void {
    this.#locateNewSet(false);
    let shrunk = false;
    for (const set of this.#old.filter(isActive))
      shrunk = this.#resize(set, 0, () => 'Recreate, the old pods go before new ones come') || shrunk;
    if (shrunk || this.#oldPodsRun()) return;
    if (this.newSet === undefined) this.#locateNewSet(true);
    const { newSet } = this;
    if (newSet === undefined) return;
    this.#resize(newSet, this.#bounds.replicas, () => 'Recreate, no old pod is left');
    this.#clear();
  }

  /** Pods of older sets that are not over yet, those being deleted included. */
  #oldPodsRun(): boolean {
    for (const set of this.#old)
      for (const pod of this.#context.tx.index('Pod', 'controller', uidOf(set))) if (!isPodTerminal(pod)) return true;
    return actualReplicas(this.#old) > 0;
  }

  #clear(): void {
    if (!this.deployment.spec?.paused && !isComplete(this.deployment, this.deployment.status)) return;
    // Until the newest is good, there has to be something to go back to.
    const open = conditionOf(this.deployment.status, 'Progressing')?.reason !== AVAILABLE;
    const kept =
      open && this.newSet !== undefined && onFailureOf(this.deployment) !== undefined ? lastGood(this.#sets, this.newSet) : undefined;
    const gone = clearHistory(this.#context.tx, this.deployment, this.#old, kept);
    const limit = this.deployment.spec?.revisionHistoryLimit ?? 0;
    for (const set of gone) this.#say(set, `revisionHistoryLimit ${limit}: old ReplicaSet ${nameOf(set)} is not kept`);
    const uids = new Set(gone.map(uidOf));
    this.#sets = this.#sets.filter((set) => !uids.has(uidOf(set)));
  }
}
