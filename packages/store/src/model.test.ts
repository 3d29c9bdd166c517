// Random transactions, failures and crashes against a plain model: after every step memory equals the model, after every crash the
// recovered state equals the model at some revision not before the last acknowledged one, and cursors add up or say gone.
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { catalogueCodecs } from './catalogue-codecs.js';
import { StoreError } from './errors.js';
import { type MemoryJournal, memoryJournal } from './journals/memory.js';
import { openSqliteJournal, type SqliteJournal } from './journals/sqlite/journal.js';
import { createStore, type ObjectStore } from './store.js';
import { cause, configMap, deployment, dump, indexFaults, made, play, pod, temporaryDirectory, World } from './test-support.js';
import type { Cursor, Tx } from './types.js';

type Write =
  | { readonly op: 'create'; readonly kind: 0 | 1 | 2; readonly name: string; readonly value: number }
  | { readonly op: 'edit'; readonly kind: 0 | 1 | 2; readonly name: string; readonly value: number }
  | { readonly op: 'stale'; readonly name: string }
  | { readonly op: 'mark'; readonly kind: 0 | 1 | 2; readonly name: string; readonly grace: number }
  | { readonly op: 'remove'; readonly kind: 0 | 1 | 2; readonly name: string };

type Step =
  | { readonly do: 'transact'; readonly writes: readonly Write[]; readonly fails: boolean }
  | { readonly do: 'meta'; readonly key: string; readonly value: string | undefined }
  | { readonly do: 'flush' }
  | { readonly do: 'snapshot'; readonly mode: 'head' | 'durable' }
  | { readonly do: 'drain'; readonly limit: number }
  | { readonly do: 'hold' }
  | { readonly do: 'fail'; readonly how: 'lost' | 'kept' }
  | { readonly do: 'crash' };

const kind = fc.constantFrom(0 as const, 1 as const, 2 as const);
const name = fc.constantFrom('a', 'b');
const value = fc.integer({ min: 0, max: 3 });
const write: fc.Arbitrary<Write> = fc.oneof(
  fc.record({ op: fc.constant('create' as const), kind, name, value }),
  fc.record({ op: fc.constant('edit' as const), kind, name, value }),
  fc.record({ op: fc.constant('edit' as const), kind, name, value }),
  fc.record({ op: fc.constant('stale' as const), name }),
  fc.record({ op: fc.constant('mark' as const), kind, name, grace: fc.constantFrom(0, 30) }),
  fc.record({ op: fc.constant('remove' as const), kind, name }),
);
const transact = fc.record({
  do: fc.constant('transact' as const),
  writes: fc.array(write, { minLength: 1, maxLength: 6, size: 'max' }),
  fails: fc.boolean(),
});
const calm: fc.Arbitrary<Step>[] = [
  transact.map((step) => ({ ...step, fails: false })),
  transact.map((step) => ({ ...step, fails: false })),
  transact,
  fc.record({ do: fc.constant('meta' as const), key: name, value: fc.option(fc.constantFrom('x', 'y'), { nil: undefined }) }),
  fc.constant({ do: 'flush' as const }),
  fc.record({ do: fc.constant('snapshot' as const), mode: fc.constantFrom('head' as const, 'durable' as const) }),
  fc.record({ do: fc.constant('drain' as const), limit: fc.integer({ min: 1, max: 5 }) }),
  fc.constant({ do: 'crash' as const }),
];
const failing: fc.Arbitrary<Step>[] = [
  fc.constant({ do: 'hold' as const }),
  fc.record({ do: fc.constant('fail' as const), how: fc.constantFrom('lost' as const, 'kept' as const) }),
];

function fresh(kind: 0 | 1 | 2, name: string, value: number) {
  const owned = {
    metadata: {
      name,
      namespace: 'default',
      ownerReferences: [{ apiVersion: 'v1', kind: 'X', name: 'x', uid: `owner-${value}`, controller: value > 1 }],
      finalizers: value === 3 ? ['x/y'] : [],
    },
  };
  if (kind === 0)
    return ['ConfigMap', { ...configMap(name, { value: String(value) }), metadata: made('ConfigMap', owned).metadata }] as const;
  if (kind === 1) return ['Pod', { ...pod(name, value === 0 ? undefined : `n${value}`), metadata: made('Pod', owned).metadata }] as const;
  return ['Deployment', { ...deployment(name, value), metadata: made('Deployment', owned).metadata }] as const;
}

const kinds = ['ConfigMap', 'Pod', 'Deployment'] as const;

/** Refusals that a random write may meet; the transaction goes on. */
const expected = new Set(['not-found', 'already-exists', 'conflict', 'invalid']);

