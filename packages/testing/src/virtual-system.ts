// A world under control: a clock that moves only when told, timers that fire in order of their time, randomness from a seed. What runs on
// it (server core, sessions, agents with the fake runtime) behaves the same for the same seed. Real I/O must not take part.
import { setFlagsFromString } from 'node:v8';
import { compileFunction } from 'node:vm';
import { type System, suffixFrom, type Timer } from '@podplane/api/system';

/** Hundreds of thousands of them are made each simulated hour, so a timer is one object here, not one with a closure beside it. */
class Pending implements Timer {
  cancelled = false;

  constructor(
    readonly at: number,
    readonly order: number,
    readonly fn: () => void,
  ) {}

  cancel(): void {
    this.cancelled = true;
  }
}

/** Small, fast, good enough for tests (xorshift32 with a mixed seed). */
export function seededNumbers(seed: number): () => number {
  let state = (Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ 0xc2b2ae35) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}

/** Callbacks in one turn of the real loop, so that signals and messages from outside get theirs. */
const FIRED_A_TURN = 10_000;

// 2026-01-01T00:00:00Z: runs start there so that printed times are the same in every run.
const EPOCH_MS = Date.UTC(2026, 0, 1);

export class VirtualSystem implements System {
  readonly clock = { now: (): number => EPOCH_MS + this.skewMs + Math.floor(this.time), monotonic: (): number => this.time };
  readonly timers = {
    after: (ms: number, fn: () => void): Timer => this.schedule(Math.max(0, ms), fn),
    soon: (fn: () => void): void => {
      this.schedule(0, fn);
    },
  };
  readonly random: { next(): number; uid(): string; suffix(length: number): string };
  private readonly heap: Pending[] = [];
  private time = 0;
  private order = 0;
  private skewMs = 0;
  /** How many callbacks have run. */
  fired = 0;

  constructor(readonly seed: number = 1) {
    const next = seededNumbers(seed);
    const hex = (digits: number): string => {
      let out = '';
      for (let i = 0; i < digits; i++) out += Math.floor(next() * 16).toString(16);
      return out;
    };
    this.random = {
      next,
      uid: () => `${hex(8)}-${hex(4)}-4${hex(3)}-a${hex(3)}-${hex(12)}`,
      suffix: (length) => suffixFrom(next, length),
    };
  }

  /** Ms since the start of this world. */
  get elapsed(): number {
    return this.time;
  }

  /** Steps the wall clock (only); negative sets it back. */
  stepWallClock(ms: number): void {
    this.skewMs += ms;
  }

  /** Runs everything that is due within ms from now, in order, with promises settled in between. Stops early when until says so. */
  async advance(ms: number, until?: () => boolean): Promise<boolean> {
    const end = this.time + ms;
    for (;;) {
      const done = await this.turn(end, until);
      if (done !== undefined) return done;
    }
  }

  /** A part of an advance, within one turn of the real loop; undefined: there is more. */
  private turn(end: number, until: (() => boolean) | undefined): Promise<boolean | undefined> {
    return new Promise((resolve, reject) => {
      // What the caller's own promises have started is settled by then.
      setImmediate(() => {
        try {
          resolve(this.fire(end, until));
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
  }

  private fire(end: number, until: (() => boolean) | undefined): boolean | undefined {
    for (let left = settle === undefined ? 1 : FIRED_A_TURN; left > 0; ) {
      if (until?.()) return true;
      const next = this.heap[0];
      if (next === undefined || next.at > end) {
        this.time = end;
        return until?.() ?? false;
      }
      this.pop();
      if (next.cancelled) continue;
      this.time = Math.max(this.time, next.at);
      this.fired++;
      next.fn();
      settle?.();
      left--;
    }
    return undefined;
  }

  private schedule(ms: number, fn: () => void): Timer {
    const pending = new Pending(this.time + ms, this.order++, fn);
    this.push(pending);
    return pending;
  }

  private push(item: Pending): void {
    const heap = this.heap;
    let i = heap.length;
    heap.push(item);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !before(item, above)) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = item;
  }

  private pop(): void {
    const heap = this.heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      const left = heap[child];
      if (left === undefined) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, left)) child++;
      const least = heap[child];
      if (least === undefined || !before(least, last)) break;
      heap[i] = least;
      i = child;
    }
    heap[i] = last;
  }
}

function before(a: Pending, b: Pending): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/**
 * Runs the promise chains that a callback has started to their end, however long they are: V8's own microtask checkpoint, for a turn of
 * the real loop after each callback (which does the same where this is not to be had) costs ten times as much.
 */
const settle = microtaskCheckpoint();

function microtaskCheckpoint(): (() => void) | undefined {
  try {
    setFlagsFromString('--allow-natives-syntax');
    return compileFunction('%PerformMicrotaskCheckpoint()') as () => void;
  } catch {
    return undefined;
  }
}
