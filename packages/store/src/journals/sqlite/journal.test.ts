import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Kind } from '@podplane/api/kinds/kind-map';
import { realSystem } from '@podplane/api/system';
import Database from 'better-sqlite3';
import { afterEach, describe, expect, test } from 'vitest';
import { catalogueCodecs } from '../../catalogue-codecs.js';
import { JournalError, StoreError } from '../../errors.js';
import { createStore, type ObjectStore } from '../../store.js';
import { cause, configMap, dump, healthy, temporaryDirectory } from '../../test-support.js';
import type { Change, CommittedTx, JournalChange, Key } from '../../types.js';
import { markRestored } from './database.js';
import { DATABASE_FILE, openSqliteJournal, type SqliteJournal, type SqliteJournalOptions } from './journal.js';

const stack: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let last = stack.pop(); last !== undefined; last = stack.pop()) await last();
});

function directory(): string {
  const made = temporaryDirectory();
  stack.push(() => made[Symbol.dispose]());
  return made.path;
}

function journalIn(path: string, options: Omit<SqliteJournalOptions, 'directory'> = {}): SqliteJournal {
  const journal = openSqliteJournal({ directory: path, ...options });
  stack.push(() => journal.close());
  return journal;
}

async function storeIn(path: string, options: Omit<SqliteJournalOptions, 'directory'> = {}): Promise<ObjectStore> {
  return storeOn(journalIn(path, options));
}

async function storeOn(journal: SqliteJournal): Promise<ObjectStore> {
  const store = await createStore({ system: realSystem(), journal, codecs: catalogueCodecs, retry: { firstMs: 5, mostMs: 20 } });
  stack.push(() => store.close());
  return store;
}

function put(store: ObjectStore, name: string, value: string): number {
  return store.transact(cause, (tx) => {
    if (tx.get('ConfigMap', 'default', name) === undefined) tx.create('ConfigMap', configMap(name, { value }));
    else tx.edit('ConfigMap', 'default', name, ({ data }) => void (data['value'] = value));
  }).revision;
}

async function codeOf(fn: () => unknown): Promise<unknown> {
  try {
    await fn();
  } catch (error) {
    return error instanceof JournalError || error instanceof StoreError ? error.code : error;
  }
  return undefined;
}

function change(name: string, bytes = 10): JournalChange {
  return { kind: 'ConfigMap', namespace: 'd', name, uid: `u-${name}`, type: 'modified', body: new Uint8Array(bytes) };
}

function commit(revision: number, changes: readonly JournalChange[], time = 0): CommittedTx {
  return { revision, time, cause, changes };
}

