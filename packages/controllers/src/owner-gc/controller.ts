// What becomes of objects whose owners go: deleted in the background when all owners are gone, deleted first where an owner waits for
// them (foregroundDeletion), or let go (orphan). The dependents of an owner are found once and then taken in bursts, so that a look costs what it
// does, not what the owner has.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted } from '@podplane/api/pod-state';
import type { Change, Key, ReadView } from '@podplane/store/types';
import type { ReconcileContext, ReconcileResult, Reconciler } from '../runtime/types.js';
import { Backlog } from '../shared/backlog.js';
import {
  allKinds,
  anyKeyOf,
  type Dependent,
  deleteAny,
  dependentsOf,
  hasDependents,
  isKind,
  kindNames,
  parseAnyKey,
  withMetadata,
} from '../shared/kinds.js';
import { nameOf, namespaceOf, namesText, regarding, uidOf } from '../shared/objects.js';
import { FOREGROUND, ORPHAN } from './propagation.js';

type Reference = NonNullable<Obj['metadata']>['ownerReferences'][number];

/** Most dependents written in one reconcile. */
const BURST = 250;

/** An owner that goes after its dependents, or without them. */
interface Going {
  readonly uid: string;
  /** Dependents to be deleted or let go. */
  readonly open: Backlog;
  /** Dependents that it waits for. */
  readonly blocking: Backlog;
}

export class OwnerGcController implements Reconciler {
  readonly name = 'owner-gc';
  /** By key. Losing it costs one look at all dependents. */
  readonly #going = new Map<string, Going>();

  *keysFor(change: Change, view: ReadView): Iterable<string> {
    const { kind, object, type } = change;
    if (type === 'deleted') {
      this.#going.delete(anyKeyOf(kind, object));
      for (const dependent of dependentsOf(view, uidOf(object))) yield anyKeyOf(dependent.kind, dependent.object);
      // An owner may have waited for this one, which may have lost its references with its last change.
      for (const owner of waitingOwners(view, change.previous ?? object)) yield owner;
    } else {
      const before = change.previous?.metadata;
      const isNew = before?.ownerReferences !== object.metadata?.ownerReferences;
      // Its status, which counts what goes, is nothing to it.
      const begins = before?.deletionTimestamp !== object.metadata?.deletionTimestamp || before?.finalizers !== object.metadata?.finalizers;
      const waits = begins && isBeingDeleted(object) && holds(object);
      if (waits || hasMissingOwner(view, object) || (isNew && hasUnfitOwner(object))) yield anyKeyOf(kind, object);
      if (type === 'modified' && isNew) {
        for (const owner of waitingOwners(view, change.previous ?? object)) yield owner;
      }
    }
  }

  *allKeys(view: ReadView): Iterable<string> {
    this.#going.clear();
    for (const kind of allKinds) {
      for (const object of view.list(kind)) {
        if ((isBeingDeleted(object) && holds(object)) || hasMissingOwner(view, object)) yield anyKeyOf(kind, object);
      }
    }
  }

  reconcile(key: string, context: ReconcileContext): ReconcileResult {
    const at = parseAnyKey(key);
    const object = at && context.tx.get(at.kind, at.namespace, at.name);
    if (at === undefined || object === undefined) return undefined;
    if (isBeingDeleted(object) && holds(object)) {
      try {
        const going = this.#goingOf(key, object);
        const orphans = object.metadata?.finalizers.includes(ORPHAN) === true;
        return orphans ? orphanDependents(context, at.kind, object, going) : deleteDependents(context, at.kind, object, going);
      } catch (error) {
        this.#going.delete(key); // what it did is undone
        throw error;
      }
    }
    tellUnfit(context, at.kind, object);
    dropMissingOwners(context, at.kind, object);
    return undefined;
  }

  #goingOf(key: string, owner: Obj): Going {
    let going = this.#going.get(key);
    if (going?.uid !== uidOf(owner)) {
      going = { uid: uidOf(owner), open: new Backlog(), blocking: new Backlog() };
      this.#going.set(key, going);
    }
    return going;
  }
}

const holds = (object: Obj): boolean =>
  (object.metadata?.finalizers ?? []).some((finalizer) => finalizer === ORPHAN || finalizer === FOREGROUND);

/**
 * The owner as it is; "foreign" for kinds that this server does not have, and for owners in a namespace of objects in none: nothing can be
 * said of those.
 */
