// All cursors of a store: who is told of a transaction that has become visible, who ends when changes are lost. The cursor itself is in cursor.ts.
import type { Timers } from '@podplane/api/system';
import { type CursorHost, type CursorMode, RingCursor } from './cursor.js';
import { closed, gone, invalid } from './errors.js';
import type { Ring, RingEntry } from './ring.js';
import type { ReadView, Selector } from './types.js';

export class Watches implements CursorHost {
  readonly ring: Ring;
  readonly timers: Timers;
  readonly #views: Readonly<Record<CursorMode, ReadView>>;
  readonly #cursors: Readonly<Record<CursorMode, Set<RingCursor>>> = { head: new Set(), durable: new Set() };
  #closed = false;

  constructor(ring: Ring, timers: Timers, views: Readonly<Record<CursorMode, ReadView>>) {
    this.ring = ring;
    this.timers = timers;
    this.#views = views;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  view(mode: CursorMode): ReadView {
    return this.#views[mode];
  }

  visible(mode: CursorMode): number {
    return this.#views[mode].revision;
  }

  /** A cursor after a revision, which the caller has checked. Throws StoreError "closed". */
  open(selector: Selector, mode: CursorMode, revision: number): RingCursor {
    if (this.#closed) throw closed();
    const cursor = new RingCursor(this, selector, mode, revision);
    this.#cursors[mode].add(cursor);
    return cursor;
  }

  /** Throws StoreError "invalid" or "gone" for a revision after which nobody can be told everything. */
  checkSince(mode: CursorMode, since: number): void {
    const newest = this.visible(mode);
    const { floor } = this.ring;
    if (!Number.isSafeInteger(since) || since < 0) throw invalid(`${since} is not a revision`);
    if (since > newest) throw gone(`revision ${since} is not of this history: the newest is ${newest}`);
    if (since < floor) throw gone(`revision ${since} is too old: changes are kept from revision ${floor} on`);
  }

  release(cursor: RingCursor): void {
    this.#cursors[cursor.mode].delete(cursor);
  }

  /** A transaction has become visible to the cursors of a mode; before: the revision that was visible so far. */
  publish(mode: CursorMode, entry: RingEntry, before: number): void {
    for (const cursor of this.#cursors[mode]) cursor.published(entry, before);
  }

  /** Durable cursors are told of all that is in the ring after a revision. */
  publishDurableAfter(revision: number): void {
    let before = revision;
    for (let i = this.ring.after(revision); i < this.ring.length; i++) {
      const entry = this.ring.at(i);
      if (entry === undefined) break;
      this.publish('durable', entry, before);
      before = entry.revision;
    }
  }

  /** Ends the cursors that have handed out more than this revision, because the rest was lost. */
  endBeyond(revision: number): void {
    for (const cursor of [...this.#cursors.head, ...this.#cursors.durable]) {
      if (cursor.revision > revision) cursor.fail('the journal failed and changes that had been handed out were lost');
    }
  }

  /** Ends all. */
  close(): void {
    this.#closed = true;
    for (const cursor of [...this.#cursors.head, ...this.#cursors.durable]) cursor.fail('the store is closed');
  }
}
