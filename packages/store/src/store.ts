// The one writer: transactions over memory, one revision each, and what follows from a commit: the ring, the cursors, the journal,
// durability, sealing and recovery. Rules of objects are in tx.ts and metadata.ts, what makes things durable in journals/.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import type { System } from '@podplane/api/system';
import { keptCause, noteOf } from './causes.js';
import type { CursorMode } from './cursor.js';
import { DurableView } from './durable-view.js';
import { closed, gone, invalid, reasonOf, StoreError, sealed } from './errors.js';
import { MetaValues } from './meta.js';
import { type Codecs, encode, encodedBody, nameOf, namespaceOf, rememberBody, uidOf } from './object.js';
import { type Pending, Pipeline } from './pipeline.js';
import { decodeObjects, defaultRetryDelays, type LoadedObject, objectsByUid, Regain, type RetryDelays } from './recovery.js';
import { defaultRingLimits, historyEntries, Ring, type RingLimits, ringEntry } from './ring.js';
import { State } from './state.js';
import { Transaction } from './tx.js';
import type {
  Cause,
  CausedChange,
  CauseRecord,
  Change,
  Committed,
  Cursor,
  Journal,
  JournalChange,
  Key,
  ListOptions,
  MetaTable,
  NotPromise,
  ReadView,
  Recovered,
  Selector,
  Store,
  StoreHealth,
  Tx,
} from './types.js';
import { Watches } from './watches.js';

export interface StoreOptions {
  readonly system: System;
  readonly journal: Journal;
  readonly codecs: Codecs;
  readonly ring?: RingLimits;
  /** Waits between attempts to recover a failed journal. */
  readonly retry?: RetryDelays;
}

/** Recovers what the journal holds and opens the store. Rejects with JournalError. The store owns the journal from then on. */
export async function createStore(options: StoreOptions): Promise<ObjectStore> {
  const recovered = await options.journal.recover();
  return new ObjectStore(options, recovered);
}

interface LostRange {
  readonly from: number;
  readonly to: number;
}

/** The Store, with what only the server's composition needs besides. */
export class ObjectStore implements Store {
  readonly meta: MetaTable;
  readonly #system: System;
  readonly #journal: Journal;
  readonly #codecs: Codecs;
  readonly #retry: RetryDelays;
  readonly #state: State;
  readonly #durable: DurableView;
  readonly #meta: MetaValues;
  readonly #ring: Ring;
  readonly #pipeline: Pipeline;
  readonly #watches: Watches;
  readonly #waiters = new Map<number, PromiseWithResolvers<void>>();
  readonly #listeners = new Set<(health: StoreHealth) => void>();
  /** Revisions that were given and then lost with a failed journal; never given again while this process lives. */
  readonly #lost: LostRange[] = [];
  #health: StoreHealth = { state: 'ok' };
  #regain: { readonly attempts: Regain; readonly done: Promise<void> } | undefined;
  #transacting = false;
  #backlog = 0;
  #closing: Promise<void> | undefined;

