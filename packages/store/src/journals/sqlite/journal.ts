// The SQLite journal as the store sees it: packs groups for its worker thread, reads causes, makes backups. What is in the file is
// in database.ts, the thread in worker.ts.
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Kind } from '@podplane/api/kinds/kind-map';
import Database from 'better-sqlite3';
import { keptCause } from '../../causes.js';
import { JournalError, type JournalErrorCode } from '../../errors.js';
import type { CausedChange, CauseRecord, ChangeType, CommittedTx, Journal, JournalChange, Key, Recovered } from '../../types.js';
import { lockDirectory } from './lock.js';
import type { KeysOfAChange, PackedRecovered, PackedTx, WorkerReply, WorkerRequest } from './protocol.js';
import { defaultRetention, type Retention } from './retention.js';
import type { WorkerData } from './worker.js';

export interface SqliteJournalOptions {
  /** The data directory; made where it is missing, readable by this user only. */
  readonly directory: string;
  readonly retention?: Partial<Retention>;
  /** Largest size of the database in pages of 4 KiB, asked at every recovery; for tests of a full disk. */
  readonly maxPages?: () => number | undefined;
}

export const DATABASE_FILE = 'podplane.db';

const KEYS: KeysOfAChange = 7;

// A cause is a few words; what is longer would only fill the disk.
const LONGEST_REASON = 1024;

/** Takes the data directory and starts the journal's thread. Throws JournalError "locked" or "unusable-directory". */
export function openSqliteJournal(options: SqliteJournalOptions): SqliteJournal {
  return new SqliteJournal(options);
}

type Request = WorkerRequest extends infer R ? (R extends WorkerRequest ? Omit<R, 'id'> : never) : never;

export class SqliteJournal implements Journal {
  readonly file: string;
  readonly #options: SqliteJournalOptions;
  readonly #lock: Disposable;
  readonly #waiting = new Map<number, PromiseWithResolvers<PackedRecovered | undefined>>();
  #worker: Worker | undefined;
  #reader: ReturnType<typeof openReader> | undefined;
  #nextId = 1;
  #closed = false;

  constructor(options: SqliteJournalOptions) {
    this.#options = options;
    this.file = join(options.directory, DATABASE_FILE);
    this.#lock = lockDirectory(options.directory);
    if (!existsSync(this.file)) {
      try {
        closeSync(openSync(this.file, 'a', 0o600)); // it will hold secrets
      } catch (error) {
        this.#lock[Symbol.dispose]();
        throw journalError(error);
      }
    }
  }

  async recover(): Promise<Recovered> {
    this.#closeReader();
    const packed = await this.#ask({ op: 'recover', maxPages: this.#options.maxPages?.() });
    if (packed === undefined) throw new JournalError('io', 'the journal gave no answer');
    return unpackRecovered(packed);
  }

  async append(batch: readonly CommittedTx[]): Promise<void> {
    const { txs, bodies } = pack(batch);
    await this.#ask({ op: 'append', txs, bodies }, [bodies.buffer]);
  }

  async probe(): Promise<void> {
    await this.#ask({ op: 'probe' });
  }

  #ask(request: Request, moved: ArrayBuffer[] = []): Promise<PackedRecovered | undefined> {
    if (this.#closed) return Promise.reject(new JournalError('closed', 'the journal is closed'));
    const id = this.#nextId++;
    const waiting = Promise.withResolvers<PackedRecovered | undefined>();
    this.#waiting.set(id, waiting);
    this.#worker ??= this.#startWorker();
    this.#worker.postMessage({ ...request, id }, moved);
    return waiting.promise;
  }

  #startWorker(): Worker {
    const retention = { ...defaultRetention, ...this.#options.retention };
    const worker = spawn({ mode: 'journal', settings: { file: this.file, retention } });
    worker.on('message', (reply: WorkerReply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if (reply.ok) waiting?.resolve(reply.recovered);
      else waiting?.reject(journalError(reply));
    });
    const ended = (error: unknown): void => {
      if (this.#worker === worker) this.#worker = undefined; // the next recovery starts another
      const failure = new JournalError('io', 'the journal thread ended', { cause: error });
      for (const waiting of this.#waiting.values()) waiting.reject(failure);
      this.#waiting.clear();
    };
    worker.on('error', ended);
    worker.on('exit', ended);
    return worker;
  }

  /** Newest first; what is durable. Read on a connection of its own, beside the writing thread. Throws JournalError. */
  causes(key: Key, limit: number): readonly CauseRecord[] {
    return this.#read(({ causes }) => causes.all(key.kind, key.namespace, key.name, limit).map(causeRecord));
  }

  /** The newest decision about an object before a revision. Throws JournalError. */
  decisiveCause(key: Key, before: number): CauseRecord | undefined {
    const row = this.#read(({ decisive }) => decisive.get(key.kind, key.namespace, key.name, before));
    return row === undefined ? undefined : causeRecord(row);
  }

  /** Found by halving, as rows are in the order of revisions: an index would cost every write something for a rare question. */
  causesAt(revision: number, limit: number): readonly CausedChange[] {
    return this.#read(({ ends, next, from }) => {
      const { oldest = null, newest = null } = ends.get() ?? {};
      if (oldest === null || newest === null) return [];
      let [low, high] = [oldest, newest + 1];
      while (low < high) {
        const middle = Math.floor((low + high) / 2);
        const row = next.get(middle);
        if (row !== undefined && row.revision < revision) low = row.id + 1;
        else high = middle;
      }
      return from
        .all(low, limit)
        .filter((row) => row.revision === revision)
        .map((row) => ({ ...causeRecord(row), key: { kind: row.kind, namespace: row.namespace, name: row.name } }));
    });
  }