function ownerOf(view: ReadView, object: Obj, reference: Reference): Obj | 'foreign' | undefined {
  if (!isKind(reference.kind) || kindNames[reference.kind].apiVersion.split('/')[0] !== reference.apiVersion.split('/')[0])
    return 'foreign';
  if (isUnfit(object, reference)) return 'foreign';
  const { namespaced } = kindNames[reference.kind];
  const owner = view.get(reference.kind, namespaced ? namespaceOf(object) : '', reference.name);
  return owner !== undefined && uidOf(owner) === reference.uid ? owner : undefined;
}

/** Of an object in no namespace: it cannot say in which one its owner is. */
function isUnfit(object: Obj, { kind }: Reference): boolean {
  return isKind(kind) && kindNames[kind].namespaced && namespaceOf(object) === '';
}

const hasUnfitOwner = (object: Obj): boolean => (object.metadata?.ownerReferences ?? []).some((reference) => isUnfit(object, reference));

/** Says which owners are none because of their namespace, in Kubernetes' words. */
function tellUnfit(context: ReconcileContext, kind: Kind, object: Obj): void {
  const { tx } = context;
  const namespace = namespaceOf(object);
  for (const reference of object.metadata?.ownerReferences ?? []) {
    const { apiVersion, kind: ownerKind, name, uid } = reference;
    const elsewhere = isKind(ownerKind) && ownerOf(tx, object, reference) === undefined && tx.byUid(ownerKind, uid) !== undefined;
    if (!elsewhere && !isUnfit(object, reference)) continue;
    const message = `ownerRef [${apiVersion}/${ownerKind}, namespace: ${namespace}, name: ${name}, uid: ${uid}] does not exist in namespace ${JSON.stringify(namespace)}`;
    context.event({ regarding: regarding(kind, object), type: 'Warning', reason: 'OwnerRefInvalidNamespace', message });
  }
}

function hasMissingOwner(view: ReadView, object: Obj): boolean {
  const references = object.metadata?.ownerReferences ?? [];
  return references.some((reference) => ownerOf(view, object, reference) === undefined);
}

/** Keys of owners that are being deleted and wait for their dependents. */
function* waitingOwners(view: ReadView, object: Obj): Generator<string> {
  for (const reference of object.metadata?.ownerReferences ?? []) {
    const owner = ownerOf(view, object, reference);
    if (owner !== undefined && owner !== 'foreign' && isBeingDeleted(owner) && holds(owner)) yield anyKeyOf(reference.kind as Kind, owner);
  }
}

/** Deletes an object that has no owner left; forgets those that are gone where another is. */
function dropMissingOwners(context: ReconcileContext, kind: Kind, object: Obj): void {
  const { tx } = context;
  const references = object.metadata?.ownerReferences ?? [];
  const left = references.filter((reference) => ownerOf(tx, object, reference) !== undefined);
  if (left.length === references.length || isBeingDeleted(object)) return;
  if (left.length > 0) {
    const gone = references.filter((reference) => !left.includes(reference)).map((one) => `${one.kind} ${one.name}`);
    context.because(`owner ${namesText(gone)} is gone, another one is there`);
    withMetadata(tx, kind, object, { ownerReferences: left });
    return;
  }
  const owner = references[0];
  context.because(`owner ${owner?.kind ?? ''} ${owner?.name ?? ''} is gone (background)`, ownerKey(object, owner));
  deleteAny(tx, kind, object);
}

/** An owner that is gone, for the cause. */
function ownerKey(object: Obj, owner: Reference | undefined): Key | undefined {
  if (owner === undefined || !isKind(owner.kind)) return undefined;
  return { kind: owner.kind, namespace: kindNames[owner.kind].namespaced ? namespaceOf(object) : '', name: owner.name };
}

function orphanDependents(context: ReconcileContext, kind: Kind, owner: Obj, { open }: Going): ReconcileResult {
  const { tx } = context;
  context.because(`owner ${kind} ${nameOf(owner)} is deleted and leaves its dependents (orphan)`, owner);
  if (open.size === 0) for (const one of dependentsOf(tx, uidOf(owner))) open.add(one.kind, one.object);
  for (const { kind: dependentKind, object } of open.take(tx, BURST)) {
    const ownerReferences = (object.metadata?.ownerReferences ?? []).filter((reference) => reference.uid !== uidOf(owner));
    withMetadata(tx, dependentKind, object, { ownerReferences });
  }
  // Also of those that came since they were found.
  if (open.size > 0 || hasDependents(tx, owner)) return { requeueAfterMs: 0 };
  withMetadata(tx, kind, owner, { finalizers: (owner.metadata?.finalizers ?? []).filter((finalizer) => finalizer !== ORPHAN) });
  return undefined;
}

