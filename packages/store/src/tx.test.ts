import { describe, expect, test } from 'vitest';
import { catalogueCodecs } from './catalogue-codecs.js';
import { memoryJournal } from './journals/memory.js';
import { createStore, type ObjectStore } from './store.js';
import { cause, configMap, deployment, made, pod, World } from './test-support.js';
import type { Tx } from './types.js';

async function opened(
  world = new World(),
): Promise<{ readonly store: ObjectStore; readonly world: World; write<T>(fn: (tx: Tx) => T): T }> {
  const store = await createStore({ system: world.system, journal: memoryJournal(), codecs: catalogueCodecs });
  return { store, world, write: (fn) => store.transact(cause, fn as (tx: Tx) => never).result };
}

function codeOf(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    return (error as { code?: unknown }).code ?? error;
  }
  return undefined;
}

describe('create', () => {
  test('gives uid, creation time, resourceVersion, and generation where Kubernetes has one', async () => {
    const { store, write } = await opened();
    const made1 = write((tx) => tx.create('Deployment', deployment('web')));
    expect(made1.metadata).toMatchObject({
      name: 'web',
      namespace: 'default',
      generation: 1,
      resourceVersion: '1',
      creationTimestamp: '2026-01-01T00:00:00Z',
    });
    expect(made1.metadata?.uid).toMatch(/^uid-/);
    expect(store.get('Deployment', 'default', 'web')).toBe(made1);
    expect(write((tx) => tx.create('Pod', pod('a'))).metadata?.generation).toBe(1);
    expect(write((tx) => tx.create('ConfigMap', configMap('a'))).metadata?.generation).toBeUndefined();
    expect(Object.isFrozen(made1.metadata?.labels)).toBe(true);
  });

  test('does not believe the uid, times or deletion that it is given', async () => {
    const { write } = await opened();
    const given = made('ConfigMap', {
      metadata: {
        name: 'a',
        namespace: 'd',
        uid: 'mine',
        creationTimestamp: '2000-01-01T00:00:00Z',
        deletionTimestamp: '2000-01-01T00:00:00Z',
        deletionGracePeriodSeconds: 3,
      },
    });
    const { metadata } = write((tx) => tx.create('ConfigMap', given));
    expect(metadata?.uid).not.toBe('mine');
    expect(metadata).toMatchObject({ creationTimestamp: '2026-01-01T00:00:00Z' });
    expect(metadata?.deletionTimestamp).toBeUndefined();
    expect(metadata?.deletionGracePeriodSeconds).toBeUndefined();
  });

  test('refuses a second of the same name, one without a name, one whose name holds a slash', async () => {
    const { store, write } = await opened();
    write((tx) => tx.create('ConfigMap', configMap('a')));
    expect(codeOf(() => write((tx) => tx.create('ConfigMap', configMap('a'))))).toBe('already-exists');
    expect(codeOf(() => write((tx) => tx.create('ConfigMap', configMap(''))))).toBe('invalid');
    expect(codeOf(() => write((tx) => tx.create('ConfigMap', configMap('a/b'))))).toBe('invalid');
    write((tx) => tx.create('ConfigMap', configMap('a', {}, 'other')));
    write((tx) => tx.create('Pod', pod('a')));
    expect(store.revision).toBe(3);
  });

  test('makes names from generateName, cut to 63 characters, past names that are taken', async () => {
    const { write } = await opened();
    const names = write((tx) => {
      const out = new Set<string>();
      for (let i = 0; i < 50; i++)
        out.add(tx.create('ConfigMap', made('ConfigMap', { metadata: { generateName: 'web-', namespace: 'd' } })).metadata?.name ?? '');
      return out;
    });
    expect(names.size).toBe(50);
    for (const name of names) expect(name).toMatch(/^web-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    const long = write((tx) => tx.create('ConfigMap', made('ConfigMap', { metadata: { generateName: 'x'.repeat(80), namespace: 'd' } })));
    expect(long.metadata?.name).toHaveLength(63);
  });

  test('tries again when a generated name is taken, and gives up in the end', async () => {
    const world = new World();
    const suffixes = ['aaaaa', 'aaaaa', 'bbbbb'];
    const random = { ...world.system.random, suffix: () => suffixes.shift() ?? 'bbbbb' };
    const store = await createStore({ system: { ...world.system, random }, journal: memoryJournal(), codecs: catalogueCodecs });
    const create = (): string =>
      store.transact(cause, (tx) => tx.create('ConfigMap', made('ConfigMap', { metadata: { generateName: 'a-' } })).metadata?.name ?? '')
        .result;
    expect(create()).toBe('a-aaaaa');
    expect(create()).toBe('a-bbbbb');
    expect(codeOf(create)).toBe('already-exists');
  });
});

describe('update and edit', () => {
  test('generation grows with the spec only, once a transaction', async () => {
    const { write } = await opened();
    write((tx) => tx.create('Deployment', deployment('web')));
    const labelled = write((tx) => tx.edit('Deployment', 'default', 'web', (draft) => void (draft.metadata!.labels['a'] = 'b')));
    expect(labelled.metadata).toMatchObject({ generation: 1, resourceVersion: '2' });
    const status = write((tx) =>
      tx.edit('Deployment', 'default', 'web', (draft) => void (draft.status = made('Deployment', { status: { replicas: 3 } }).status)),
    );
    expect(status.metadata).toMatchObject({ generation: 1, resourceVersion: '3' });
    const scaled = write((tx) => {
      tx.edit('Deployment', 'default', 'web', (draft) => void (draft.spec!.replicas = 5));
      return tx.edit('Deployment', 'default', 'web', (draft) => void (draft.spec!.replicas = 6));
    });
    expect(scaled.metadata).toMatchObject({ generation: 2, resourceVersion: '4' });
    const created = write((tx) => {
      tx.create('Deployment', deployment('new'));
      return tx.edit('Deployment', 'default', 'new', (draft) => void (draft.spec!.replicas = 6));
    });
    expect(created.metadata?.generation).toBe(1);
  });

  test('a write that changes nothing makes no revision and keeps the object', async () => {
    const { store, write } = await opened();
    const before = write((tx) => tx.create('ConfigMap', configMap('a', { k: 'v' })));
    expect(write((tx) => tx.update('ConfigMap', configMap('a', { k: 'v' }), 'any'))).toBe(before);
    expect(write((tx) => tx.edit('ConfigMap', 'default', 'a', () => undefined))).toBe(before);
    expect(store.revision).toBe(1);
  });

  test('shares structure with the old object where nothing was touched', async () => {
    const { write } = await opened();
    const before = write((tx) => tx.create('Pod', pod('a')));
    const after = write((tx) => tx.edit('Pod', 'default', 'a', (draft) => void (draft.spec!.nodeName = 'n1')));
    expect(after.spec?.containers).toBe(before.spec?.containers);
    expect(after.spec).not.toBe(before.spec);
    expect(before.spec?.nodeName).toBeUndefined();
  });

  test('checks the revision, inside a transaction as well', async () => {
    const { write } = await opened();
    write((tx) => tx.create('ConfigMap', configMap('a')));
    expect(codeOf(() => write((tx) => tx.update('ConfigMap', configMap('a', { k: '1' }), '7')))).toBe('conflict');
    write((tx) => tx.update('ConfigMap', configMap('a', { k: '1' }), '1'));
    expect(codeOf(() => write((tx) => tx.update('ConfigMap', configMap('a', { k: '2' }), '1')))).toBe('conflict');
    expect(codeOf(() => write((tx) => tx.update('ConfigMap', configMap('b'), 'any')))).toBe('not-found');
    expect(codeOf(() => write((tx) => tx.edit('ConfigMap', 'default', 'b', () => undefined)))).toBe('not-found');
  });

  test('uid, creation and deletion cannot be changed', async () => {
    const { write } = await opened();
    const before = write((tx) => tx.create('ConfigMap', configMap('a')));
    const other = configMap('a', { k: 'v' });
    other.metadata!.uid = 'other';
    expect(codeOf(() => write((tx) => tx.update('ConfigMap', other, 'any')))).toBe('conflict');
    const after = write((tx) =>
      tx.edit('ConfigMap', 'default', 'a', ({ metadata, data }) => {
        metadata!.creationTimestamp = '2000-01-01T00:00:00Z';
        metadata!.deletionTimestamp = '2000-01-01T00:00:00Z';
        metadata!.generation = 9;
        metadata!.resourceVersion = '99';
        data['k'] = 'v';
      }),
    );
    expect(after.metadata).toEqual({ ...before.metadata, resourceVersion: '2' });
    expect(codeOf(() => write((tx) => tx.edit('ConfigMap', 'default', 'a', ({ metadata }) => void (metadata!.name = 'b'))))).toBe(
      'invalid',
    );
  });
});

describe('deletion', () => {
  test('removes at once what has neither finalizers nor grace', async () => {
    const { store, write } = await opened();
    write((tx) => tx.create('ConfigMap', configMap('a')));
    expect(write((tx) => tx.markDeleted('ConfigMap', 'default', 'a', 0))).toBeUndefined();
    expect(store.get('ConfigMap', 'default', 'a')).toBeUndefined();
    expect(codeOf(() => write((tx) => tx.markDeleted('ConfigMap', 'default', 'a', 0)))).toBe('not-found');
  });

  test('keeps a graceful one until its grace is 0; a shorter grace wins', async () => {
    const { store, world, write } = await opened();
    write((tx) => tx.create('Pod', pod('a')));
    expect(write((tx) => tx.markDeleted('Pod', 'default', 'a', 30))?.metadata).toMatchObject({
      deletionTimestamp: '2026-01-01T00:00:30Z',
      deletionGracePeriodSeconds: 30,
    });
    const before = store.revision;
    write((tx) => tx.markDeleted('Pod', 'default', 'a', 60));
    expect(store.revision).toBe(before);
    await world.advance(5000);
    expect(write((tx) => tx.markDeleted('Pod', 'default', 'a', 10))?.metadata).toMatchObject({
      deletionTimestamp: '2026-01-01T00:00:10Z',
      deletionGracePeriodSeconds: 10,
    });
    expect(write((tx) => tx.markDeleted('Pod', 'default', 'a', 0))).toBeUndefined();
    expect(store.count('Pod')).toBe(0);
    expect(codeOf(() => write((tx) => tx.markDeleted('Pod', 'default', 'a', -1)))).toBe('not-found');
  });

  test('refuses a grace that is no number of seconds', async () => {
    const { write } = await opened();
    write((tx) => tx.create('Pod', pod('a')));
    for (const grace of [-1, 1.5, Number.NaN])
      expect(codeOf(() => write((tx) => tx.markDeleted('Pod', 'default', 'a', grace)))).toBe('invalid');
  });

  test('waits for the last finalizer; none can be added', async () => {
    const { store, write } = await opened();
    write((tx) => tx.create('Deployment', made('Deployment', { metadata: { name: 'a', namespace: 'd', finalizers: ['x/one', 'x/two'] } })));
    const marked = write((tx) => tx.markDeleted('Deployment', 'd', 'a', 0));
    expect(marked?.metadata).toMatchObject({ deletionGracePeriodSeconds: 0, generation: 2 });
    expect(codeOf(() => write((tx) => tx.edit('Deployment', 'd', 'a', ({ metadata }) => void metadata!.finalizers.push('x/three'))))).toBe(
      'invalid',
    );
    write((tx) => tx.edit('Deployment', 'd', 'a', ({ metadata }) => void (metadata!.finalizers = ['x/two'])));
    expect(store.count('Deployment')).toBe(1);
    write((tx) => tx.edit('Deployment', 'd', 'a', ({ metadata }) => void (metadata!.finalizers = [])));
    expect(store.count('Deployment')).toBe(0);
  });

  test('a finalizer removed while grace lasts does not remove the object', async () => {
    const { store, write } = await opened();
    write((tx) => tx.create('Pod', made('Pod', { metadata: { name: 'a', namespace: 'd', finalizers: ['x/one'] } })));
    write((tx) => tx.markDeleted('Pod', 'd', 'a', 30));
    write((tx) => tx.edit('Pod', 'd', 'a', ({ metadata }) => void (metadata!.finalizers = [])));
    expect(store.count('Pod')).toBe(1);
  });
});

describe('a transaction', () => {
  test('is undone whole by a throw', async () => {
    const { store, write } = await opened();
    write((tx) => tx.create('ConfigMap', configMap('a', { k: '1' })));
    expect(() =>
      write((tx) => {
        tx.create('ConfigMap', configMap('b'));
        tx.edit('ConfigMap', 'default', 'a', ({ data }) => void (data['k'] = '2'));
        tx.remove('ConfigMap', 'default', 'a');
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(store.revision).toBe(1);
    expect(store.count('ConfigMap')).toBe(1);
    expect(store.get('ConfigMap', 'default', 'a')?.data['k']).toBe('1');
  });

  test('is undone by an object that cannot be encoded', async () => {
    const { store, write } = await opened();
    const broken = configMap('a');
    (broken as unknown as { data: unknown }).data = undefined;
    expect(codeOf(() => write((tx) => tx.create('ConfigMap', broken)))).toBe('invalid');
    expect(store.revision).toBe(0);
    expect(write((tx) => tx.create('ConfigMap', configMap('a', { k: 'v' }))).data['k']).toBe('v');
    await store.durable(1);
  });

  test('is neither nested nor asynchronous, and over when it is over', async () => {
    const { store, write } = await opened();
    expect(codeOf(() => write(() => store.transact(cause, () => 1)))).toBe('invalid');
    let kept: Tx | undefined;
    expect(
      codeOf(() =>
        write((tx) => {
          kept = tx;
          tx.create('ConfigMap', configMap('a'));
          return Promise.resolve() as never;
        }),
      ),
    ).toBe('invalid');
    expect(store.revision).toBe(0);
    expect(codeOf(() => kept?.create('ConfigMap', configMap('a')))).toBe('invalid');
    expect(codeOf(() => kept?.get('ConfigMap', 'default', 'a'))).toBe('invalid');
  });

  test('reads its own writes: by name, uid, list, count and index', async () => {
    const { write } = await opened();
    write((tx) => {
      tx.create('Pod', pod('old', 'n1'));
      tx.create('Pod', pod('moved', 'n1'));
    });
    write((tx) => {
      const fresh = tx.create('Pod', pod('fresh', 'n1'));
      tx.remove('Pod', 'default', 'old');
      tx.edit('Pod', 'default', 'moved', (draft) => void (draft.spec!.nodeName = 'n2'));
      const names = (objects: Iterable<{ readonly metadata?: { readonly name?: string | undefined } | undefined }>) =>
        [...objects].map((one) => one.metadata?.name).sort((a = '', b = '') => (a < b ? -1 : 1));
      expect(names(tx.list('Pod'))).toEqual(['fresh', 'moved']);
      expect(names(tx.list('Pod', 'default', { ordered: true }))).toEqual(['fresh', 'moved']);
      expect(names(tx.list('Pod', 'other'))).toEqual([]);
      expect(names(tx.index('Pod', 'node', 'n1'))).toEqual(['fresh']);
      expect(names(tx.index('Pod', 'node', 'n2'))).toEqual(['moved']);
      expect(tx.count('Pod')).toBe(2);
      expect(tx.byUid('Pod', fresh.metadata?.uid ?? '')).toBe(fresh);
      expect(tx.get('Pod', 'default', 'old')).toBeUndefined();
    });
  });

  test('an object removed and made again is two changes; made and removed, none', async () => {
    const { store, write } = await opened();
    const first = write((tx) => tx.create('ConfigMap', configMap('a')));
    const { cursor } = store.snapshotAndWatch({}, 'head', () => undefined);
    write((tx) => {
      tx.remove('ConfigMap', 'default', 'a');
      tx.create('ConfigMap', configMap('a', { k: 'v' }));
      tx.create('ConfigMap', configMap('gone'));
      tx.remove('ConfigMap', 'default', 'gone');
    });
    const changes = cursor.drain().flatMap((batch) => batch.changes);
    expect(changes.map(({ type }) => type)).toEqual(['deleted', 'added']);
    expect(changes[0]?.object.metadata).toMatchObject({ uid: first.metadata?.uid, resourceVersion: '2' });
    expect(store.get('ConfigMap', 'default', 'a')?.data['k']).toBe('v');
    expect(store.byUid('ConfigMap', first.metadata?.uid ?? '')).toBeUndefined();
  });

  test('refuses kinds and indexes that do not exist', async () => {
    const { store } = await opened();
    expect(codeOf(() => store.get('Widget' as 'Pod', '', ''))).toBe('invalid');
    expect(codeOf(() => store.index('ConfigMap', 'node', 'n1'))).toBe('invalid');
    expect(codeOf(() => store.watchFrom({ kinds: ['Widget' as 'Pod'] }, 'head', 0))).toBe('invalid');
  });
});
