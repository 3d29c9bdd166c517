// How long ago something happened of which an object says the wall-clock time. That clock may be another machine's, and may be set: it counts
// once, when a moment is seen for the first time, and never as more than nothing ahead of us. From then on time is monotonic.
// Losing this memory (a restart) costs time, never correctness.

/** Moments that nobody asked about for so long are forgotten, ms. */
const FORGET_MS = 3_600_000;

interface Moment {
  readonly at: number;
  /** Monotonic. */
  readonly since: number;
  asked: number;
}

export class Ages {
  readonly #moments = new Map<string, Moment>();
  #swept = 0;

  /** Ms since a moment. key: what happened; at: wall clock when, ms since 1970; now, monotonic: of this transaction. */
  of(key: string, at: number, now: number, monotonic: number): number {
    this.#sweep(monotonic);
    let moment = this.#moments.get(key);
    if (moment === undefined || moment.at !== at) {
      moment = { at, since: monotonic - Math.max(0, now - at), asked: monotonic };
      this.#moments.set(key, moment);
    }
    moment.asked = monotonic;
    return monotonic - moment.since;
  }

  #sweep(monotonic: number): void {
    if (monotonic - this.#swept < FORGET_MS) return;
    this.#swept = monotonic;
    for (const [key, { asked }] of this.#moments) if (monotonic - asked >= FORGET_MS) this.#moments.delete(key);
  }
}
