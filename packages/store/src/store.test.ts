import { describe, expect, test } from 'vitest';
import { catalogueCodecs } from './catalogue-codecs.js';
import { JournalError, StoreError } from './errors.js';
import { type MemoryJournal, memoryJournal } from './journals/memory.js';
import { encodedBody } from './object.js';
import { createStore, type ObjectStore } from './store.js';
import { cause, configMap, dump, indexFaults, play, pod, World } from './test-support.js';
import type { StoreHealth, Tx } from './types.js';

interface Opened {
  readonly world: World;
  readonly journal: MemoryJournal;
  readonly store: ObjectStore;
  /** Commits one change to a ConfigMap, made where it is missing; its revision. */
  put(name: string, value: string): number;
}

async function opened(journal = memoryJournal(), ring = { changes: 20_000, bytes: 1 << 25 }): Promise<Opened> {
  const world = new World();
  const store = await createStore({ system: world.system, journal, codecs: catalogueCodecs, ring, retry: { firstMs: 100, mostMs: 400 } });
  const write = (tx: Tx, name: string, value: string): void => {
    if (tx.get('ConfigMap', 'default', name) === undefined) tx.create('ConfigMap', configMap(name, { value }));
    else tx.edit('ConfigMap', 'default', name, ({ data }) => void (data['value'] = value));
  };
  return { world, journal, store, put: (name, value) => store.transact(cause, (tx) => write(tx, name, value)).revision };
}

const lost = (promise: Promise<void>): Promise<unknown> =>
  promise.then(
    () => 'durable',
    (error: unknown) => (error instanceof StoreError ? error.code : error),
  );

describe('durability', () => {
  test('memory moves at once, the durable view when the journal has it, waiters in between', async () => {
    const { store, journal, world, put } = await opened();
    await store.durable(put('a', '1'));
    journal.hold();
    const second = put('a', '2');
    const third = put('b', '1');
    store.transact(cause, (tx) => tx.remove('ConfigMap', 'default', 'a'));
    await world.settle();
    expect([store.revision, store.durableRevision]).toEqual([4, 1]);
    expect(store.get('ConfigMap', 'default', 'a')).toBeUndefined();
    expect(store.durableView.get('ConfigMap', 'default', 'a')?.data['value']).toBe('1');
    expect(store.durableView.count('ConfigMap')).toBe(1);
    expect([...store.durableView.list('ConfigMap')]).toHaveLength(1);
    expect(store.durableView.get('ConfigMap', 'default', 'b')).toBeUndefined();
    let done = 0;
    void store.durable(second).then(() => done++);
    void store.durable(third).then(() => done++);
    void store.durable(third).then(() => done++);
    await world.settle();
    expect(done).toBe(0);
    journal.release();
    await world.settle();
    expect(done).toBe(3);
    expect(dump(store.durableView)).toEqual(dump(store));
    expect(store.durableRevision).toBe(4);
  });

  test('all that was committed while a group was written goes into the next one', async () => {
    const journal = memoryJournal();
    const sizes: number[] = [];
    const append = journal.append.bind(journal);
    journal.append = (batch) => {
      sizes.push(batch.length);
      return append(batch);
    };
    const { store, put, world } = await opened(journal);
    put('a', '1');
    put('b', '1');
    await world.settle();
    journal.hold();
    put('c', '1');
    await world.settle();
    for (let i = 0; i < 5; i++) put('d', String(i));
    journal.release();
    await store.durable(store.revision);
    expect(sizes).toEqual([2, 1, 5]);
  });

  test('a revision of the future is refused', async () => {
    const { store } = await opened();
    expect(await lost(store.durable(5))).toBe('gone');
  });

  test('an object is encoded once for the journal and all watchers', async () => {
    const { store, put } = await opened();
    put('a', '1');
    const object = store.get('ConfigMap', 'default', 'a');
    if (object === undefined) throw new Error('missing');
    expect(store.encoded('ConfigMap', object)).toBe(encodedBody(catalogueCodecs, 'ConfigMap', object));
    expect(catalogueCodecs.ConfigMap.decode(store.encoded('ConfigMap', object))).toEqual(object);
  });
});

describe('meta', () => {
  test('outlives the process, in order with transactions', async () => {
    const { store, journal, put } = await opened();
    put('a', '1');
    await store.meta.set('token/a', 'x');
    await store.meta.set('token/b', 'y');
    await store.meta.set('token/a', undefined);
    expect(store.meta.keys('token/')).toEqual(['token/b']);
    const again = await opened(journal.crash());
    expect(again.store.meta.get('token/b')).toBe('y');
    expect(again.store.meta.get('token/a')).toBeUndefined();
    expect(again.store.revision).toBe(1);
  });

  test('is lost with a journal that fails, and says so', async () => {
    const { store, journal, world } = await opened();
    journal.failNext('lost');
    expect(await lost(store.meta.set('k', 'v'))).toBe('sealed');
    expect(await lost(store.meta.set('k', 'v'))).toBe('sealed');
    await world.settle();
    expect(store.health.state).toBe('ok');
    expect(store.meta.get('k')).toBeUndefined();
    await store.meta.set('k', 'v');
    expect(store.meta.get('k')).toBe('v');
  });
});

