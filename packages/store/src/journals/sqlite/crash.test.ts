// What only other processes can prove: the lock, and that kill -9 loses nothing. The child is crash-child.ts.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { realSystem } from '@podplane/api/system';
import { afterEach, expect, test } from 'vitest';
import type { Codecs } from '../../object.js';
import { createStore, type ObjectStore } from '../../store.js';
import { temporaryDirectory } from '../../test-support.js';
import { openSqliteJournal, type SqliteJournal } from './journal.js';

const stack: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (let last = stack.pop(); last !== undefined; last = stack.pop()) await last();
});

function directory(): string {
  const made = temporaryDirectory();
  stack.push(() => made[Symbol.dispose]());
  return made.path;
}

function journalIn(path: string): SqliteJournal {
  const journal = openSqliteJournal({ directory: path });
  stack.push(() => journal.close());
  return journal;
}

const child = fileURLToPath(new URL('./crash-child.ts', import.meta.url));
const childFlags = ['--conditions=podplane-source', '--import', new URL('./source-hooks.mjs', import.meta.url).href];

interface Child {
  /** Resolves when so many writes have been acknowledged. */
  acknowledged(count: number): Promise<void>;
  /** kill -9; all that was acknowledged: revision and number of each write. */
  kill(): Promise<readonly (readonly [revision: number, i: number])[]>;
}

function startChild(path: string, round: number): Child {
  const process_: ChildProcess & { stdout: NonNullable<ChildProcess['stdout']> } = spawn(
    process.execPath,
    [...childFlags, child, path, String(round)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const seen: (readonly [number, number])[] = [];
  const lines = createInterface({ input: process_.stdout });
  let wanted = { count: Number.POSITIVE_INFINITY, reached: (): void => undefined };
  lines.on('line', (line) => {
    const [revision, i] = line.split(' ').map(Number);
    // A line cut by the kill is no acknowledgement.
    if (revision !== undefined && i !== undefined && Number.isFinite(i)) seen.push([revision, i]);
    if (seen.length >= wanted.count) wanted.reached();
  });
  const ended = new Promise<void>((resolve) => lines.once('close', resolve));
  stack.push(() => void process_.kill('SIGKILL'));
  return {
    acknowledged: (count) =>
      new Promise((resolve, reject) => {
        wanted = { count, reached: resolve };
        void ended.then(() => reject(new Error('the child ended')));
      }),
    async kill() {
      process_.kill('SIGKILL');
      await ended;
      return seen;
    },
  };
}

test('a data directory serves one server; a dead one does not hold it', async () => {
  const path = directory();
  const first = journalIn(path);
  expect(() => openSqliteJournal({ directory: path })).toThrow(
    expect.objectContaining({ code: 'locked', message: expect.stringContaining(`(pid ${process.pid})`) as unknown }),
  );
  const other = spawnSync(process.execPath, [...childFlags, child, path], { encoding: 'utf8', timeout: 20_000 });
  expect(other.status).not.toBe(0);
  expect(other.stderr).toContain(`is in use by another server (pid ${process.pid})`);
  await first.close();
  expect(existsSync(join(path, 'server.pid'))).toBe(false);
  const killed = startChild(path, 0);
  await killed.acknowledged(1);
  expect(() => openSqliteJournal({ directory: path })).toThrow(expect.objectContaining({ code: 'locked' }));
  await killed.kill();
  const after = journalIn(path);
  expect((await after.recover()).revision).toBeGreaterThan(0);
});

// Modes do not bind root, so root asks as nobody.
const asNobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
const canAsk = spawnSync(process.execPath, ['-e', `require('node:fs').readFileSync(${JSON.stringify(child)})`], asNobody).status === 0;

test.skipIf(!canAsk)('a data directory that this user may not write is refused', () => {
  const path = directory();
  chmodSync(path, 0o555);
  stack.push(() => chmodSync(path, 0o700));
  const refused = spawnSync(process.execPath, [...childFlags, child, path], { encoding: 'utf8', timeout: 20_000, ...asNobody });
  expect(refused.status).toBe(1);
  expect(refused.stderr).toContain(`data directory ${path} cannot be used: it is not writable for this user`);
});

test('kill -9 under load loses no acknowledged write', async () => {
  const path = directory();
  const all: { readonly round: number; readonly revision: number; readonly i: number }[] = [];
  for (const [round, count] of [1, 150, 700].entries()) {
    const running = startChild(path, round);
    await running.acknowledged(count);
    for (const [revision, i] of await running.kill()) all.push({ round, revision, i });
  }
  const json = {
    encode: (object: unknown) => Buffer.from(JSON.stringify(object)),
    decode: (bytes: Uint8Array) => JSON.parse(Buffer.from(bytes).toString()) as never,
  };
  const store = await createStore({ system: realSystem(), journal: journalIn(path), codecs: { ConfigMap: json } as unknown as Codecs });
  expect(all.length).toBeGreaterThan(850);
  for (const { round, revision, i } of all) {
    expect(revision).toBeLessThanOrEqual(store.revision);
    // Write i makes i and i + 1 and removes i again, all or nothing.
    expect(store.get('ConfigMap', 'd', `r${round}-${i + 1}`)?.metadata?.resourceVersion).toBe(String(revision));
    expect(store.get('ConfigMap', 'd', `r${round}-${i}`)).toBeUndefined();
  }
  const revisions = new Set([...store.list('ConfigMap')].map(({ metadata }) => metadata?.resourceVersion));
  expect(revisions.size).toBe(store.count('ConfigMap'));
  expect(store.revision).toBe(store.count('ConfigMap')); // one change stays of each transaction, no revision was given twice
  const { history } = replayable(store);
  expect(history).toEqual(dumpJson(store));
  await store.close();

  function dumpJson(view: ObjectStore): Map<string, string> {
    return new Map([...view.list('ConfigMap')].map((object) => [object.metadata?.name ?? '', JSON.stringify(object)]));
  }

  /** Replay of the kept changes gives the objects that they touched. */
  function replayable(view: ObjectStore): { readonly history: Map<string, string> } {
    const changes = view
      .watchFrom({}, 'durable', 0)
      .drain()
      .flatMap((batch) => batch.changes);
    const out = new Map<string, string>();
    for (const { type, object } of changes) {
      if (type === 'deleted') out.delete(object.metadata?.name ?? '');
      else out.set(object.metadata?.name ?? '', JSON.stringify(object));
    }
    return { history: out };
  }
}, 60_000);
