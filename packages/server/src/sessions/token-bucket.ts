// How much of something is taken in a time. Which things, and how much of them, is the business of whoever keeps a bucket.
import type { Clock } from '@podplane/api/system';

export interface Budget {
  /** What may come at once. */
  readonly burst: number;
  /** What may go on coming. */
  readonly perSecond: number;
}

/**
 * A bucket that fills with time. The last thing that is taken may overdraw it, whatever it costs: what comes after waits until that is paid.
 * So nothing is too large ever to be taken, and all together stay within the budget.
 */
export class TokenBucket {
  #tokens: number;
  #at: number;

  constructor(
    private readonly clock: Pick<Clock, 'monotonic'>,
    private readonly budget: Budget,
  ) {
    this.#tokens = budget.burst;
    this.#at = clock.monotonic();
  }

  /** ms until something may be taken; 0: now. */
  get waitMs(): number {
    this.#fill();
    return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) / this.budget.perSecond) * 1000);
  }

  /** How many things that cost 1 may be taken now. */
  get room(): number {
    this.#fill();
    return Math.max(0, Math.floor(this.#tokens));
  }

  spend(cost: number): void {
    this.#fill();
    this.#tokens -= cost;
  }

  /** Takes one thing where there is room for it. */
  take(): boolean {
    if (this.waitMs > 0) return false;
    this.spend(1);
    return true;
  }

  #fill(): void {
    const now = this.clock.monotonic();
    this.#tokens = Math.min(this.budget.burst, this.#tokens + ((now - this.#at) / 1000) * this.budget.perSecond);
    this.#at = now;
  }
}