  #read<T>(ask: (reader: ReturnType<typeof openReader>) => T): T {
    if (this.#closed) throw new JournalError('closed', 'the journal is closed');
    try {
      this.#reader ??= openReader(this.file);
      return ask(this.#reader);
    } catch (error) {
      this.#closeReader();
      throw journalError(error);
    }
  }

  #closeReader(): void {
    this.#reader?.db.close();
    this.#reader = undefined;
  }

  /**
   * Writes a consistent copy of what is durable to a path that must not exist, while writes go on. A server that starts from the copy
   * goes on at a revision 10^9 higher, so that old watchers are told `gone`. Rejects with JournalError.
   */
  async backupTo(path: string): Promise<void> {
    if (this.#closed) throw new JournalError('closed', 'the journal is closed');
    if (existsSync(path)) throw new JournalError('io', `${path} exists already`, { advice: 'choose another path for the backup' });
    const unfinished = `${path}.unfinished`;
    rmSync(unfinished, { force: true });
    try {
      closeSync(openSync(unfinished, 'wx', 0o600)); // it will hold secrets; an empty file may be written over
      await finished(spawn({ mode: 'backup', source: this.file, target: unfinished }));
      syncFile(unfinished);
      renameSync(unfinished, path);
      syncFile(dirname(path));
    } catch (error) {
      rmSync(unfinished, { force: true });
      throw journalError(error);
    }
  }

  /** Stops at once, finishing nothing, as the death of the process would. For tests. */
  async abandon(): Promise<void> {
    this.#closed = true;
    this.#closeReader();
    await this.#worker?.terminate();
    this.#lock[Symbol.dispose]();
  }

  /** Ends the thread as a fault in it would. For tests. */
  async killThread(): Promise<void> {
    await this.#worker?.terminate();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    const worker = this.#worker;
    try {
      if (worker !== undefined) await this.#ask({ op: 'close' });
    } finally {
      this.#closed = true;
      this.#closeReader();
      await worker?.terminate();
      this.#lock[Symbol.dispose]();
    }
  }
}

interface CauseRow {
  readonly revision: number;
  readonly time: number;
  readonly type: ChangeType;
  readonly actor: string;
  readonly reason: string;
  readonly because: number | null;
  readonly of_object: string | null;
  readonly decisive: number | null;
}

function causeRecord({ revision, time, type, actor, reason, because, of_object, decisive }: CauseRow): CauseRecord {
  const [kind, namespace = '', name = ''] = of_object?.split('/') ?? [];
  const cause = keptCause({
    actor,
    reason,
    ...(because === null ? {} : { becauseOf: because }),
    ...(kind === undefined ? {} : { of: { kind: kind as Kind, namespace, name } }),
  });
  return { revision, time, type, cause, decisive: decisive === 1 };
}

const CAUSE_COLUMNS = 'revision, time, type, actor, reason, because, of_object, decisive';

function openReader(file: string) {
  const db = new Database(file, { readonly: true, timeout: 1000 });
  const causes = db.prepare<[string, string, string, number], CauseRow>(
    `SELECT ${CAUSE_COLUMNS} FROM causes WHERE kind = ? AND namespace = ? AND name = ? ORDER BY id DESC LIMIT ?`,
  );
  const decisive = db.prepare<[string, string, string, number], CauseRow>(
    `SELECT ${CAUSE_COLUMNS} FROM causes WHERE kind = ? AND namespace = ? AND name = ? AND decisive = 1 AND revision < ? ORDER BY id DESC LIMIT 1`,
  );
  const ends = db.prepare<[], { oldest: number | null; newest: number | null }>('SELECT min(id) AS oldest, max(id) AS newest FROM causes');
  const next = db.prepare<[number], { id: number; revision: number }>('SELECT id, revision FROM causes WHERE id >= ? ORDER BY id LIMIT 1');
  const from = db.prepare<[number, number], CauseRow & Key>(
    `SELECT ${CAUSE_COLUMNS}, kind, namespace, name FROM causes WHERE id >= ? ORDER BY id LIMIT ?`,
  );
  return { db, causes, decisive, ends, next, from };
}

function spawn(workerData: WorkerData): Worker {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new Worker(new URL(`./worker.${extension}`, import.meta.url), { workerData });
}

function finished(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`the backup ended with code ${code}`))));
  });
}

