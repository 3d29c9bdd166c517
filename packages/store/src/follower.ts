// Follows the head of a store and works in turns: what controllers and the scheduler have in common. It opens a cursor, works while there is
// something to do and lets others have their turn in between, waits while the journal is behind, sleeps until the next thing is due, and
// begins anew from the state where changes were missed or the store has recovered. What is done in a turn is its owner's business.
import type { System, Timer } from '@podplane/api/system';
import { roomForWrites } from './backlog.js';
import type { Cursor, Store } from './types.js';

/** After an error that is not the store's own, ms. */
const RETRY_MS = 1000;

export interface Followed {
  /** Takes the whole state in, anew, and gives the cursor of what comes after it. */
  open(): Cursor;
  /** Some milliseconds of work. Returns whether there is more to do at once. */
  turn(cursor: Cursor): boolean;
  /** A turn threw what is no word of the store's about itself: changes may have been lost. It is opened anew in a while. */
  failed(error: unknown): void;
}

type State = { readonly kind: 'stopped' } | { readonly kind: 'running'; readonly cursor: Cursor } | { readonly kind: 'sealed' };

export class Follower {
  readonly #store: Store;
  readonly #system: Pick<System, 'clock' | 'timers'>;
  readonly #followed: Followed;
  #state: State = { kind: 'stopped' };
  #health: Disposable | undefined;
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #scheduled = false;

  constructor(store: Store, system: Pick<System, 'clock' | 'timers'>, followed: Followed) {
    this.#store = store;
    this.#system = system;
    this.#followed = followed;
  }

  start(): void {
    if (this.#state.kind !== 'stopped') return;
    this.#health = this.#store.onHealth((health) => {
      if (health.state === 'ok') this.#open();
      else this.#close(health.state === 'sealed' ? { kind: 'sealed' } : { kind: 'stopped' });
    });
    if (this.#store.health.state === 'ok') this.#open();
    else this.#state = { kind: 'sealed' };
  }

  stop(): void {
    this.#health?.[Symbol.dispose]();
    this.#health = undefined;
    this.#close({ kind: 'stopped' });
  }

  /** There is something to do that no change of the store tells of. */
  poke(): void {
    if (this.#state.kind === 'running') this.#soon();
  }

  /** The next turn is due then, ms by the monotonic clock, should nothing happen before. Infinity: never. Replaces what was said before. */
  sleepUntil(at: number): void {
    if (at === this.#timerAt && this.#timer !== undefined) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAt = at;
    if (!Number.isFinite(at)) return;
    this.#timer = this.#system.timers.after(
      Math.max(0, at - this.#system.clock.monotonic()),
      () => {
        this.#timer = undefined;
        this.#timerAt = Number.POSITIVE_INFINITY;
        this.#soon();
      },
      { background: true },
    );
  }

  /** The same, but never later than what was said before. */
  wakeAt(at: number): void {
    if (at < this.#timerAt) this.sleepUntil(at);
  }

  #open(): void {
    this.#close({ kind: 'sealed' });
    const cursor = this.#followed.open();
    this.#state = { kind: 'running', cursor };
    cursor.onReady(() => this.#soon());
    this.#soon();
  }

  #close(next: State): void {
    if (this.#state.kind === 'running') this.#state.cursor[Symbol.dispose]();
    this.sleepUntil(Number.POSITIVE_INFINITY);
    this.#state = next;
  }

  #soon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#system.timers.soon(() => {
      this.#scheduled = false;
      this.#turn();
    });
  }

  #turn(): void {
    const state = this.#state;
    if (state.kind !== 'running') return;
    const room = roomForWrites(this.#store);
    if (room !== undefined) {
      void room.then(() => this.#soon());
      return;
    }
    try {
      const more = this.#followed.turn(state.cursor);
      // A commit within the turn may have found the store sealed, which has closed this.
      if (this.#state !== state) return;
      state.cursor.onReady(() => this.#soon());
      if (more) this.#soon();
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    const code = codeOf(error);
    if (code === 'gone') this.#open();
    else if (code === 'sealed' || code === 'closed')
      this.#close({ kind: 'sealed' }); // onHealth tells when it goes on
    else {
      this.#followed.failed(error);
      this.#close({ kind: 'sealed' });
      this.#system.timers.after(RETRY_MS, () => this.#reopen(), { background: true });
    }
  }

  #reopen(): void {
    if (this.#health !== undefined && this.#state.kind === 'sealed' && this.#store.health.state === 'ok') this.#open();
  }
}

/** The code of an error of the store; undefined for others. */
export function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}