describe('a database', () => {
  test('gives back objects, revision, history, meta and causes', async () => {
    const path = directory();
    const store = await storeIn(path);
    put(store, 'a', '1');
    await store.meta.set('k', 'v');
    const of: Key = { kind: 'Pod', namespace: 'n', name: 'p' };
    const about = ({ object }: Change): string | undefined => (object.metadata?.name === 'b' ? 'b alone' : undefined);
    store.transact({ actor: 'controller:x', reason: 'again', becauseOf: 1, of, about }, (tx) => {
      tx.edit('ConfigMap', 'default', 'a', ({ data }) => void (data['value'] = '2'));
      tx.create('ConfigMap', configMap('b', { text: 'ünïcode ☃', zero: '\0' }));
    });
    const removed = store.transact(cause, (tx) => tx.remove('ConfigMap', 'default', 'b')).revision;
    await store.durable(removed);
    expect(store.causes({ kind: 'ConfigMap', namespace: 'default', name: 'a' }, 5)).toEqual([
      {
        revision: 2,
        time: expect.any(Number) as unknown,
        type: 'modified',
        cause: { actor: 'controller:x', reason: 'again', becauseOf: 1, of },
        decisive: false,
      },
      { revision: 1, time: expect.any(Number) as unknown, type: 'added', cause, decisive: true },
    ]);
    expect(store.causesAt(2, 9).map((one) => one.cause.reason)).toEqual(['again', 'b alone']);
    const decided = (before: number): number | undefined =>
      store.decisiveCause({ kind: 'ConfigMap', namespace: 'default', name: 'a' }, before)?.revision;
    expect([decided(99), decided(2), decided(1)]).toEqual([1, 1, undefined]);
    const at = (revision: number, limit = 10) => store.causesAt(revision, limit).map(({ key, type }) => `${type} ${key.name}`);
    expect([at(0), at(1), at(2), at(2, 1), at(3), at(4)]).toEqual([
      [],
      ['added a'],
      ['modified a', 'added b'],
      ['modified a'],
      ['deleted b'],
      [],
    ]);
    await store.close();
    const again = await storeIn(path);
    expect(again.revision).toBe(3);
    expect(dump(again)).toEqual(dump(store));
    expect(again.meta.get('k')).toBe('v');
    const batches = again.watchFrom({}, 'durable', 1).drain();
    expect(
      batches.map(({ revision, changes, cause: { actor, becauseOf } = cause }) => [
        revision,
        actor,
        becauseOf,
        changes.map(({ type }) => type),
      ]),
    ).toEqual([
      [2, 'controller:x', 1, ['modified', 'added']],
      [3, 'user:test', undefined, ['deleted']],
    ]);
    expect(batches[0]?.changes[1]?.object).toMatchObject({ data: { text: 'ünïcode ☃', zero: '\0' } });
  });

  test('is readable by its owner only', async () => {
    const path = join(directory(), 'new', 'deep');
    const store = await storeIn(path);
    await store.durable(put(store, 'a', '1'));
    expect(statSync(path).mode & 0o777).toBe(0o700);
    for (const file of readdirSync(path).filter((name) => name.startsWith(DATABASE_FILE)))
      expect(statSync(join(path, file)).mode & 0o077).toBe(0);
  });

  test('keeps a bounded history: whole transactions, the newest ones', async () => {
    const path = directory();
    const journal = journalIn(path, { retention: { changes: 100 } });
    await journal.recover();
    for (let i = 1; i <= 1300; i += 10)
      await journal.append(Array.from({ length: 10 }, (_, j) => commit(i + j, [change('a'), change('b'), change('c')])));
    await journal.close();
    const { history, objects, revision } = await journalIn(path).recover();
    expect([objects.length, revision]).toEqual([3, 1300]);
    const kept = history.reduce((sum, { changes }) => sum + changes.length, 0);
    expect(kept).toBeGreaterThanOrEqual(90);
    expect(kept).toBeLessThan(1100);
    expect(history.every(({ changes }) => changes.length === 3)).toBe(true);
    expect(history.at(-1)?.revision).toBe(1300);
    expect(history.map((tx) => tx.revision)).toEqual(Array.from({ length: history.length }, (_, i) => 1300 - history.length + 1 + i));
  });

  test('bounds the history by bytes as well', async () => {
    const path = directory();
    const journal = journalIn(path, { retention: { changeBytes: 100_000 } });
    await journal.recover();
    for (let i = 1; i <= 30; i++) await journal.append([commit(i, [change('a', 20_000)])]);
    await journal.close();
    const { history } = await journalIn(path).recover();
    expect(history.length).toBeGreaterThanOrEqual(5);
    expect(history.length).toBeLessThanOrEqual(7);
    expect(history.at(-1)?.revision).toBe(30);
  });

  test('keeps causes for days within a budget', async () => {
    const path = directory();
    const journal = journalIn(path, { retention: { causeDays: 2, causeBytes: 1_000_000 } });
    await journal.recover();
    const day = 24 * 3600 * 1000;
    const many = (from: number, name: string, time: number) =>
      commit(
        from,
        Array.from({ length: 1100 }, () => change(name)),
        time,
      );
    await journal.append([many(1, 'old', 10 * day)]);
    await journal.append([many(2, 'new', 11 * day)]);
    const count = (name: string) => journal.causes({ kind: 'ConfigMap', namespace: 'd', name }, 10_000).length;
    expect([count('old'), count('new')]).toEqual([1100, 1100]);
    await journal.append([many(3, 'newer', 12.5 * day)]);
    expect([count('old'), count('new')]).toEqual([0, 1100]);
    for (let i = 4; i < 20; i++) await journal.append([many(i, 'flood', 12.5 * day)]);
    expect(count('new')).toBe(0);
    expect(count('flood')).toBeGreaterThan(5000);
    expect(count('flood') * 100).toBeLessThan(1_500_000);
  });
});