function doWrite(tx: Tx, write: Write): void {
  try {
    switch (write.op) {
      case 'create': {
        const [kind, object] = fresh(write.kind, write.name, write.value);
        tx.create(kind, object);
        return;
      }
      case 'edit': {
        const { name, value } = write;
        if (write.kind === 0)
          tx.edit(
            'ConfigMap',
            'default',
            name,
            ({ data, metadata }) =>
              void ((data['value'] = String(value)), (metadata!.finalizers = value === 0 ? [] : metadata!.finalizers)),
          );
        else if (write.kind === 1) tx.edit('Pod', 'default', name, ({ spec, status }) => void ((spec!.nodeName = `n${value}`), status));
        else
          tx.edit(
            'Deployment',
            'default',
            name,
            ({ spec, metadata }) => void (value < 2 ? (spec!.replicas = value) : (metadata!.labels['l'] = String(value))),
          );
        return;
      }
      case 'stale':
        tx.update('ConfigMap', configMap(write.name, { stale: 'yes' }), '0');
        return;
      case 'mark':
        tx.markDeleted(kinds[write.kind], 'default', write.name, write.grace);
        return;
      case 'remove':
        tx.remove(kinds[write.kind], 'default', write.name);
    }
  } catch (error) {
    if (!(error instanceof StoreError && expected.has(error.code))) throw error;
  }
}

interface Watcher {
  readonly cursor: Cursor;
  readonly mode: 'head' | 'durable';
  readonly state: Map<string, string>;
}

/** A store, what it should hold at every revision, and what has been acknowledged. */
class Bench<J extends MemoryJournal | SqliteJournal> {
  store: ObjectStore;
  readonly world: World;
  readonly #open: (previous: J | undefined) => Promise<J>;
  journal: J;
  /** Dump by revision, built by replaying changes, not by reading the store. */
  readonly history = new Map<number, Map<string, string>>();
  #replay: Watcher;
  acknowledged = 0;
  acknowledgedMeta = new Map<string, string | undefined>();
  #metaInDoubt = new Set<string>();
  #watchers: Watcher[] = [];

  private constructor(world: World, open: (previous: J | undefined) => Promise<J>, journal: J, store: ObjectStore) {
    this.world = world;
    this.#open = open;
    this.journal = journal;
    this.store = store;
    this.#replay = this.#watch('head');
    this.history.set(store.revision, new Map());
  }

  static async start<J extends MemoryJournal | SqliteJournal>(
    seed: number,
    open: (previous: J | undefined) => Promise<J>,
  ): Promise<Bench<J>> {
    const world = new World(seed);
    const journal = await open(undefined);
    return new Bench(
      world,
      open,
      journal,
      await createStore({ system: world.system, journal, codecs: catalogueCodecs, ring: { changes: 12, bytes: 1 << 20 } }),
    );
  }

