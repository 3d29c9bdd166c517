// How many calls that create, start, stop or remove containers run at the same time. More than about twice the cores make all of them
// slower: 32 starts at once take 10 s each. What waits is ordered so that pods get finished one after the other; kills never wait.
import type { Timers } from '@podplane/api/system';

/**
 * What a call is for. Lower numbers go first: ending things before starting things, and the later steps of a pod before the first
 * steps of the next pod. fence passes the limit.
 */
export const CallRank = { fence: -1, stop: 0, startApp: 1, createApp: 2, remove: 2, startPause: 3, createPause: 4 } as const;
export type CallRank = (typeof CallRank)[keyof typeof CallRank];

interface Waiting {
  readonly rank: CallRank;
  readonly go: () => void;
}

export class EngineLimit {
  readonly #max: number;
  readonly #timers: Timers;
  readonly #waiting: Waiting[] = [];
  #running = 0;

  /** max: calls at the same time. */
  constructor(max: number, timers: Timers) {
    if (!(max >= 1)) throw new RangeError(`the limit of engine calls must be at least 1, not ${max}`);
    this.#max = max;
    this.#timers = timers;
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Runs fn when there is room. holdMs: gives the place back after that time although fn still runs, for calls that mostly wait (a
   * stop with a grace period).
   */
  async run<T>(rank: CallRank, fn: () => Promise<T>, holdMs?: number): Promise<T> {
    if (rank === CallRank.fence) return await fn();
    await this.#enter(rank);
    let held = true;
    const release = (): void => {
      if (!held) return;
      held = false;
      this.#leave();
    };
    const timer = holdMs === undefined ? undefined : this.#timers.after(holdMs, release, { background: true });
    try {
      return await fn();
    } finally {
      timer?.cancel();
      release();
    }
  }

  #enter(rank: CallRank): Promise<void> | undefined {
    if (this.#running < this.#max) {
      this.#running++;
      return undefined;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    // Behind all of the same rank. The queue is short (a node has about a hundred pods), so a linear search is enough.
    const at = this.#waiting.findIndex((other) => other.rank > rank);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, { rank, go: resolve });
    return promise;
  }

  #leave(): void {
    const next = this.#waiting.shift();
    if (next)
      next.go(); // takes over the place
    else this.#running--;
  }
}