describe('a data directory', () => {
  test('that cannot be one is refused', async () => {
    const path = directory();
    const file = join(path, 'file');
    writeFileSync(file, '');
    expect(() => openSqliteJournal({ directory: file })).toThrow(
      expect.objectContaining({
        code: 'unusable-directory',
        message: expect.stringContaining(file) as unknown,
        advice: expect.any(String) as unknown,
      }),
    );
    expect(await codeOf(() => openSqliteJournal({ directory: join(file, 'below') }))).toBe('unusable-directory');
    expect(await codeOf(() => openSqliteJournal({ directory: '/proc/podplane' }))).toBe('unusable-directory');
  });

  test('of the first format goes on with its causes, and with more in new ones', async () => {
    const path = directory();
    const first = await storeIn(path);
    await first.durable(put(first, 'a', '1'));
    await first.close();
    const old = new Database(join(path, DATABASE_FILE));
    old.exec('ALTER TABLE causes DROP COLUMN of_object; ALTER TABLE causes DROP COLUMN decisive; PRAGMA user_version = 1');
    old.close();
    const store = await storeIn(path);
    await store.durable(put(store, 'a', '2'));
    const known = store.causes({ kind: 'ConfigMap', namespace: 'default', name: 'a' }, 9);
    expect(known.map((one) => [one.revision, one.cause, one.decisive])).toEqual([
      [2, cause, true],
      [1, cause, false], // nobody knows any more
    ]);
  });

  test('of a newer version, or with the database of another program, is refused and left alone', async () => {
    const path = directory();
    const file = join(path, DATABASE_FILE);
    const edit = (sql: string): Buffer => {
      const db = new Database(file);
      db.exec(sql);
      db.close();
      return readFileSync(file);
    };
    const journal = journalIn(path);
    await journal.recover();
    await journal.close();
    const newer = edit('PRAGMA user_version = 99');
    const second = journalIn(path);
    expect(await codeOf(() => second.recover())).toBe('newer-format');
    await second.close();
    expect(readFileSync(file)).toEqual(newer);
    rmSync(file);
    edit('CREATE TABLE t(x); PRAGMA user_version = 1');
    const third = journalIn(path);
    expect(await codeOf(() => third.recover())).toBe('foreign');
    await third.close();
    writeFileSync(file, 'this is no database, only a text that is long enough to be taken for a header of one. '.repeat(20));
    expect(await codeOf(() => journalIn(path).recover())).toBe('foreign');
  });

  test('with objects of a kind that is not known, or that cannot be decoded, is refused', async () => {
    const path = directory();
    const journal = journalIn(path);
    await journal.recover();
    await journal.append([commit(1, [{ ...change('a'), kind: 'Widget' as Kind }])]);
    const open = () => createStore({ system: realSystem(), journal, codecs: catalogueCodecs });
    expect(await codeOf(open)).toBe('newer-format');
    await journal.append([
      commit(2, [
        { ...change('a'), kind: 'Widget' as Kind, type: 'deleted' },
        { ...change('b'), body: Buffer.from([255, 255, 255]) },
      ]),
    ]);
    expect(await codeOf(open)).toBe('corrupt');
  });
});

