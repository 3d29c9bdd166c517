// A journal that lives in memory: for tests and simulations, and for servers that need not remember. Its failures, delays and
// crashes can be ordered. What a journal must do is in types.ts.
import type { Timers } from '@podplane/api/system';
import { causeOfChange } from '../causes.js';
import { JournalError } from '../errors.js';
import { idOf } from '../object.js';
import type { CausedChange, CauseRecord, CommittedTx, Journal, JournalChange, Key, Recovered } from '../types.js';

export interface MemoryJournalOptions {
  /** How long each append takes; default: no time. Needs timers. */
  readonly delayMs?: number;
  readonly timers?: Timers;
  /** Most changes kept for watches that resume. */
  readonly historyChanges?: number;
  /** Most cause records kept. */
  readonly causeRecords?: number;
}

const DEFAULT_HISTORY_CHANGES = 20_000;
const DEFAULT_CAUSE_RECORDS = 100_000;

/** How the next append goes wrong. */
export type MemoryFailure =
  | 'lost' // nothing of it is kept
  | 'kept'; // all of it is kept, but the caller is told otherwise: an outcome that is unknown until recovery

interface CauseRow extends CausedChange {
  readonly id: string;
}

const recordOf = ({ revision, time, type, cause, decisive }: CauseRow): CauseRecord => ({ revision, time, type, cause, decisive });

/** What outlives a crash. */
class Disk {
  revision = 0;
  readonly objects = new Map<string, JournalChange>();
  readonly meta = new Map<string, string>();
  history: CommittedTx[] = [];
  historyChanges = 0;
  causes: CauseRow[] = [];
}

export class MemoryJournal implements Journal {
  readonly #options: MemoryJournalOptions;
  readonly #disk: Disk;
  #failure: { readonly how: MemoryFailure; readonly error: Error } | undefined;
  #broken: Error | undefined;
  #hold: PromiseWithResolvers<void> | undefined;
  #closed = false;

  constructor(options: MemoryJournalOptions = {}, disk: Disk = new Disk()) {
    this.#options = options;
    this.#disk = disk;
  }

  /** The next append fails so. */
  failNext(how: MemoryFailure, error: Error = new JournalError('io', 'the journal failed as ordered')): void {
    this.#failure = { how, error };
  }

  /** Every append and recovery fails until undefined is given. */
  setBroken(error: Error | undefined): void {
    this.#broken = error;
  }

  /** Appends wait, written nowhere, until release. */
  hold(): void {
    this.#hold ??= Promise.withResolvers<void>();
  }

  release(): void {
    this.#hold?.resolve();
    this.#hold = undefined;
  }

  /** What a new process finds after this one died: only what was appended. This journal takes nothing any more. */
  crash(): MemoryJournal {
    this.#closed = true;
    this.#hold?.promise.catch(() => undefined); // nobody may be waiting
    this.#hold?.reject(new JournalError('closed', 'the process died'));
    this.#hold = undefined;
    return new MemoryJournal(this.#options, this.#disk);
  }

  recover(): Promise<Recovered> {
    if (this.#closed) return Promise.reject(new JournalError('closed', 'the journal is closed'));
    if (this.#broken !== undefined) return Promise.reject(this.#broken);
    const { revision, objects, history, meta } = this.#disk;
    return Promise.resolve({ revision, objects: [...objects.values()], history: [...history], meta: new Map(meta) });
  }

  async append(batch: readonly CommittedTx[]): Promise<void> {
    if (this.#hold !== undefined) await this.#hold.promise;
    await this.#delay();
    if (this.#closed) throw new JournalError('closed', 'the journal is closed');
    if (this.#broken !== undefined) throw this.#broken;
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure?.how !== 'lost') for (const tx of batch) this.#write(tx);
    if (failure !== undefined) throw failure.error;
  }

  #delay(): Promise<void> | undefined {
    const { delayMs = 0, timers } = this.#options;
    if (delayMs <= 0 || timers === undefined) return undefined;
    return new Promise((resolve) => {
      timers.after(delayMs, resolve);
    });
  }

  #write(tx: CommittedTx): void {
    const disk = this.#disk;
    if (tx.revision < disk.revision) throw new JournalError('io', `revision ${tx.revision} after ${disk.revision}`);
    disk.revision = tx.revision;
    for (const change of tx.changes) {
      const id = `${change.kind}/${idOf(change.namespace, change.name)}`;
      if (change.type === 'deleted') disk.objects.delete(id);
      else disk.objects.set(id, change);
      const key = { kind: change.kind, namespace: change.namespace, name: change.name };
      const { type, decisive = false } = change;
      disk.causes.push({ id, key, revision: tx.revision, time: tx.time, type, decisive, cause: causeOfChange(tx.cause, change) });
    }
    for (const { key, value } of tx.meta ?? []) {
      if (value === undefined) disk.meta.delete(key);
      else disk.meta.set(key, value);
    }
    if (tx.changes.length > 0) disk.history.push(tx);
    disk.historyChanges += tx.changes.length;
    this.#trim();
  }

  #trim(): void {
    const disk = this.#disk;
    const most = this.#options.historyChanges ?? DEFAULT_HISTORY_CHANGES;
    // In slices: moving an array for every change would make each append as slow as the history is long.
    if (disk.historyChanges > most + most / 4) {
      let drop = 0;
      while (drop < disk.history.length - 1 && disk.historyChanges > most) disk.historyChanges -= disk.history[drop++]?.changes.length ?? 0;
      disk.history = disk.history.slice(drop);
    }
    const mostCauses = this.#options.causeRecords ?? DEFAULT_CAUSE_RECORDS;
    if (disk.causes.length > mostCauses * 1.25) disk.causes = disk.causes.slice(-mostCauses);
  }

  causes(key: Key, limit: number): readonly CauseRecord[] {
    const id = `${key.kind}/${idOf(key.namespace, key.name)}`;
    const out: CauseRecord[] = [];
    for (let i = this.#disk.causes.length - 1; i >= 0 && out.length < limit; i--) {
      const row = this.#disk.causes[i];
      if (row?.id === id) out.push(recordOf(row));
    }
    return out;
  }

  decisiveCause(key: Key, before: number): CauseRecord | undefined {
    const id = `${key.kind}/${idOf(key.namespace, key.name)}`;
    const row = this.#disk.causes.findLast((one) => one.id === id && one.decisive && one.revision < before);
    return row === undefined ? undefined : recordOf(row);
  }

  causesAt(revision: number, limit: number): readonly CausedChange[] {
    const { causes } = this.#disk;
    const out: CausedChange[] = [];
    let i = causes.findLastIndex((row) => row.revision < revision) + 1;
    for (let row = causes[i]; row?.revision === revision && out.length < limit; row = causes[++i]) {
      out.push({ ...recordOf(row), key: row.key });
    }
    return out;
  }

  close(): Promise<void> {
    this.#closed = true;
    return Promise.resolve();
  }
}

/** An empty journal in memory. */
export function memoryJournal(options?: MemoryJournalOptions): MemoryJournal {
  return new MemoryJournal(options);
}