describe('cursors', () => {
  test('a snapshot and what is drained after it are the state, for head and durable', async () => {
    const { store, journal, world, put } = await opened();
    put('a', '1');
    await world.settle();
    const head = store.snapshotAndWatch({}, 'head', dump);
    const durable = store.snapshotAndWatch({}, 'durable', dump);
    journal.hold();
    put('a', '2');
    put('b', '1');
    play(head.state, head.cursor.drain());
    expect(head.state).toEqual(dump(store));
    expect(durable.cursor.drain()).toEqual([]);
    expect([head.cursor.revision, durable.cursor.revision]).toEqual([3, 1]);
    journal.release();
    await world.settle();
    play(durable.state, durable.cursor.drain());
    expect(durable.state).toEqual(dump(store));
    expect(durable.cursor.revision).toBe(3);
  });

  test('a durable one that is behind gets no further than what is durable', async () => {
    const { store, journal, world, put } = await opened();
    const { cursor } = store.snapshotAndWatch({}, 'durable', dump);
    put('a', '1');
    await world.settle();
    journal.hold();
    put('a', '2');
    expect(cursor.drain().map(({ revision }) => revision)).toEqual([1]);
    expect(cursor.revision).toBe(1);
    journal.release();
    await world.settle();
    expect(cursor.drain().map(({ revision }) => revision)).toEqual([2]);
  });

  test('wakes once, in a turn of its own, and at once when something is there already', async () => {
    const { store, world, put } = await opened();
    const { cursor } = store.snapshotAndWatch({ kinds: ['ConfigMap'] }, 'durable', () => undefined);
    let woken = 0;
    cursor.onReady(() => woken++);
    put('a', '1');
    put('a', '2');
    expect(woken).toBe(0);
    await world.settle();
    expect(woken).toBe(1);
    put('a', '3');
    await world.settle();
    expect(woken).toBe(1);
    cursor.onReady(() => woken++);
    await world.settle();
    expect(woken).toBe(2);
    expect(cursor.drain(2).map(({ revision }) => revision)).toEqual([1, 2]);
    expect(cursor.revision).toBe(2);
    cursor.onReady(() => woken++);
    await world.settle();
    expect(woken).toBe(3);
    expect(cursor.drain()).toHaveLength(1);
    cursor.onReady(() => woken++);
    cursor[Symbol.dispose]();
    put('a', '4');
    await world.settle();
    expect(woken).toBe(3);
  });

  test('sees only its kinds and namespace', async () => {
    const { store, world } = await opened();
    const maps = store.snapshotAndWatch({ kinds: ['ConfigMap'], namespace: 'x' }, 'head', () => undefined).cursor;
    const pods = store.snapshotAndWatch({ kinds: ['Pod'] }, 'head', () => undefined).cursor;
    let woken = 0;
    pods.onReady(() => woken++);
    store.transact(cause, (tx) => {
      tx.create('ConfigMap', configMap('a', {}, 'x'));
      tx.create('ConfigMap', configMap('a', {}, 'y'));
    });
    await world.settle();
    expect(woken).toBe(0);
    expect(pods.drain()).toEqual([]);
    expect(pods.revision).toBe(1);
    expect(maps.drain().flatMap(({ changes }) => changes.map(({ object }) => object.metadata?.namespace))).toEqual(['x']);
    store.transact(cause, (tx) => tx.create('Pod', pod('p')));
    await world.settle();
    expect(woken).toBe(1);
  });

  test('falls off the ring only by changes that concern it', async () => {
    const { store, put } = await opened(memoryJournal(), { changes: 10, bytes: 1 << 25 });
    const maps = store.snapshotAndWatch({ kinds: ['ConfigMap'] }, 'head', () => undefined).cursor;
    const pods = store.snapshotAndWatch({ kinds: ['Pod'] }, 'head', () => undefined).cursor;
    for (let i = 0; i < 11; i++) put('a', String(i));
    expect(() => maps.drain()).toThrow(expect.objectContaining({ code: 'gone' }));
    store.transact(cause, (tx) => tx.create('Pod', pod('p')));
    expect(pods.drain()).toHaveLength(1);
    expect(() => store.watchFrom({}, 'head', 1)).toThrow(expect.objectContaining({ code: 'gone' }));
    expect(() => store.watchFrom({}, 'head', 13)).toThrow(expect.objectContaining({ code: 'gone' }));
    expect(store.watchFrom({}, 'head', 2).drain()).toHaveLength(10);
  });

  test('the ring is bounded by bytes as well, and keeps the newest transaction', async () => {
    const { store, put } = await opened(memoryJournal(), { changes: 1000, bytes: 5000 });
    for (let i = 0; i < 5; i++) put('a', `${i}`.repeat(2000));
    expect(() => store.watchFrom({}, 'head', 2)).toThrow(expect.objectContaining({ code: 'gone' }));
    expect(store.watchFrom({}, 'head', 3).drain()).toHaveLength(2);
    put('a', 'x'.repeat(10_000));
    expect(store.watchFrom({}, 'head', 5).drain()).toHaveLength(1);
  });

  test('resumes across a restart, with previous states where the history holds them', async () => {
    const { journal, world, put } = await opened();
    for (let i = 0; i < 3; i++) put('a', String(i));
    await world.settle();
    const again = await opened(journal.crash());
    expect(again.store.revision).toBe(3);
    const changes = again.store
      .watchFrom({}, 'durable', 1)
      .drain()
      .flatMap((batch) => batch.changes);
    expect(changes.map(({ type, object }) => [type, object.metadata?.resourceVersion])).toEqual([
      ['modified', '2'],
      ['modified', '3'],
    ]);
    expect(changes[0]?.previous?.metadata?.resourceVersion).toBe('1');
    const before = again.store.get('ConfigMap', 'default', 'a');
    again.put('a', 'x');
    expect(again.store.watchFrom({}, 'head', 3).drain()[0]?.changes[0]?.previous).toBe(before);
  });
});

