// The newest committed transactions, bounded by count and bytes, in a circular array. Cursors are numbers into it (cursor.ts),
// so nobody's slowness pins anything here.
import type { Kind } from '@podplane/api/kinds/kind-map';
import { type AnyObject, type Codecs, decode, forgetBody } from './object.js';
import { freezePlain } from './plain.js';
import type { Change, ChangeBatch, ChangeType, CommittedTx, JournalChange } from './types.js';

/** Bounds of the ring. The newest transaction always stays, however large it is. */
export interface RingLimits {
  readonly changes: number;
  /** Of encoded bodies; what they pin as objects is a few times that. */
  readonly bytes: number;
}

export const defaultRingLimits: RingLimits = { changes: 20_000, bytes: 32 * 1024 * 1024 };

/** Strings, arrays and maps around a body, roughly. */
const CHANGE_OVERHEAD_BYTES = 200;

/** One transaction in the ring. */
export interface RingEntry {
  readonly revision: number;
  readonly kinds: ReadonlySet<Kind>;
  readonly count: number;
  readonly bytes: number;
  readonly batch: ChangeBatch;
}

export function ringEntry(batch: ChangeBatch, bodyBytes: number): RingEntry {
  const kinds = new Set<Kind>();
  for (const change of batch.changes) kinds.add(change.kind);
  const count = batch.changes.length;
  return { revision: batch.revision, kinds, count, bytes: bodyBytes + count * CHANGE_OVERHEAD_BYTES, batch };
}

/** count must be a power of two. */
function emptySlots(count: number): (RingEntry | undefined)[] {
  return Array.from({ length: count });
}

export class Ring {
  readonly #limits: RingLimits;
  #slots: (RingEntry | undefined)[] = emptySlots(64);
  #first = 0;
  #length = 0;
  #changes = 0;
  #bytes = 0;
  #floor = 0;

  constructor(limits: RingLimits) {
    this.#limits = limits;
  }

  /** Everything after this revision is still here. */
  get floor(): number {
    return this.#floor;
  }

  get length(): number {
    return this.#length;
  }

  /** The i-th oldest. */
  at(i: number): RingEntry | undefined {
    return i < this.#length ? this.#slots[(this.#first + i) & (this.#slots.length - 1)] : undefined;
  }

  /** Index of the first entry after a revision; length when there is none. */
  after(revision: number): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.at(middle)?.revision ?? 0) <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  push(entry: RingEntry): void {
    if (this.#length === this.#slots.length) this.#grow();
    this.#slots[(this.#first + this.#length) & (this.#slots.length - 1)] = entry;
    this.#length++;
    this.#changes += entry.count;
    this.#bytes += entry.bytes;
    while (this.#length > 1 && (this.#changes > this.#limits.changes || this.#bytes > this.#limits.bytes)) this.#dropOldest();
  }

  #grow(): void {
    const grown = emptySlots(this.#slots.length * 2);
    for (let i = 0; i < this.#length; i++) grown[i] = this.at(i);
    this.#slots = grown;
    this.#first = 0;
  }

  #dropOldest(): void {
    const entry = this.at(0);
    if (entry === undefined) return;
    this.#slots[this.#first] = undefined;
    this.#first = (this.#first + 1) & (this.#slots.length - 1);
    this.#length--;
    this.#forget(entry);
    this.#floor = entry.revision;
  }

  #forget(entry: RingEntry): void {
    this.#changes -= entry.count;
    this.#bytes -= entry.bytes;
    if (entry instanceof HistoryEntry) return;
    for (const change of entry.batch.changes) forgetBody(change.object);
  }

  /** Drops everything after a revision: it has been lost. */
  truncate(revision: number): void {
    while (this.#length > 0) {
      const newest = this.at(this.#length - 1);
      if (newest === undefined || newest.revision <= revision) break;
      this.#slots[(this.#first + this.#length - 1) & (this.#slots.length - 1)] = undefined;
      this.#length--;
      this.#forget(newest);
    }
    if (this.#floor > revision) this.reset(revision);
  }

  /** Empties it; history begins after this revision. */
  reset(floor: number): void {
    while (this.#length > 0) this.#dropOldest();
    this.#floor = floor;
  }
}

/** A transaction of before the last start: its objects are decoded when somebody asks for them. */
class HistoryEntry implements RingEntry {
  readonly revision: number;
  readonly kinds: ReadonlySet<Kind>;
  readonly count: number;
  readonly bytes: number;
  readonly #changes: readonly HistoryChange[];
  readonly #tx: CommittedTx;
  #batch: ChangeBatch | undefined;

  constructor(tx: CommittedTx, changes: readonly HistoryChange[]) {
    this.#tx = tx;
    this.#changes = changes;
    this.revision = tx.revision;
    this.kinds = new Set(tx.changes.map((change) => change.kind));
    this.count = tx.changes.length;
    this.bytes = tx.changes.reduce((sum, change) => sum + change.body.length + CHANGE_OVERHEAD_BYTES, 0);
  }

  get batch(): ChangeBatch {
    this.#batch ??= { revision: this.revision, cause: this.#tx.cause, changes: this.#changes.map((change) => change.decoded()) };
    return this.#batch;
  }
}

class HistoryChange {
  readonly #codecs: Codecs;
  readonly #change: JournalChange;
  readonly #previous: HistoryChange | undefined;
  #object: AnyObject | undefined;

  constructor(codecs: Codecs, change: JournalChange, previous: HistoryChange | undefined) {
    this.#codecs = codecs;
    this.#change = change;
    this.#previous = previous;
  }

  get type(): ChangeType {
    return this.#change.type;
  }

  object(): AnyObject {
    this.#object ??= freezePlain(decode(this.#codecs, this.#change.kind, this.#change.body));
    return this.#object;
  }

  decoded(): Change {
    const { kind, type } = this.#change;
    return { kind, type, object: this.object(), previous: this.#previous?.object() } as Change;
  }
}

/**
 * Ring entries of a recovered history. A change's previous state is known where the history holds it, and undefined where it does not.
 */
export function historyEntries(codecs: Codecs, history: readonly CommittedTx[]): RingEntry[] {
  const newest = new Map<string, HistoryChange>();
  const out: RingEntry[] = [];
  for (const tx of history) {
    const changes: HistoryChange[] = [];
    for (const change of tx.changes) {
      const id = `${change.kind}/${change.uid}`;
      const made = new HistoryChange(codecs, change, newest.get(id));
      if (change.type === 'deleted') newest.delete(id);
      else newest.set(id, made);
      changes.push(made);
    }
    out.push(new HistoryEntry(tx, changes));
  }
  return out;
}
