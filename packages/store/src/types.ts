// The store's contract: transactions, reads, cursors, journals. No code that runs; the one writer is in store.ts, what makes it durable in journals/.
import type { Kind, KindMap, Obj } from '@podplane/api/kinds/kind-map';

/** Who writes, because of what. Kept beside each revision; `why` and the audit read it. */
export interface Cause {
  /** For example "user:admin", "node:n1", "controller:replicaset", "scheduler", "server". */
  readonly actor: string;
  /** A few words: "scale up", "node n2 silent for 3.1 s". */
  readonly reason: string;
  /** Revision that made the actor act, where there is one. */
  readonly becauseOf?: number | undefined;
  /** Which of the objects that becauseOf changed. Without becauseOf: the actor carries out what was last asked of this object. */
  readonly of?: Key | undefined;
  /** The words for one of several objects that the write changes; undefined: reason. Asked at the commit, once for each change, and not kept. Pure; never throws. */
  readonly about?: (change: Change) => string | undefined;
}

/** Objects are found by kind, namespace ("" for kinds without) and name. */
export interface Key<K extends Kind = Kind> {
  readonly kind: K;
  readonly namespace: string;
  readonly name: string;
}

export interface ListOptions {
  /** Sorts by namespace and name (by code unit), as pages need it. */
  readonly ordered?: boolean;
}

/** Reads of one consistent state. All objects are frozen. Iterables are safe to use only until the next write. */
export interface ReadView {
  /** Revision of this state. */
  readonly revision: number;
  get<K extends Kind>(kind: K, namespace: string, name: string): Obj<K> | undefined;
  byUid<K extends Kind>(kind: K, uid: string): Obj<K> | undefined;
  /** All of a kind, or of one namespace; in order of namespace and name only where ordered is set. */
  list<K extends Kind>(kind: K, namespace?: string, options?: ListOptions): Iterable<Obj<K>>;
  /** How many there are, of one namespace or of all, without a look at them. */
  count(kind: Kind, namespace?: string): number;
  /** Objects whose index entry equals value; see indexes.ts for the names ("owner", "node", ...). Unknown index names throw. */
  index<K extends Kind>(kind: K, index: string, value: string): Iterable<Obj<K>>;
  /** How many index would return, without a look at them. */
  countIndex(kind: Kind, index: string, value: string): number;
  /** The revision of the newest durable or head change of an object's own is metadata.resourceVersion. */
}

/**
 * A transaction. Reads see its own writes. Rules that hold for every write, whoever makes it, live here: uid, resourceVersion,
 * creationTimestamp, generation (grows when the spec changed), and what removal means (deletionTimestamp and finalizers).
 * Admission (defaults, validation) is not done here.
 */
export interface Tx extends ReadView {
  /** Sets uid, creationTimestamp, resourceVersion, generation 1. metadata.name must be set (generateName is resolved by the caller or here). Throws AlreadyExists. */
  create<K extends Kind>(kind: K, object: KindMap[K] | Obj<K>): Obj<K>;
  /**
   * Replaces an object. ifRevision: the resourceVersion it must still have, or "any". uid, creationTimestamp and deletionTimestamp cannot be changed by it.
   * A write that changes nothing makes no change (and no revision). Removing the last finalizer of an object that is being deleted removes it.
   */
  update<K extends Kind>(kind: K, object: KindMap[K] | Obj<K>, ifRevision: string | 'any'): Obj<K>;
  /**
   * Reads, applies edit to a mutable deep copy, writes. Throws NotFound.
   * Structure is shared with the old object where edit did not touch it.
   */
  edit<K extends Kind>(kind: K, namespace: string, name: string, edit: (draft: KindMap[K]) => void): Obj<K>;
  /** Asks for deletion: sets deletionTimestamp (and deletionGracePeriodSeconds); an earlier deadline wins. Objects without finalizers and with grace 0 are removed. */
  markDeleted<K extends Kind>(kind: K, namespace: string, name: string, graceSeconds: number): Obj<K> | undefined;
  /** Removes it now, whatever it holds. */
  remove(kind: Kind, namespace: string, name: string): void;
  /** Wall clock of this transaction, ms. */
  readonly now: number;
  /** Higher than that of any transaction before it, also of such as an older copy of the data does not hold any more (epochs.ts). */
  readonly epoch: number;
}

export type ChangeType = 'added' | 'modified' | 'deleted';

export interface Change<K extends Kind = Kind> {
  readonly kind: K;
  readonly type: ChangeType;
  /** For deleted: the last state, with the revision of the removal as resourceVersion. */
  readonly object: Obj<K>;
  readonly previous?: Obj<K> | undefined;
}

/** One committed transaction as cursors see it. No changes: a bookmark. */
export interface ChangeBatch {
  readonly revision: number;
  readonly changes: readonly Change[];
  readonly cause?: Cause | undefined;
}

/** That an object was changed, by whom and why. */
export interface CauseRecord {
  readonly revision: number;
  /** Wall clock, ms. */
  readonly time: number;
  readonly type: ChangeType;
  readonly cause: Cause;
  /** It was a decision, not a report: see causes.ts. */
  readonly decisive: boolean;
}

