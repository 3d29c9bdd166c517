// The SQLite file: tables, migrations, groups of transactions in, recovery out, trimming of the past. Runs in the worker thread
// (worker.ts), synchronously. Imports nothing of ours at run time, so that the thread can be started from source as well.
import Database from 'better-sqlite3';
import type { KeysOfAChange, PackedRecovered, PackedTx, WorkerSettings } from './protocol.js';

type Codes = 'newer-format' | 'foreign';

/** Carries the code of a JournalError out of the thread. */
export class DatabaseError extends Error {
  readonly code: Codes;

  constructor(code: Codes, message: string) {
    super(message);
    this.code = code;
  }
}

/** "podp": tells our files from others'. */
const APPLICATION_ID = 0x706f6470;

/** Step i brings a file from format i to i + 1. Never change one that was released; add another. */
const migrations: readonly string[] = [
  `
  CREATE TABLE objects(
    kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
    uid TEXT NOT NULL, revision INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY(kind, namespace, name)
  );
  CREATE TABLE changes(
    id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, time INTEGER NOT NULL,
    kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, uid TEXT NOT NULL, type TEXT NOT NULL,
    actor TEXT NOT NULL, reason TEXT NOT NULL, because INTEGER,
    total INTEGER NOT NULL, -- bytes of all bodies ever, up to and with this one
    body BLOB NOT NULL -- last, so that reading the rest does not pass over it
  );
  CREATE TABLE causes(
    id INTEGER PRIMARY KEY, revision INTEGER NOT NULL, time INTEGER NOT NULL,
    kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, type TEXT NOT NULL,
    actor TEXT NOT NULL, reason TEXT NOT NULL, because INTEGER,
    total INTEGER NOT NULL -- estimated bytes of all rows ever, up to and with this one
  );
  CREATE INDEX causes_by_object ON causes(kind, namespace, name, id);
  CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  `,
  `
  ALTER TABLE causes ADD COLUMN of_object TEXT; -- Kind/namespace/name
  ALTER TABLE causes ADD COLUMN decisive INTEGER; -- 1: see packages/store/src/causes.ts
  `,
];

export const FORMAT = migrations.length;

/** Keys of meta that are the journal's own begin so; what the store keeps there gets USER in front. */
const REVISION = '$revision';
const FLOOR = '$floor';
const RESTORED = '$restored';
const PROBE = '$probe';
const USER = '=';

/** A restored backup goes on this far above its revision, so that watchers of the lost future are told `gone`. */
const RESTORE_JUMP = 1_000_000_000;

/** Old rows are deleted this many at a time: 48,000 at once stalled writes for 65 ms. */
const TRIM_ROWS = 1000;

const CAUSE_ROW_OVERHEAD_BYTES = 60;
const DAY_MS = 24 * 3600 * 1000;

/** What a probe writes: as much as a busy group, so that a disk with room for a few bytes only does not pass. */
const PROBE_BYTES = 64 * 1024;

const KEYS: KeysOfAChange = 7;

export class JournalFile {
  readonly #settings: WorkerSettings;
  readonly #db: Database.Database;
  readonly #statements: ReturnType<typeof prepare>;
  #revision = 0;
  #changeRows = 0;
  #changeTotal = 0;
  #causeTotal = 0;
  #causesSinceTrim = 0;

