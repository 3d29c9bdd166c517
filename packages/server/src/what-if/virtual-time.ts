// Time for a world that is only thought of: it moves when told, as fast as the work in it is done, and gives the real world its turns in between.
import { type System, suffixFrom, type Timer } from '@podplane/api/system';

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
  cancelled: boolean;
}

/** Longest without a turn for the real world, ms: heartbeats of real nodes wait meanwhile. */
const SLICE_MS = 5;
/** Promises of the store's pipeline settle within so many turns of the microtask queue. */
const SETTLE_TURNS = 20;

export class VirtualTime implements System {
  readonly clock: System['clock'];
  readonly timers: System['timers'];
  readonly random: System['random'];
  readonly #real: System;
  readonly #pending: Pending[] = [];
  #elapsed = 0;
  #order = 0;

  /** Begins at the real world's present. */
  constructor(real: System) {
    this.#real = real;
    const wall = real.clock.now();
    const monotonic = real.clock.monotonic();
    this.clock = { now: () => wall + this.#elapsed, monotonic: () => monotonic + this.#elapsed };
    this.timers = {
      after: (ms, fn) => this.#schedule(Math.max(0, ms), fn),
      soon: (fn) => void this.#schedule(0, fn),
    };
    // The same question about the same state has the same answer.
    let state = 1;
    const next = (): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    };
    let uids = 0;
    this.random = { next, uid: () => `what-if-${++uids}`, suffix: (length) => suffixFrom(next, length) };
  }

  /** Ms since its beginning. */
  get elapsed(): number {
    return this.#elapsed;
  }

  #schedule(ms: number, fn: () => void): Timer {
    const pending: Pending = { at: this.#elapsed + ms, order: this.#order++, fn, cancelled: false };
    // Few wait at a time, and most of what is new comes last.
    let at = this.#pending.length;
    while (at > 0 && (this.#pending[at - 1]?.at ?? 0) > pending.at) at--;
    this.#pending.splice(at, 0, pending);
    return { cancel: () => void (pending.cancelled = true) };
  }

  /** Lets everything happen that is due within ms, in order; ends early when done says so or the signal aborts. */
  async run(ms: number, done: () => boolean, signal?: AbortSignal): Promise<void> {
    const end = this.#elapsed + ms;
    let turn = this.#real.clock.monotonic();
    while (signal?.aborted !== true) {
      for (let i = 0; i < SETTLE_TURNS; i++) await Promise.resolve();
      if (done()) return;
      const next = this.#pending[0];
      if (next === undefined || next.at > end) break;
      this.#pending.shift();
      if (next.cancelled) continue;
      this.#elapsed = Math.max(this.#elapsed, next.at);
      next.fn();
      if (this.#real.clock.monotonic() - turn < SLICE_MS) continue;
      await new Promise<void>((resolve) => this.#real.timers.soon(resolve));
      turn = this.#real.clock.monotonic();
    }
    this.#elapsed = Math.max(this.#elapsed, end);
  }
}