describe('a backup', () => {
  test('is a whole copy, taken while writes go on; starting from it ends old watches', async () => {
    const path = directory();
    const journal = journalIn(path);
    const store = await storeOn(journal);
    for (let i = 0; i < 50; i++) put(store, `c${i}`, 'x');
    await store.durable(store.revision);
    const target = join(directory(), DATABASE_FILE);
    const saved = journal.backupTo(target);
    for (let i = 0; i < 50; i++) await store.durable(put(store, `c${i}`, 'y'));
    await saved;
    expect(await codeOf(() => journal.backupTo(target))).toBe('io');
    expect(statSync(target).mode & 0o077).toBe(0);
    const restored = await storeIn(join(target, '..'));
    expect(restored.count('ConfigMap')).toBe(50);
    expect(restored.revision).toBeGreaterThanOrEqual(1_000_000_050);
    expect(restored.revision).toBeLessThanOrEqual(1_000_000_100);
    for (const since of [10, store.revision])
      expect(() => restored.watchFrom({}, 'durable', since)).toThrow(expect.objectContaining({ code: 'gone' }));
    const { revision } = restored;
    await restored.close();
    expect((await storeIn(join(target, '..'))).revision).toBe(revision);
  });

  test('can be marked by hand', async () => {
    const path = directory();
    const store = await storeIn(path);
    await store.durable(put(store, 'a', '1'));
    await store.close();
    markRestored(join(path, DATABASE_FILE));
    expect((await storeIn(path)).revision).toBe(1_000_000_001);
  });
});

describe('a full disk', () => {
  test('seals the store with a clear error; it goes on when there is room', async () => {
    const path = directory();
    let pages: number | undefined = 200;
    const store = await storeIn(path, { maxPages: () => pages });
    await fill(store);
    expect(store.health).toMatchObject({ state: 'sealed', reason: 'the disk of the data directory is full' });
    expect(await codeOf(() => put(store, 'x', 'y'))).toBe('sealed');
    expect(store.durableView.get('ConfigMap', 'default', 'c0')?.data['value']).toHaveLength(20_000);
    pages = undefined;
    await healthy(store);
    await consistent(store, path);
  });

  test.skipIf(!canMount())('on a real file system of 2 MiB', async () => {
    const path = join(directory(), 'full');
    mkdirSync(path);
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m,mode=700', 'tmpfs', path]).status).toBe(0);
    stack.push(() => void spawnSync('umount', [path]));
    writeFileSync(join(path, 'ballast'), Buffer.alloc(1 << 20));
    const store = await storeIn(path);
    await fill(store);
    expect(store.health.state).toBe('sealed');
    expect(store.durableView.get('ConfigMap', 'default', 'c0')?.data['value']).toHaveLength(20_000);
    rmSync(join(path, 'ballast'));
    await healthy(store);
    await consistent(store, path);
  });

  /** Writes until the disk is full; what was acknowledged must be there. */
  async function fill(store: ObjectStore): Promise<void> {
    for (let i = 0; i < 10_000; i++) {
      try {
        await store.durable(put(store, `c${i}`, 'x'.repeat(20_000)));
      } catch (error) {
        expect((error as StoreError).code).toBe('sealed');
        expect(store.durableView.count('ConfigMap')).toBe(i);
        expect(i).toBeGreaterThan(5);
        return;
      }
    }
    throw new Error('the disk did not fill up');
  }

  async function consistent(store: ObjectStore, path: string): Promise<void> {
    await store.durable(put(store, 'after', '1'));
    expect(dump(store)).toEqual(dump(store.durableView));
    await store.close();
    expect(dump(await storeIn(path))).toEqual(dump(store));
  }
});

test('a thread that dies is replaced by the next recovery', async () => {
  const journal = journalIn(directory());
  const store = await storeOn(journal);
  await store.durable(put(store, 'a', '1'));
  await journal.killThread();
  expect(await codeOf(() => store.durable(put(store, 'a', '2')))).toBe('sealed');
  await healthy(store);
  await store.durable(put(store, 'a', '3'));
  expect(store.get('ConfigMap', 'default', 'a')?.data['value']).toBe('3');
});

function canMount(): boolean {
  if (process.getuid?.() !== 0) return false;
  const made = temporaryDirectory();
  try {
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', made.path]);
    if (status === 0) spawnSync('umount', [made.path]);
    return status === 0;
  } finally {
    made[Symbol.dispose]();
  }
}