describe('a journal that fails', () => {
  test('seals writes, keeps durable reads, comes back by itself; cursors that saw what is lost end', async () => {
    const { store, journal, world, put } = await opened();
    const states: StoreHealth['state'][] = [];
    store.onHealth(({ state }) => void states.push(state));
    await store.durable(put('a', '1'));
    await world.settle();
    const head = store.snapshotAndWatch({}, 'head', dump);
    const durable = store.snapshotAndWatch({}, 'durable', dump);
    const idle = store.snapshotAndWatch({}, 'head', dump);
    journal.setBroken(new JournalError('full', 'the disk is full'));
    const waiting = lost(store.durable(put('a', '2')));
    put('b', '1');
    expect(head.cursor.drain()).toHaveLength(2);
    expect(await waiting).toBe('sealed');
    expect(store.health).toMatchObject({ state: 'sealed', reason: 'the disk is full' });
    expect(() => put('c', '1')).toThrow(
      expect.objectContaining({ code: 'sealed', message: expect.stringContaining('the disk is full') as unknown }),
    );
    expect(store.durableView.get('ConfigMap', 'default', 'a')?.data['value']).toBe('1');
    expect(store.durableView.count('ConfigMap')).toBe(1);
    await world.settle();
    await world.advance(100);
    expect(store.health.state).toBe('sealed');
    journal.setBroken(undefined);
    await world.advance(199);
    expect(store.health.state).toBe('sealed');
    await world.advance(1);
    expect(store.health.state).toBe('ok');
    expect(states).toEqual(['sealed', 'ok']);
    // 2 and 3 are never given again; 4 is the empty revision that proved the journal.
    expect([store.revision, store.durableRevision]).toEqual([4, 4]);
    expect(store.get('ConfigMap', 'default', 'a')?.data['value']).toBe('1');
    expect(indexFaults(store)).toEqual([]);
    expect(await lost(store.durable(2))).toBe('sealed');
    expect(() => head.cursor.drain()).toThrow(expect.objectContaining({ code: 'gone' }));
    expect(() => store.watchFrom({}, 'durable', 2)).toThrow(expect.objectContaining({ code: 'gone' }));
    expect(store.watchFrom({}, 'durable', 4).drain()).toEqual([]);
    await store.durable(put('a', '3'));
    expect(store.revision).toBe(5);
    play(durable.state, durable.cursor.drain());
    expect(durable.state).toEqual(dump(store));
    play(idle.state, idle.cursor.drain());
    expect(idle.state).toEqual(dump(store));
    const again = await opened(journal.crash());
    expect(dump(again.store)).toEqual(dump(store));
  });

  test('that then keeps the proof of its recovery without saying so: what was lost stays lost', async () => {
    const { store, journal, world, put } = await opened();
    await store.durable(put('a', '1'));
    await world.settle();
    const head = store.snapshotAndWatch({}, 'head', dump);
    journal.setBroken(new JournalError('full', 'the disk is full'));
    const waiting = lost(store.durable(put('b', '2')));
    expect(head.cursor.drain()).toHaveLength(1);
    expect(await waiting).toBe('sealed');
    await world.settle();
    // The first recovery that is answered ends with a bookmark of which nobody knows what became; the next one finds it.
    journal.setBroken(undefined);
    journal.failNext('kept');
    await world.advance(100);
    expect(store.health.state).toBe('sealed');
    await world.advance(200);
    expect(store.health.state).toBe('ok');
    expect(store.get('ConfigMap', 'default', 'b')).toBeUndefined();
    expect(await lost(store.durable(2))).toBe('sealed');
    expect(() => head.cursor.drain()).toThrow(expect.objectContaining({ code: 'gone' }));
    expect(() => store.watchFrom({}, 'durable', 2)).toThrow(expect.objectContaining({ code: 'gone' }));
    await store.durable(put('c', '3'));
    const again = await opened(journal.crash());
    expect(dump(again.store)).toEqual(dump(store));
  });

  test('whose outcome was unknown and turns out kept: nothing is lost, watchers see it', async () => {
    const { store, journal, world, put } = await opened();
    await store.durable(put('a', '1'));
    const before = store.get('ConfigMap', 'default', 'a');
    const durable = store.snapshotAndWatch({}, 'durable', dump);
    const head = store.snapshotAndWatch({}, 'head', dump);
    journal.failNext('kept');
    const waiting = lost(store.durable(put('b', '2')));
    play(head.state, head.cursor.drain());
    expect(await waiting).toBe('sealed');
    await world.settle();
    expect(store.health.state).toBe('ok');
    expect([store.revision, store.durableRevision]).toEqual([2, 2]);
    expect(await lost(store.durable(2))).toBe('durable');
    expect(store.get('ConfigMap', 'default', 'a')).toBe(before);
    play(durable.state, durable.cursor.drain());
    expect(durable.state).toEqual(dump(store));
    put('c', '1');
    play(head.state, head.cursor.drain());
    expect(head.state).toEqual(dump(store));
  });

  test('of which only the first group was kept', async () => {
    const { store, journal, world, put } = await opened();
    journal.failNext('kept');
    put('a', '1');
    await Promise.resolve();
    await Promise.resolve();
    const second = put('b', '1');
    const waiting = lost(store.durable(second));
    await world.settle();
    expect(await waiting).toBe('sealed');
    expect(store.health.state).toBe('ok');
    expect(store.count('ConfigMap')).toBe(1);
    expect(store.durableRevision).toBe(3);
  });
});

