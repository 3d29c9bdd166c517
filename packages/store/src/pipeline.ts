// From committed in memory to durable: queues transactions, hands them to the journal in groups (all that came while the last
// group was being written), tells in order what became durable. What happens when the journal fails is the store's (store.ts).
import type { RingEntry } from './ring.js';
import type { CommittedTx, Journal } from './types.js';

/** A transaction on its way. */
export interface Pending {
  readonly tx: CommittedTx;
  /** Absent for writes of meta alone. */
  readonly entry?: RingEntry;
  /** Settled with the transaction; for writes that have no revision of their own. */
  readonly settle?: { resolve(): void; reject(error: unknown): void };
}

export interface PipelineEvents {
  durable(group: readonly Pending[]): void;
  /** The group being written, and everything behind it, may be lost. Nothing more is written until restart. */
  failed(error: unknown): void;
}

// One group must not become a message of hundreds of megabytes, nor make the first in it wait for seconds.
const MOST_CHANGES_IN_A_GROUP = 4000;

export class Pipeline {
  readonly #journal: Journal;
  readonly #events: PipelineEvents;
  #queue: Pending[] = [];
  #writing: readonly Pending[] = [];
  #state: 'idle' | 'scheduled' | 'writing' | 'stopped' = 'stopped';
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(journal: Journal, events: PipelineEvents) {
    this.#journal = journal;
    this.#events = events;
  }

  start(): void {
    this.#state = 'idle';
  }

  push(pending: Pending): void {
    this.#queue.push(pending);
    if (this.#state !== 'idle') return;
    // In a microtask, so that all transactions of one turn share a flush.
    this.#state = 'scheduled';
    queueMicrotask(() => void this.#run());
  }

  async #run(): Promise<void> {
    while (this.#state !== 'stopped' && this.#queue.length > 0) {
      this.#state = 'writing';
      this.#writing = this.#takeGroup();
      try {
        await this.#journal.append(this.#writing.map(({ tx }) => tx));
      } catch (error) {
        this.#state = 'stopped';
        this.#events.failed(error);
        return;
      }
      const group = this.#writing;
      this.#writing = [];
      this.#events.durable(group);
    }
    if (this.#state !== 'stopped') this.#state = 'idle';
    this.#idle?.resolve();
    this.#idle = undefined;
  }

  #takeGroup(): readonly Pending[] {
    let changes = 0;
    let taken = 0;
    for (const { tx } of this.#queue) {
      changes += tx.changes.length;
      if (taken > 0 && changes > MOST_CHANGES_IN_A_GROUP) break;
      taken++;
    }
    if (taken === this.#queue.length) {
      const all = this.#queue;
      this.#queue = [];
      return all;
    }
    return this.#queue.splice(0, taken);
  }

  /** Takes out all that is not known to be durable, oldest first. */
  abandon(): readonly Pending[] {
    this.#state = 'stopped';
    const lost = [...this.#writing, ...this.#queue];
    this.#writing = [];
    this.#queue = [];
    this.#idle?.resolve();
    this.#idle = undefined;
    return lost;
  }

  /** Resolves when nothing is on its way any more, written or failed. */
  flush(): Promise<void> {
    if (this.#state === 'idle' || this.#state === 'stopped') return Promise.resolve();
    this.#idle ??= Promise.withResolvers<void>();
    return this.#idle.promise;
  }
}