/** One object's change, found by its revision. */
export interface CausedChange extends CauseRecord {
  readonly key: Key;
}

export interface Committed<T> {
  readonly result: T;
  /** 0 changes: the revision that was there before. */
  readonly revision: number;
}

/** What a cursor wants. Empty kinds: all. */
export interface Selector {
  readonly kinds?: readonly Kind[];
  readonly namespace?: string;
}

/**
 * A place in the ring of committed transactions: one integer. It pins nothing; one that falls off the ring gets `gone`.
 * head cursors see revisions at once (controllers, scheduler); durable cursors only after they are durable (everything that leaves the process).
 */
export interface Cursor extends Disposable {
  /** Revision up to which everything has been handed out. */
  readonly revision: number;
  /** What has been committed (or made durable) since; empty when there is nothing. Throws StoreError "gone". limit: most transactions to return. */
  drain(limit?: number): readonly ChangeBatch[];
  /** Calls fn (once, in a turn of its own) when there may be something to drain. Replaces an earlier one. */
  onReady(fn: () => void): void;
}

export type StoreErrorCode =
  | 'not-found'
  | 'already-exists'
  | 'conflict' // stale resourceVersion
  | 'gone' // revision too old, or of another history
  | 'sealed' // the journal failed; reads go on, writes are refused
  | 'invalid' // a write that breaks a rule of the store itself
  | 'closed';

export type NotPromise<T> = T extends PromiseLike<unknown> ? never : T;

export interface Store extends ReadView {
  /** Synchronous; never re-entrant. A throw inside undoes everything. Throws StoreError. */
  transact<T>(cause: Cause, fn: (tx: Tx) => NotPromise<T>): Committed<T>;
  /** Resolves when the revision is durable; rejects with StoreError "sealed" when it was lost. Await before anything leaves the process. */
  durable(revision: number): Promise<void>;
  readonly durableRevision: number;
  /** Changes that are in the journal's hands. Who writes of its own accord holds back while they are many: see store/backlog.ts. */
  readonly backlog: number;
  /** State and a cursor that starts right after it, in one tick. A durable one waits for nothing: its state is the durable state. */
  snapshotAndWatch<S>(
    selector: Selector,
    mode: 'head' | 'durable',
    snap: (view: ReadView) => S,
  ): { readonly state: S; readonly cursor: Cursor };
  /** Throws StoreError "gone" for a revision that the ring (or the history) no longer holds, or that is from the future. */
  watchFrom(selector: Selector, mode: 'head' | 'durable', since: number): Cursor;
  /** The durable state; equals the head except for transactions that are in the journal's hands. */
  readonly durableView: ReadView;
  /** Newest first; only what is durable. */
  causes(key: Key, limit: number): readonly CauseRecord[];
  /** What a revision changed, as far as it is still known. */
  causesAt(revision: number, limit: number): readonly CausedChange[];
  /** The newest decision about an object before a revision; only what is durable. */
  decisiveCause(key: Key, before: number): CauseRecord | undefined;
  /** Whether writes are refused just now, and why. */
  readonly health: StoreHealth;
  onHealth(fn: (health: StoreHealth) => void): Disposable;
  /** Values that outlive restarts and are no objects (for example join tokens, cluster id). Part of a transaction's durability. */
  readonly meta: MetaTable;
  close(): Promise<void>;
}

export interface MetaTable {
  get(key: string): string | undefined;
  keys(prefix: string): readonly string[];
  /** Durable when the promise resolves. undefined removes. */
  set(key: string, value: string | undefined): Promise<void>;
}

export type StoreHealth =
  | { readonly state: 'ok' }
  | { readonly state: 'sealed'; readonly since: number; readonly reason: string }
  | { readonly state: 'closed' };

/** One row of a transaction: body undefined means removed. */
export interface JournalChange {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly type: ChangeType;
  /** Protobuf. For deleted: the last state. */
  readonly body: Uint8Array;
  /** Words of this change alone; absent: those of the transaction. */
  readonly reason?: string;
  /** Absent where it is not known any more: in what was recovered. */
  readonly decisive?: boolean;
}

export interface CommittedTx {
  readonly revision: number;
  readonly time: number;
  readonly cause: Cause;
  readonly changes: readonly JournalChange[];
  readonly meta?: readonly { readonly key: string; readonly value: string | undefined }[];
}

export interface Recovered {
  readonly revision: number;
  readonly objects: readonly { readonly kind: Kind; readonly body: Uint8Array }[];
  /** Oldest first; bounded; for watches that resume across a restart. */
  readonly history: readonly CommittedTx[];
  readonly meta: ReadonlyMap<string, string>;
}

/** What makes transactions durable. */
export interface Journal {
  recover(): Promise<Recovered>;
  /** In order; one call at a time. Rejects when the outcome is unknown or failed: the store then seals itself and recovers. */
  append(batch: readonly CommittedTx[]): Promise<void>;
  causes(key: Key, limit: number): readonly CauseRecord[];
  causesAt(revision: number, limit: number): readonly CausedChange[];
  decisiveCause(key: Key, before: number): CauseRecord | undefined;
  close(): Promise<void>;
  /** After a failure: proves that there is room for real writes, not just for a few bytes. Rejects like append. */
  probe?(): Promise<void>;
}