/** Whether an object that is being deleted waits, directly or through what it owns, for one of this uid. */
function waitsFor(view: ReadView, object: Obj, uid: string): boolean {
  const seen = new Set<string>();
  const open = [object];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (uidOf(next) === uid) return true;
    if (seen.has(uidOf(next)) || !isBeingDeleted(next) || next.metadata?.finalizers.includes(FOREGROUND) !== true) continue;
    seen.add(uidOf(next));
    for (const dependent of dependentsOf(view, uidOf(next))) open.push(dependent.object);
  }
  return false;
}

function deleteDependents(context: ReconcileContext, kind: Kind, owner: Obj, going: Going): ReconcileResult {
  const { tx } = context;
  const { open, blocking } = going;
  context.because(`owner ${kind} ${nameOf(owner)} is deleted after what it owns (foreground)`, owner);
  if (open.size === 0 && !blocks(tx, owner, blocking)) {
    const ring = find(tx, owner, going);
    if (blocking.size === 0) return finish(context, kind, owner, ring);
  }
  const burst = open.take(tx, BURST).filter(({ object }) => !isBeingDeleted(object));
  // Asked before anything is written: what a transaction has written makes each such question longer.
  const owning = new Set(burst.filter(({ object }) => hasDependents(tx, object)));
  for (const one of burst) {
    const { kind: dependentKind, object } = one;
    // Something else still owns it: then it only loses this owner.
    const others = (object.metadata?.ownerReferences ?? []).filter(
      (reference) => reference.uid !== uidOf(owner) && ownerOf(tx, object, reference) !== undefined,
    );
    if (others.length > 0) {
      withMetadata(tx, dependentKind, object, { ownerReferences: others });
      continue;
    }
    // Its own dependents go before it, too.
    const marked = owning.has(one)
      ? withMetadata(tx, dependentKind, object, { finalizers: [...(object.metadata?.finalizers ?? []), FOREGROUND] })
      : object;
    deleteAny(tx, dependentKind, marked);
  }
  return open.size > 0 ? { requeueAfterMs: 0 } : undefined;
}

/** Whether one of those that it waits for is on its way out and holds it up; those before it are forgotten. */
function blocks(view: ReadView, owner: Obj, blocking: Backlog): boolean {
  const uid = uidOf(owner);
  for (let one = blocking.first(view); one !== undefined; one = blocking.first(view)) {
    if (isBeingDeleted(one.object) && isBlocking(one.object, uid) && !waitsFor(view, one.object, uid)) return true;
    blocking.drop();
  }
  return false;
}

const isBlocking = (object: Obj, uid: string): boolean =>
  object.metadata?.ownerReferences.some((reference) => reference.uid === uid && reference.blockOwnerDeletion === true) === true;

/** Looks at all dependents of an owner: which are to be deleted, for which it waits. Returns those that wait for it. */
function find(view: ReadView, owner: Obj, { open, blocking }: Going): Dependent[] {
  const uid = uidOf(owner);
  const ring: Dependent[] = [];
  for (const one of dependentsOf(view, uid)) {
    if (!isBeingDeleted(one.object)) open.add(one.kind, one.object);
    if (!isBlocking(one.object, uid)) continue;
    // In a ring each would wait for the next one for ever.
    if (waitsFor(view, one.object, uid)) ring.push(one);
    else blocking.add(one.kind, one.object);
  }
  return ring;
}

/** Nothing holds it up any more. */
function finish(context: ReconcileContext, kind: Kind, owner: Obj, ring: readonly Dependent[]): undefined {
  context.because(`all that ${kind} ${nameOf(owner)} owned is gone`, owner);
  if (ring.length > 0) {
    const names = namesText(ring.map((one) => `${one.kind} ${nameOf(one.object)}`));
    const message = `Owner references form a ring with ${names}: deleted without waiting for it`;
    context.because(message, owner);
    context.event({ regarding: regarding(kind, owner), type: 'Warning', reason: 'OwnerReferenceRing', message });
  }
  const finalizers = (owner.metadata?.finalizers ?? []).filter((finalizer) => finalizer !== FOREGROUND);
  withMetadata(context.tx, kind, owner, { finalizers });
  return undefined;
}
