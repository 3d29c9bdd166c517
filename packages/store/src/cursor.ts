// Watches inside the server: a cursor is a place in the ring of committed transactions. Who wakes it is the store; what falls off the ring is in ring.ts.

import type { Kind } from '@podplane/api/kinds/kind-map';
import type { Timers } from '@podplane/api/system';
import { closed, gone } from './errors.js';
import { namespaceOf } from './object.js';
import type { Ring, RingEntry } from './ring.js';
import type { ChangeBatch, Cursor, Selector } from './types.js';

export type CursorMode = 'head' | 'durable';

/** What a cursor needs of its store. */
export interface CursorHost {
  readonly ring: Ring;
  readonly timers: Timers;
  readonly isClosed: boolean;
  /** The newest revision that cursors of a mode may see. */
  visible(mode: CursorMode): number;
  release(cursor: RingCursor): void;
}

/** Why a cursor cannot go on, said by drain. */
type Fate = { readonly name: 'reading' } | { readonly name: 'gone'; readonly why: string } | { readonly name: 'disposed' };

export class RingCursor implements Cursor {
  readonly mode: CursorMode;
  readonly #host: CursorHost;
  readonly #kinds: ReadonlySet<Kind> | undefined;
  readonly #namespace: string | undefined;
  /** Handed out up to here. Behind the visible revision only while something that concerns this cursor may be waiting. */
  #revision: number;
  #waiting: boolean;
  #fate: Fate = { name: 'reading' };
  #onReady: (() => void) | undefined;

  constructor(host: CursorHost, selector: Selector, mode: CursorMode, revision: number) {
    this.#host = host;
    this.mode = mode;
    this.#kinds = selector.kinds === undefined || selector.kinds.length === 0 ? undefined : new Set(selector.kinds);
    this.#namespace = selector.namespace;
    this.#revision = revision;
    this.#waiting = revision < host.visible(mode);
  }

  get revision(): number {
    return this.#waiting || this.#fate.name !== 'reading' ? this.#revision : this.#host.visible(this.mode);
  }

  /** The store tells of a transaction that has become visible. Where it does not concern this cursor, that costs nothing later. */
  published(entry: RingEntry, before: number): void {
    if (this.#waiting || this.#fate.name !== 'reading') return;
    if (!this.#concerns(entry)) return;
    this.#waiting = true;
    this.#revision = before;
    this.#wake();
  }

  /** It has handed out what then was lost, or was closed with the store. */
  fail(why: string): void {
    if (this.#fate.name !== 'reading') return;
    this.#revision = this.revision;
    this.#fate = { name: 'gone', why };
    this.#wake();
  }

  drain(limit = Number.POSITIVE_INFINITY): readonly ChangeBatch[] {
    if (this.#fate.name === 'gone') throw this.#host.isClosed ? closed() : gone(this.#fate.why);
    if (this.#fate.name === 'disposed') throw closed();
    if (!this.#waiting) return [];
    const { ring } = this.#host;
    if (this.#revision < ring.floor) {
      throw gone(`revision ${this.#revision} is too old: changes are kept from revision ${ring.floor} on`);
    }
    const visible = this.#host.visible(this.mode);
    const out: ChangeBatch[] = [];
    for (let i = ring.after(this.#revision); ; i++) {
      const entry = ring.at(i);
      if (entry === undefined || entry.revision > visible) break;
      if (out.length >= limit) return out;
      const batch = this.#select(entry);
      if (batch !== undefined) out.push(batch);
      this.#revision = entry.revision;
    }
    this.#revision = visible;
    this.#waiting = false;
    return out;
  }

  #concerns(entry: RingEntry): boolean {
    if (this.#kinds === undefined) return true;
    for (const kind of entry.kinds) if (this.#kinds.has(kind)) return true;
    return false;
  }

  #covers(entry: RingEntry): boolean {
    if (this.#kinds === undefined) return true;
    for (const kind of entry.kinds) if (!this.#kinds.has(kind)) return false;
    return true;
  }

  #select(entry: RingEntry): ChangeBatch | undefined {
    if (!this.#concerns(entry)) return undefined;
    const { batch } = entry;
    if (this.#namespace === undefined && this.#covers(entry)) return batch;
    const changes = batch.changes.filter(
      ({ kind, object }) => (this.#kinds?.has(kind) ?? true) && (this.#namespace === undefined || namespaceOf(object) === this.#namespace),
    );
    return changes.length === 0 ? undefined : { ...batch, changes };
  }

  onReady(fn: () => void): void {
    if (this.#fate.name === 'disposed') return;
    this.#onReady = fn;
    if (this.#waiting || this.#fate.name === 'gone') this.#wake();
  }

  #wake(): void {
    const fn = this.#onReady;
    if (fn === undefined) return;
    this.#onReady = undefined;
    this.#host.timers.soon(() => {
      if (this.#fate.name !== 'disposed') fn();
    });
  }

  [Symbol.dispose](): void {
    if (this.#fate.name === 'disposed') return;
    this.#revision = this.revision;
    this.#fate = { name: 'disposed' };
    this.#onReady = undefined;
    this.#host.release(this);
  }
}