  /** objects: those of what was recovered, where they are at hand already. */
  constructor(options: StoreOptions, recovered: Recovered, objects = decodeObjects(options.codecs, recovered)) {
    this.#system = options.system;
    this.#journal = options.journal;
    this.#codecs = options.codecs;
    this.#retry = options.retry ?? defaultRetryDelays;
    this.#state = new State(Object.keys(options.codecs) as Kind[]);
    this.#durable = new DurableView(this.#state);
    this.#ring = new Ring(options.ring ?? defaultRingLimits);
    this.#meta = new MetaValues(recovered.meta, (key, value) => this.#writeMeta(key, value));
    this.meta = this.#meta;
    this.#pipeline = new Pipeline(options.journal, {
      durable: (group) => this.#becameDurable(group),
      failed: (error) => this.#seal(error),
    });
    this.#watches = new Watches(this.#ring, options.system.timers, { head: this.#state, durable: this.#durable });
    this.#load(recovered, objects);
    this.#pipeline.start();
  }

  #load(recovered: Recovered, objects: readonly LoadedObject[]): void {
    this.#fill(objects);
    this.#state.revision = recovered.revision;
    this.#durable.reset(recovered.revision);
    const oldest = recovered.history[0];
    this.#ring.reset(oldest === undefined ? recovered.revision : oldest.revision - 1);
    for (const entry of historyEntries(this.#codecs, recovered.history)) this.#ring.push(entry);
  }

  #fill(objects: readonly LoadedObject[]): void {
    for (const { kind, object } of objects) this.#state.put(kind, object);
  }

  // ------------------------------------------------------------------------------------------------------------- reads

  get revision(): number {
    return this.#state.revision;
  }

  get durableRevision(): number {
    return this.#durable.revision;
  }

  get backlog(): number {
    return this.#backlog;
  }

  get durableView(): ReadView {
    return this.#durable;
  }

  get<K extends Kind>(kind: K, namespace: string, name: string): Obj<K> | undefined {
    return this.#state.get(kind, namespace, name);
  }

  byUid<K extends Kind>(kind: K, uid: string): Obj<K> | undefined {
    return this.#state.byUid(kind, uid);
  }

  list<K extends Kind>(kind: K, namespace?: string, options?: ListOptions): Iterable<Obj<K>> {
    return this.#state.list(kind, namespace, options);
  }

  count(kind: Kind, namespace?: string): number {
    return this.#state.count(kind, namespace);
  }

  index<K extends Kind>(kind: K, index: string, value: string): Iterable<Obj<K>> {
    return this.#state.index(kind, index, value);
  }

  countIndex = (kind: Kind, index: string, value: string): number => this.#state.countIndex(kind, index, value);

  causes = (key: Key, limit: number): readonly CauseRecord[] => this.#journal.causes(key, limit);
  causesAt = (revision: number, limit: number): readonly CausedChange[] => this.#journal.causesAt(revision, limit);
  decisiveCause = (key: Key, before: number): CauseRecord | undefined => this.#journal.decisiveCause(key, before);

  /** The protobuf bytes of an object of this store; those of recent changes are made once for all who ask. Not to be written to. */
  encoded<K extends Kind>(kind: K, object: Obj<K>): Uint8Array {
    return encodedBody(this.#codecs, kind, object);
  }

  // ------------------------------------------------------------------------------------------------------------ writes

  transact<T>(cause: Cause, fn: (tx: Tx) => NotPromise<T>): Committed<T> {
    this.#mustTakeWrites();
    if (this.#transacting) throw invalid('a transaction inside a transaction');
    const tx = new Transaction(this.#state, this.#state.revision + 1, this.#system.clock.now(), this.#system.random, this.#meta);
    this.#transacting = true;
    try {
      const result = fn(tx);
      if (isThenable(result)) throw invalid('a transaction is synchronous: its function must not return a promise');
      const changes = tx.changes();
      if (changes.length > 0) this.#commit(tx, cause, changes);
      return { result: result as T, revision: this.#state.revision };
    } finally {
      tx.end();
      this.#transacting = false;
    }
  }

  #mustTakeWrites(): void {
    if (this.#health.state === 'closed') throw closed();
    if (this.#health.state === 'sealed') throw sealed(this.#health.reason);
  }

  #commit(tx: Transaction, given: Cause, changes: readonly Change[]): void {
    const { revision } = tx;
    // Encoded before memory moves: what cannot be encoded can never become durable, so it must undo the transaction.
    const rows = changes.map((change) => ({ ...this.#row(change), ...noteOf(change, given) }));
    const cause = keptCause(given);
    let bytes = 0;
    for (const row of rows) bytes += row.body.length;
    for (const { kind, type, object } of changes) {
      if (type === 'deleted') this.#state.delete(kind, namespaceOf(object), nameOf(object));
      else this.#state.put(kind, object);
    }
    changes.forEach(({ object }, i) => rememberBody(object, rows[i]?.body ?? new Uint8Array()));
    const before = this.#state.revision;
    this.#state.revision = revision;
    this.#durable.hold(revision, changes);
    this.#backlog += changes.length;
    const entry = ringEntry({ revision, changes, cause }, bytes);
    this.#ring.push(entry);
    this.#watches.publish('head', entry, before);
    this.#pipeline.push({ tx: { revision, time: tx.now, cause, changes: rows }, entry });
  }

  #row({ kind, type, object }: Change): JournalChange {
    const namespace = namespaceOf(object);
    const name = nameOf(object);
    try {
      return { kind, namespace, name, uid: uidOf(object), type, body: encode(this.#codecs, kind, object) };
    } catch (cause) {
      throw invalid(`${kind} ${name} cannot be encoded: ${cause instanceof Error ? cause.message : String(cause)}`, {
        kind,
        namespace,
        name,
        cause,
      });
    }
  }

  #writeMeta(key: string, value: string | undefined): Promise<void> {
    try {
      this.#mustTakeWrites();
    } catch (error) {
      return Promise.reject(error as StoreError);
    }
    this.#meta.apply(key, value);
    const settle = Promise.withResolvers<void>();
    const cause: Cause = { actor: 'server', reason: `meta ${key}` };
    const tx = { revision: this.#state.revision, time: this.#system.clock.now(), cause, changes: [], meta: [{ key, value }] };
    this.#pipeline.push({ tx, settle });
    return settle.promise;
  }

  // -------------------------------------------------------------------------------------------------------- durability

  durable(revision: number): Promise<void> {
    if (this.#isLost(revision)) return Promise.reject(sealed(`revision ${revision} was lost when the journal failed`));
    if (revision <= this.durableRevision) return Promise.resolve();
    if (revision > this.revision) return Promise.reject(gone(`revision ${revision} does not exist; the newest is ${this.revision}`));
    if (this.#health.state === 'closed') return Promise.reject(closed());
    if (this.#health.state === 'sealed') return Promise.reject(sealed(this.#health.reason));
    let waiter = this.#waiters.get(revision);
    if (waiter === undefined) {
      waiter = Promise.withResolvers<void>();
      this.#waiters.set(revision, waiter);
    }
    return waiter.promise;
  }

  #isLost(revision: number): boolean {
    return this.#lost.some(({ from, to }) => revision >= from && revision <= to);
  }

  #becameDurable(group: readonly Pending[]): void {
    for (const { tx, entry, settle } of group) {
      if (entry !== undefined) {
        const before = this.durableRevision;
        this.#backlog -= tx.changes.length;
        this.#durable.release(tx.revision, entry.batch.changes);
        this.#watches.publish('durable', entry, before);
        this.#waiters.get(tx.revision)?.resolve();
        this.#waiters.delete(tx.revision);
      }
      settle?.resolve();
    }
  }

  get health(): StoreHealth {
    return this.#health;
  }

  onHealth(fn: (health: StoreHealth) => void): Disposable {
    this.#listeners.add(fn);
    return { [Symbol.dispose]: () => void this.#listeners.delete(fn) };
  }

  #setHealth(health: StoreHealth): void {
    const changed = health.state !== this.#health.state;
    this.#health = health;
    if (!changed) return;
    for (const fn of this.#listeners) {
      this.#system.timers.soon(() => {
        if (this.#listeners.has(fn)) fn(health);
      });
    }
  }

  /** The journal did not take a group: whether it is on disk is unknown until it has recovered. */
  #seal(error: unknown): void {
    const reason = reasonOf(error);
    if (this.#health.state === 'ok') this.#setHealth({ state: 'sealed', since: this.#system.clock.now(), reason });
    this.#rejectAll(this.#pipeline.abandon(), this.#health.state === 'closed' ? closed() : sealed(reason, error));
    if (this.#health.state === 'closed') return;
    const attempts = new Regain(this.#journal, this.#system.timers, this.#retry);
    this.#regain = { attempts, done: this.#regainWith(attempts) };
  }

  #rejectAll(pending: readonly Pending[], error: StoreError): void {
    for (const { settle } of pending) settle?.reject(error);
    for (const waiter of this.#waiters.values()) waiter.reject(error);
    this.#waiters.clear();
  }

  async #regainWith(attempts: Regain): Promise<void> {
    let objects: readonly LoadedObject[] = [];
    // The first answer tells what was kept; later ones may count a bookmark of ours of which nobody knew what became.
    let kept: number | undefined;
    const regained = await attempts.run({
      accept: (recovered) => {
        kept ??= recovered.revision;
        objects = decodeObjects(this.#codecs, recovered, objectsByUid(this.#state));
        return {
          // A number that somebody in this process has seen must not come to mean something else.
          revision: recovered.revision < this.revision ? this.revision + 1 : recovered.revision,
          time: this.#system.clock.now(),
          cause: { actor: 'server', reason: 'journal recovered' },
          changes: [],
        };
      },
      failed: (error) => {
        if (this.#health.state === 'sealed') this.#setHealth({ ...this.#health, reason: reasonOf(error) });
      },
    });
    if (regained === undefined) return;
    this.#regain = undefined;
    this.#resume(regained.recovered, objects, kept ?? regained.recovered.revision, regained.revision);
  }

  /** The journal's truth replaces memory. Cursors that have handed out what was lost end; the others go on. */
  #resume(recovered: Recovered, objects: readonly LoadedObject[], kept: number, revision: number): void {
    const head = this.revision;
    const wasDurable = this.durableRevision;
    this.#watches.endBeyond(kept);
    if (kept < head) this.#lost.push({ from: kept + 1, to: head });
    if (kept > head) this.#ring.reset(kept);
    else this.#ring.truncate(kept);
    this.#state.clear();
    this.#fill(objects);
    this.#state.revision = revision;
    this.#durable.reset(revision);
    this.#backlog = 0;
    this.#meta.reset(recovered.meta);
    this.#watches.publishDurableAfter(wasDurable); // what was in doubt and turned out to be durable
    this.#pipeline.start();
    this.#setHealth({ state: 'ok' });
  }

  // ----------------------------------------------------------------------------------------------------------- watches

  snapshotAndWatch<S>(selector: Selector, mode: CursorMode, snap: (view: ReadView) => S): { readonly state: S; readonly cursor: Cursor } {
    const view = this.#watches.view(mode);
    const cursor = this.#cursor(selector, mode, view.revision);
    try {
      return { state: snap(view), cursor };
    } catch (error) {
      cursor[Symbol.dispose]();
      throw error;
    }
  }

  watchFrom(selector: Selector, mode: CursorMode, since: number): Cursor {
    this.#watches.checkSince(mode, since);
    if (this.#isLost(since)) throw gone(`revision ${since} was lost when the journal failed`);
    return this.#cursor(selector, mode, since);
  }

  #cursor(selector: Selector, mode: CursorMode, revision: number): Cursor {
    for (const kind of selector.kinds ?? []) if (!this.#state.has(kind)) throw invalid(`there is no kind ${String(kind)}`);
    return this.#watches.open(selector, mode, revision);
  }

  // ------------------------------------------------------------------------------------------------------------- close

  /** Refuses writes from now on, makes durable what was committed, ends all cursors, closes the journal. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const regain = this.#regain;
    this.#setHealth({ state: 'closed' });
    if (regain !== undefined) {
      regain.attempts.stop();
      await regain.done;
    } else await this.#pipeline.flush();
    this.#rejectAll(this.#pipeline.abandon(), closed());
    this.#watches.close();
    await this.#journal.close();
  }
}

function isThenable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