describe('closing', () => {
  test('makes durable what was committed, then refuses', async () => {
    const { store, journal, world, put } = await opened();
    const { cursor } = store.snapshotAndWatch({}, 'head', () => undefined);
    const waiting = lost(store.durable(put('a', '1')));
    await store.close();
    expect(await waiting).toBe('durable');
    expect(() => put('a', '2')).toThrow(expect.objectContaining({ code: 'closed' }));
    expect(() => cursor.drain()).toThrow(expect.objectContaining({ code: 'closed' }));
    expect(() => store.watchFrom({}, 'head', 1)).toThrow(expect.objectContaining({ code: 'closed' }));
    await world.settle();
    const again = await opened(journal.crash());
    expect(again.store.count('ConfigMap')).toBe(1);
  });

  test('ends a recovery that does not succeed', async () => {
    const { store, journal, world, put } = await opened();
    journal.setBroken(new JournalError('io', 'broken'));
    const waiting = lost(store.durable(put('a', '1')));
    await world.settle();
    expect(await waiting).toBe('sealed');
    await store.close();
    expect(store.health.state).toBe('closed');
  });
});

test('causes are found newest first', async () => {
  const { store, put, world } = await opened();
  put('a', '1');
  put('b', '1');
  store.transact({ actor: 'controller:x', reason: 'second', becauseOf: 1 }, (tx) =>
    tx.edit('ConfigMap', 'default', 'a', ({ data }) => void (data['x'] = 'y')),
  );
  await world.settle();
  const found = store.causes({ kind: 'ConfigMap', namespace: 'default', name: 'a' }, 10);
  expect(found.map(({ revision, type, cause: { actor, becauseOf } }) => [revision, type, actor, becauseOf])).toEqual([
    [3, 'modified', 'controller:x', 1],
    [1, 'added', 'user:test', undefined],
  ]);
  const at = (revision: number) => store.causesAt(revision, 10).map(({ key, type }) => `${type} ${key.name}`);
  expect([at(0), at(1), at(2), at(3), at(4)]).toEqual([[], ['added a'], ['added b'], ['modified a'], []]);
});
