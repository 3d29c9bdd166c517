// A world whose time moves only when told; timers and turns run in order. Not part of the program.
import { type System, suffixFrom } from '@podplane/api/system';

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

const EPOCH = Date.UTC(2026, 0, 1);

export class HandSystem implements System {
  #time = 0;
  #order = 0;
  #state = 1;
  #pending: Pending[] = [];
  readonly clock = { now: (): number => EPOCH + this.#time, monotonic: (): number => this.#time };
  readonly timers = {
    after: (ms: number, fn: () => void): { cancel(): void } => {
      const pending = { at: this.#time + ms, order: this.#order++, fn };
      this.#pending.push(pending);
      return { cancel: () => void (this.#pending = this.#pending.filter((p) => p !== pending)) };
    },
    soon: (fn: () => void): void => void this.timers.after(0, fn),
  };
  readonly random = {
    next: (): number => {
      this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
      return this.#state / 2 ** 32;
    },
    uid: (): string => `uid-${suffixFrom(this.random.next, 12)}`,
    suffix: (length: number): string => suffixFrom(this.random.next, length),
  };

  /** Runs everything that is due within ms, in order, promises between; not more callbacks than most. */
  async advance(ms: number, most = Number.POSITIVE_INFINITY): Promise<void> {
    const until = this.#time + ms;
    for (let ran = 0; ran < most; ran++) {
      // Promises of the store's journal settle between callbacks; each step of them takes a turn of its own.
      for (let i = 0; i < 20; i++) await Promise.resolve();
      const next = this.#pending.toSorted((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined || next.at > until) break;
      this.#pending = this.#pending.filter((p) => p !== next);
      this.#time = Math.max(this.#time, next.at);
      next.fn();
    }
    this.#time = until;
  }
}