  #watch(mode: 'head' | 'durable'): Watcher {
    return { mode, ...this.store.snapshotAndWatch({}, mode, dump) };
  }

  async step(step: Step): Promise<void> {
    await this.#regained();
    switch (step.do) {
      case 'transact':
        this.#transact(step.writes, step.fails);
        break;
      case 'meta':
        this.#meta(step.key, step.value);
        break;
      case 'flush':
        await this.flush();
        break;
      case 'snapshot':
        this.#watchers.push(this.#watch(step.mode));
        break;
      case 'drain':
        this.drainAll(step.limit);
        break;
      case 'hold':
        (this.journal as MemoryJournal).hold();
        break;
      case 'fail':
        (this.journal as MemoryJournal).failNext(step.how);
        break;
      case 'crash':
        await this.crash();
    }
    await this.#regained();
    this.#check();
  }

  #transact(writes: readonly Write[], fails: boolean): void {
    const before = this.store.revision;
    const held = dump(this.store);
    try {
      const { revision } = this.store.transact(cause, (tx) => {
        for (const write of writes) doWrite(tx, write);
        expect(indexFaults(tx)).toEqual([]);
        if (fails) throw new Error('as ordered');
      });
      expect(revision - before).toBeLessThanOrEqual(1);
      if (revision === before) expect(dump(this.store)).toEqual(held);
      play(this.#replay.state, this.#replay.cursor.drain());
      this.history.set(revision, new Map(this.#replay.state));
      this.store.durable(revision).then(
        () => void (this.acknowledged = Math.max(this.acknowledged, revision)),
        () => undefined,
      );
    } catch (error) {
      // A failure ordered before may have struck just now.
      if (error instanceof StoreError && error.code === 'sealed' && this.store.health.state === 'sealed') return;
      if (!fails) throw error;
      expect((error as Error).message).toBe('as ordered');
      expect(this.store.revision).toBe(before);
      expect(dump(this.store)).toEqual(held);
    }
  }

  #meta(key: string, value: string | undefined): void {
    this.#metaInDoubt.add(key);
    this.store.meta.set(key, value).then(
      () => void this.acknowledgedMeta.set(key, value),
      () => undefined,
    );
  }

  async flush(): Promise<void> {
    if ('release' in this.journal) this.journal.release();
    await this.store.durable(this.store.revision).catch(() => undefined);
    await this.world.settle();
    await this.#regained();
    expect(this.store.durableRevision).toBe(this.store.revision);
    expect(dump(this.store.durableView)).toEqual(dump(this.store));
  }

  #check(): void {
    const { store } = this;
    expect(dump(store)).toEqual(this.history.get(store.revision));
    expect(dump(store.durableView)).toEqual(this.history.get(store.durableRevision));
    expect(indexFaults(store)).toEqual([]);
    expect(indexFaults(store.durableView)).toEqual([]);
  }

  /** After a failure: waits for the store to come back and takes its truth, which must not lack what was acknowledged. */
  async #regained(): Promise<void> {
    await Promise.resolve();
    if (this.store.health.state === 'sealed' && 'release' in this.journal) this.journal.release();
    while (this.store.health.state === 'sealed') await this.world.advance(1000);
    if (!this.history.has(this.store.revision)) await this.#adopt(); // something was lost: the revision after it is new
  }

  async #adopt(): Promise<void> {
    const { store } = this;
    const recovered = dump(store);
    const candidates = [...this.history].filter(([revision]) => revision >= this.acknowledged);
    expect(candidates.map(([, state]) => state)).toContainEqual(recovered);
    // What was lost, nobody outside has seen, so nobody can come back with it.
    for (const revision of this.history.keys()) await store.durable(revision).catch(() => this.history.delete(revision));
    this.history.set(store.revision, recovered);
    this.#replay = this.#watch('head');
    this.#check();
    this.drainAll(Number.POSITIVE_INFINITY);
  }

  drainAll(limit: number): void {
    this.#watchers = this.#watchers.filter((watcher) => {
      try {
        play(watcher.state, watcher.cursor.drain(limit));
      } catch (error) {
        expect((error as StoreError).code).toBe('gone');
        return false;
      }
      expect(watcher.state).toEqual(this.history.get(watcher.cursor.revision));
      return true;
    });
  }

  async crash(): Promise<void> {
    await this.#regained();
    const { acknowledged } = this;
    const doubt = this.#metaInDoubt;
    const meta = new Map(this.acknowledgedMeta);
    const crashed = this.journal;
    this.journal = await this.#open(crashed);
    this.store = await createStore({
      system: this.world.system,
      journal: this.journal,
      codecs: catalogueCodecs,
      ring: { changes: 12, bytes: 1 << 20 },
    });
    this.#watchers = [];
    expect(this.store.revision).toBeGreaterThanOrEqual(acknowledged);
    expect(dump(this.store)).toEqual(this.history.get(this.store.revision));
    for (const [key, value] of meta) if (!doubt.has(key)) expect(this.store.meta.get(key)).toBe(value);
    for (const revision of this.history.keys()) if (revision > this.store.revision) this.history.delete(revision);
    // A watch that resumes across the crash sees every state in between, or is told that it is gone.
    for (const [since, state] of this.history) {
      const replayed = new Map(state);
      try {
        play(replayed, this.store.watchFrom({}, 'durable', since).drain());
      } catch (error) {
        expect((error as StoreError).code).toBe('gone');
        continue;
      }
      expect(replayed).toEqual(dump(this.store));
    }
    this.#replay = this.#watch('head');
  }

  async end(): Promise<void> {
    if ('release' in this.journal) this.journal.release();
    await this.#regained();
    await this.store.close();
  }
}

const pass = Number(process.env['PODPLANE_FUZZ'] ?? 1);

describe('the store against a model', () => {
  test('with a journal in memory that stalls, fails and crashes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(...calm, ...failing), { maxLength: 40, size: 'max' }), fc.nat(), async (steps, seed) => {
        const bench = await Bench.start<MemoryJournal>(seed, (previous) =>
          Promise.resolve(previous?.crash() ?? memoryJournal({ historyChanges: 10 })),
        );
        for (const step of steps) await bench.step(step);
        await bench.end();
      }),
      { numRuns: 500 * pass },
    );
  });

  const directories: Disposable[] = [];
  afterAll(() => {
    for (const directory of directories) directory[Symbol.dispose]();
  });

  test('with SQLite whose thread is stopped at any point; memory and SQLite end equal', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(...calm), { maxLength: 30, size: 'max' }), fc.nat(), async (steps, seed) => {
        const directory = temporaryDirectory();
        directories.push(directory);
        const sqlite = await Bench.start<SqliteJournal>(seed, async (previous) => {
          await previous?.abandon();
          return openSqliteJournal({ directory: directory.path, retention: { changes: 10 } });
        });
        for (const step of steps) await sqlite.step(step);
        await sqlite.flush();
        await sqlite.end();
        // The same transactions, without crashes and failures, in memory: the same bytes.
        if (!steps.some((step) => step.do === 'crash')) {
          const memory = await Bench.start<MemoryJournal>(seed, () => Promise.resolve(memoryJournal()));
          for (const step of steps) await memory.step(step);
          await memory.flush();
          expect(dump(memory.store)).toEqual(dump(sqlite.store));
          await memory.end();
        }
        const journal = openSqliteJournal({ directory: directory.path });
        const again = await createStore({ system: sqlite.world.system, journal, codecs: catalogueCodecs });
        expect(dump(again)).toEqual(dump(sqlite.store));
        expect(again.revision).toBe(sqlite.store.revision);
        await again.close();
      }),
      { numRuns: 12 * pass },
    );
  }, 120_000);
});
