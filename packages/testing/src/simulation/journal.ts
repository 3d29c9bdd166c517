// A journal on a disk that outlives the process, with latency, a disk that is full, batches of which nobody knows what became, and crashes
// between any two of them. Follows the contract in @podplane/store/types; the real one is @podplane/store/journals/sqlite.
import { JournalError } from '@podplane/store/errors';
import type { CauseRecord, CommittedTx, Journal, JournalChange, Key, Recovered } from '@podplane/store/types';
import type { SimulatedProcess } from './process.js';

/** As little as a run needs; watches that resume after a restart need some. */
const HISTORY = 2_000;

/** What was on the disk at some time. */
export type DiskCopy = Pick<JournalDisk, 'revision' | 'history'> & {
  readonly objects: ReadonlyMap<string, JournalChange>;
  readonly meta: ReadonlyMap<string, string>;
};

/** What survives. */
export class JournalDisk {
  revision = 0;
  readonly objects = new Map<string, JournalChange>();
  readonly meta = new Map<string, string>();
  history: CommittedTx[] = [];
  /** Appends and recoveries fail while this is set. */
  broken: JournalError | undefined;
  /** How the next append ends: nothing is kept, or everything is kept and nobody is told. */
  nextAppend: 'lost' | 'kept' | undefined;
  /** Told when a batch sets out for the disk, before it is there. */
  onAppend: (() => void) | undefined;
  /** How long an append takes, ms; drawn anew for each. */
  latencyMs: () => number = () => 1;
  /** Batches written so far. */
  writes = 0;

  copy(): DiskCopy {
    const { revision, objects, meta, history } = this;
    return { revision, objects: new Map(objects), meta: new Map(meta), history: [...history] };
  }

  /** Nobody may use it meanwhile. */
  putBack({ revision, objects, meta, history }: DiskCopy): void {
    this.revision = revision;
    this.history = [...history];
    this.objects.clear();
    for (const [key, change] of objects) this.objects.set(key, change);
    this.meta.clear();
    for (const [key, value] of meta) this.meta.set(key, value);
  }

  write(batch: readonly CommittedTx[]): void {
    this.writes++;
    for (const tx of batch) {
      if (tx.revision < this.revision) throw new JournalError('io', `revision ${tx.revision} after ${this.revision}`);
      this.revision = tx.revision;
      for (const change of tx.changes) {
        const id = `${change.kind}/${change.namespace}/${change.name}`;
        if (change.type === 'deleted') this.objects.delete(id);
        else this.objects.set(id, change);
      }
      for (const { key, value } of tx.meta ?? []) {
        if (value === undefined) this.meta.delete(key);
        else this.meta.set(key, value);
      }
      if (tx.changes.length > 0) this.history.push(tx);
    }
    if (this.history.length > 2 * HISTORY) this.history = this.history.slice(-HISTORY);
  }
}

export class SimulatedJournal implements Journal {
  /** The batch on its way to the disk. */
  private flying: readonly CommittedTx[] | undefined;
  private closed = false;

  constructor(
    private readonly process: SimulatedProcess,
    private readonly disk: JournalDisk,
  ) {}

  recover(): Promise<Recovered> {
    return this.io(() => {
      const { revision, objects, history, meta } = this.disk;
      return { revision, objects: [...objects.values()], history: [...history], meta: new Map(meta) };
    });
  }

  append(batch: readonly CommittedTx[]): Promise<void> {
    this.flying = batch;
    this.disk.onAppend?.();
    return this.io(() => {
      this.flying = undefined;
      const { disk } = this;
      const how = disk.nextAppend;
      disk.nextAppend = undefined;
      if (how === 'lost') throw new JournalError('io', 'the write failed');
      disk.write(batch);
      if (how === 'kept') throw new JournalError('io', 'the write may have failed');
    });
  }

  probe(): Promise<void> {
    return this.io(() => undefined);
  }

  causes(_key: Key, _limit: number): readonly CauseRecord[] {
    return [];
  }

  causesAt(): readonly [] {
    return [];
  }

  decisiveCause(): undefined {
    return undefined;
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }

  /** The process dies now. reached: whether the batch that was on its way is on the disk. */
  crash(reached: boolean): void {
    if (this.closed) return;
    this.closed = true;
    if (reached && this.flying !== undefined && this.disk.broken === undefined) this.disk.write(this.flying);
  }

  private io<T>(fn: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.process.timers.after(this.disk.latencyMs(), () => {
        try {
          if (this.closed) throw new JournalError('closed', 'the journal is closed');
          if (this.disk.broken !== undefined) throw this.disk.broken;
          resolve(fn());
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }
}