function syncFile(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** What SQLite or the operating system said, as an error that a person can act on. */
function journalError(error: unknown): JournalError {
  if (error instanceof JournalError) return error;
  const given = error as { readonly code?: unknown; readonly message?: unknown };
  const code = typeof given.code === 'string' ? given.code : '';
  const message = typeof given.message === 'string' ? given.message : String(error);
  const [kind, text, advice] = explain(code, message);
  return new JournalError(kind, text, { advice, cause: error });
}

function explain(code: string, message: string): [JournalErrorCode, string, string] {
  if (code === 'newer-format') return [code, message, 'start the version that wrote it, or a newer one'];
  if (code === 'foreign') return [code, message, 'choose another data directory'];
  if (code.startsWith('SQLITE_FULL') || code === 'ENOSPC') return ['full', 'the disk of the data directory is full', 'make room on it'];
  if (code.startsWith('SQLITE_NOTADB'))
    return ['foreign', 'the database file is not one', 'choose another data directory, or restore a backup'];
  if (code.startsWith('SQLITE_CORRUPT')) return ['corrupt', `the database is damaged: ${message}`, 'restore a backup'];
  if (code.startsWith('SQLITE_CANTOPEN') || code.startsWith('SQLITE_READONLY') || code === 'EACCES' || code === 'EROFS') {
    return ['unusable-directory', `the database cannot be written: ${message}`, 'give this user write access to the data directory'];
  }
  return ['io', `the journal failed: ${message}${code === '' ? '' : ` (${code})`}`, 'look at the disk of the data directory'];
}

/** All bodies in one buffer of its own, which the thread takes over; the bodies themselves stay with the watchers. */
function pack(batch: readonly CommittedTx[]): { readonly txs: PackedTx[]; readonly bodies: Uint8Array<ArrayBuffer> } {
  let size = 0;
  for (const tx of batch) for (const change of tx.changes) size += change.body.length;
  const bodies = new Uint8Array(size);
  let offset = 0;
  const txs = batch.map(({ revision, time, cause, changes, meta }): PackedTx => {
    const keys: string[] = [];
    const lengths: number[] = [];
    for (const { kind, namespace, name, uid, type, body, reason = '', decisive = false } of changes) {
      keys.push(kind, namespace, name, uid, type, reason.slice(0, LONGEST_REASON), decisive ? '1' : '');
      lengths.push(body.length);
      bodies.set(body, offset);
      offset += body.length;
    }
    return {
      revision,
      time,
      actor: cause.actor.slice(0, LONGEST_REASON),
      reason: cause.reason.slice(0, LONGEST_REASON),
      becauseOf: cause.becauseOf ?? null,
      of: cause.of === undefined ? null : `${cause.of.kind}/${cause.of.namespace}/${cause.of.name}`,
      keys,
      lengths,
      meta: (meta ?? []).map(({ key, value }) => [key, value ?? null]),
    };
  });
  return { txs, bodies };
}

function unpackRecovered(packed: PackedRecovered): Recovered {
  let offset = 0;
  const objects = packed.objectKinds.map((kind, i) => {
    const length = packed.objectLengths[i] ?? 0;
    const body = packed.objectBodies.subarray(offset, offset + length);
    offset += length;
    return { kind: kind as Kind, body };
  });
  offset = 0;
  const history = packed.history.map((tx): CommittedTx => {
    const changes = tx.lengths.map((length, i): JournalChange => {
      const [kind = '', namespace = '', name = '', uid = '', type = ''] = tx.keys.slice(i * KEYS, (i + 1) * KEYS);
      const body = packed.historyBodies.subarray(offset, offset + length);
      offset += length;
      return { kind: kind as Kind, namespace, name, uid, type: type as ChangeType, body };
    });
    const { revision, time, actor, reason, becauseOf } = tx;
    return { revision, time, cause: becauseOf === null ? { actor, reason } : { actor, reason, becauseOf }, changes };
  });
  return { revision: packed.revision, objects, history, meta: new Map(packed.meta) };
}