  /** Opens, checks and migrates. maxPages bounds the file, as a full disk does. Throws DatabaseError and SqliteError. */
  constructor(settings: WorkerSettings, maxPages?: number) {
    this.#settings = settings;
    this.#db = new Database(settings.file, { timeout: 5000 });
    try {
      this.#check();
      this.#db.pragma('journal_mode = WAL');
      this.#db.pragma('synchronous = FULL');
      this.#db.pragma('temp_store = MEMORY');
      if (maxPages !== undefined) this.#db.pragma(`max_page_count = ${maxPages}`);
      this.#migrate();
      this.#statements = prepare(this.#db);
      this.#load();
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  #check(): void {
    const format = Number(this.#db.pragma('user_version', { simple: true }));
    const application = Number(this.#db.pragma('application_id', { simple: true }));
    const tables = Number(this.#db.prepare('SELECT count(*) FROM sqlite_schema').pluck().get());
    if (application !== APPLICATION_ID && (application !== 0 || tables > 0)) {
      throw new DatabaseError('foreign', `${this.#settings.file} is a database of another program`);
    }
    if (format > FORMAT) {
      throw new DatabaseError(
        'newer-format',
        `${this.#settings.file} is of a newer version of podplane (its format is ${format}; this version knows formats up to ${FORMAT})`,
      );
    }
  }

  #migrate(): void {
    const format = Number(this.#db.pragma('user_version', { simple: true }));
    for (const [i, sql] of migrations.entries()) {
      if (i < format) continue;
      this.#db.transaction(() => {
        this.#db.exec(sql);
        this.#db.pragma(`application_id = ${APPLICATION_ID}`);
        this.#db.pragma(`user_version = ${i + 1}`);
      })();
    }
  }

  #load(): void {
    const { getMeta, setMeta, deleteMeta } = this.#statements;
    this.#revision = Number(getMeta.get(REVISION) ?? 0);
    if (getMeta.get(RESTORED) !== undefined) {
      this.#db.transaction(() => {
        this.#revision += RESTORE_JUMP;
        this.#db.exec('DELETE FROM changes');
        setMeta.run(REVISION, String(this.#revision));
        setMeta.run(FLOOR, String(this.#revision));
        deleteMeta.run(RESTORED);
      })();
    }
    this.#changeRows = Number(this.#db.prepare('SELECT count(*) FROM changes').pluck().get());
    this.#changeTotal = Number(this.#db.prepare('SELECT total FROM changes ORDER BY id DESC LIMIT 1').pluck().get() ?? 0);
    this.#causeTotal = Number(this.#db.prepare('SELECT total FROM causes ORDER BY id DESC LIMIT 1').pluck().get() ?? 0);
  }

  /** Everything a store starts from. */
  read(): PackedRecovered {
    const objectKinds: string[] = [];
    const objectBodies: Buffer[] = [];
    for (const row of this.#db.prepare<[], ObjectRow>('SELECT kind, body FROM objects').iterate()) {
      objectKinds.push(row.kind);
      objectBodies.push(row.body);
    }
    const { history, bodies } = this.#history();
    const meta: [string, string][] = [];
    for (const { key, value } of this.#db.prepare<[], MetaRow>('SELECT key, value FROM meta').all()) {
      if (key.startsWith(USER)) meta.push([key.slice(USER.length), value]);
    }
    return {
      revision: this.#revision,
      objectKinds,
      objectLengths: objectBodies.map((body) => body.length),
      objectBodies: joined(objectBodies),
      history,
      historyBodies: joined(bodies),
      meta,
    };
  }

  #history(): { readonly history: PackedTx[]; readonly bodies: Buffer[] } {
    const floor = Number(this.#statements.getMeta.get(FLOOR) ?? 0);
    const history: (PackedTx & { keys: string[]; lengths: number[] })[] = [];
    const bodies: Buffer[] = [];
    const rows = this.#db.prepare<[number], ChangeRow>('SELECT * FROM changes WHERE revision > ? ORDER BY id').iterate(floor);
    for (const row of rows) {
      let tx = history.at(-1);
      if (tx?.revision !== row.revision) {
        const { revision, time, actor, reason, because } = row;
        tx = { revision, time, actor, reason, becauseOf: because, of: null, keys: [], lengths: [], meta: [] };
        history.push(tx);
      }
      tx.keys.push(row.kind, row.namespace, row.name, row.uid, row.type, '', '');
      tx.lengths.push(row.body.length);
      bodies.push(row.body);
    }
    return { history, bodies };
  }

  /** Writes a group of transactions as one; all or nothing. Throws SqliteError. */
  append(txs: readonly PackedTx[], bodies: Uint8Array): void {
    const counters = [this.#revision, this.#changeRows, this.#changeTotal, this.#causeTotal, this.#causesSinceTrim] as const;
    const { begin, commit, rollback } = this.#statements;
    begin.run();
    try {
      let offset = 0;
      for (const tx of txs) offset = this.#write(tx, bodies, offset);
      this.#statements.setMeta.run(REVISION, String(this.#revision));
      this.#trim(txs.at(-1)?.time ?? 0);
      commit.run();
    } catch (error) {
      [this.#revision, this.#changeRows, this.#changeTotal, this.#causeTotal, this.#causesSinceTrim] = counters;
      if (this.#db.inTransaction) rollback.run();
      throw error;
    }
  }

  #write(tx: PackedTx, bodies: Uint8Array, start: number): number {
    if (tx.revision < this.#revision) throw new Error(`revision ${tx.revision} after ${this.#revision}`);
    this.#revision = tx.revision;
    const { putObject, deleteObject, addChange, addCause, setMeta, deleteMeta } = this.#statements;
    const { revision, time, actor, reason, becauseOf, of, keys } = tx;
    let offset = start;
    for (const [i, length] of tx.lengths.entries()) {
      const [kind = '', namespace = '', name = '', uid = '', type = '', own = '', decisive = ''] = keys.slice(i * KEYS, (i + 1) * KEYS);
      const words = own === '' ? reason : own;
      const body = bodies.subarray(offset, offset + length);
      offset += length;
      if (type === 'deleted') deleteObject.run(kind, namespace, name);
      else putObject.run(kind, namespace, name, uid, revision, body);
      this.#changeTotal += length;
      this.#changeRows++;
      addChange.run(revision, time, kind, namespace, name, uid, type, actor, reason, becauseOf, this.#changeTotal, body);
      this.#causeTotal +=
        CAUSE_ROW_OVERHEAD_BYTES + 2 * (kind.length + namespace.length + name.length) + actor.length + words.length + (of?.length ?? 0);
      this.#causesSinceTrim++;
      addCause.run(revision, time, kind, namespace, name, type, actor, words, becauseOf, this.#causeTotal, of, decisive === '' ? null : 1);
    }
    for (const [key, value] of tx.meta) {
      if (value === null) deleteMeta.run(USER + key);
      else setMeta.run(USER + key, value);
    }
    return offset;
  }

  #trim(now: number): void {
    const { retention } = this.#settings;
    const { oldestChange, changesUpTo, changesBelow, trimChanges, trimCauses, setMeta } = this.#statements;
    const tooMany = this.#changeRows - retention.changes;
    const oldest = Number(oldestChange.get() ?? this.#changeTotal);
    let last: ChangePlace | undefined;
    // As many rows as came in at least, so that a flood cannot outrun it.
    if (tooMany >= TRIM_ROWS) last = changesUpTo.get(tooMany - 1);
    else if (this.#changeTotal - oldest > retention.changeBytes * 1.25)
      last = changesBelow.get(TRIM_ROWS, this.#changeTotal - retention.changeBytes);
    if (last !== undefined) {
      this.#changeRows -= trimChanges.run(last.id).changes;
      setMeta.run(FLOOR, String(last.revision));
    }
    if (this.#causesSinceTrim >= TRIM_ROWS) {
      const tooOld = now - retention.causeDays * DAY_MS;
      const trimmed = trimCauses.run(2 * this.#causesSinceTrim, this.#causeTotal - retention.causeBytes, tooOld);
      if (trimmed.changes < 2 * this.#causesSinceTrim) this.#causesSinceTrim = 0;
    }
  }

  /** Writes and removes as much as a busy group does. Throws SqliteError. */
  probe(): void {
    this.#statements.setMeta.run(PROBE, '0'.repeat(PROBE_BYTES));
    this.#statements.deleteMeta.run(PROBE);
  }

  close(): void {
    this.#db.close();
  }
}

interface ObjectRow {
  readonly kind: string;
  readonly body: Buffer;
}

interface ChangePlace {
  readonly id: number;
  readonly revision: number;
}

interface MetaRow {
  readonly key: string;
  readonly value: string;
}

interface ChangeRow extends ObjectRow {
  readonly revision: number;
  readonly time: number;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly type: string;
  readonly actor: string;
  readonly reason: string;
  readonly because: number | null;
}

function joined(bodies: readonly Buffer[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const body of bodies) length += body.length;
  const out = new Uint8Array(length);
  let offset = 0;
  for (const body of bodies) {
    out.set(body, offset);
    offset += body.length;
  }
  return out;
}

function prepare(db: Database.Database) {
  return {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
    putObject: db.prepare(
      'INSERT INTO objects VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET uid = excluded.uid, revision = excluded.revision, body = excluded.body',
    ),
    deleteObject: db.prepare('DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?'),
    addChange: db.prepare('INSERT INTO changes VALUES(NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    addCause: db.prepare('INSERT INTO causes VALUES(NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    setMeta: db.prepare('INSERT OR REPLACE INTO meta VALUES(?, ?)'),
    getMeta: db.prepare('SELECT value FROM meta WHERE key = ?').pluck(),
    deleteMeta: db.prepare('DELETE FROM meta WHERE key = ?'),
    oldestChange: db.prepare('SELECT total FROM changes ORDER BY id LIMIT 1').pluck(),
    changesUpTo: db.prepare<[number], ChangePlace>('SELECT id, revision FROM changes ORDER BY id LIMIT 1 OFFSET ?'),
    changesBelow: db.prepare<[number, number], ChangePlace>(
      'SELECT id, revision FROM (SELECT id, revision, total FROM changes ORDER BY id LIMIT ?) WHERE total <= ? ORDER BY id DESC LIMIT 1',
    ),
    trimChanges: db.prepare('DELETE FROM changes WHERE id <= ?'),
    trimCauses: db.prepare(
      'DELETE FROM causes WHERE id IN (SELECT id FROM (SELECT id, total, time FROM causes ORDER BY id LIMIT ?) WHERE total < ? OR time < ?)',
    ),
  };
}

/** Writes a copy of a running journal's file to a path that must not exist, marked so that starting from it counts as a restore. */
export function copyDatabase(source: string, target: string): void {
  const db = new Database(source, { readonly: true, timeout: 5000 });
  try {
    db.prepare('VACUUM INTO ?').run(target);
  } finally {
    db.close();
  }
  markRestored(target);
}

/** Makes the next start from this file go on far above its revision. */
export function markRestored(file: string): void {
  const db = new Database(file, { fileMustExist: true, timeout: 5000 });
  try {
    db.pragma('synchronous = FULL');
    db.prepare('INSERT OR REPLACE INTO meta VALUES(?, ?)').run(RESTORED, '1');
  } finally {
    db.close();
  }
}
