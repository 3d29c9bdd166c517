// The outside world as the project sees it: time, timers, randomness. Everything that needs one of them takes it from here by
// injection, so that tests and the simulation can replace all of it. Nothing else in the project may call Date.now, setTimeout or
// Math.random directly (process entry points and tests apart).
import { randomFillSync, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Reads time. */
export interface Clock {
  /** Wall clock, ms since 1970. May jump; only for what people read (timestamps in objects). */
  now(): number;
  /** Ms since some fixed moment; never goes back, counts suspend. For deadlines and durations. */
  monotonic(): number;
}

export interface Timer {
  cancel(): void;
}

export interface Timers {
  /** Runs fn once after ms. A pending timer keeps the process alive unless background is set. */
  after(ms: number, fn: () => void, options?: { readonly background?: boolean }): Timer;
  /** Runs fn in a turn of its own, soon. */
  soon(fn: () => void): void;
}

export interface Random {
  /** In [0, 1). */
  next(): number;
  /** A UUID. */
  uid(): string;
  /** Letters and digits that make no words, as in generated names (Kubernetes: bcdfghjklmnpqrstvwxz2456789). */
  suffix(length: number): string;
}

export interface System {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
}

const SUFFIX_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';

/** length characters of the alphabet of generated names, from a source of numbers in [0, 1). */
export function suffixFrom(next: () => number, length: number): string {
  let out = '';
  for (let i = 0; i < length; i++) out += SUFFIX_ALPHABET[Math.floor(next() * SUFFIX_ALPHABET.length)];
  return out;
}

/** Milliseconds since boot, suspend included (hrtime stops while a machine sleeps, /proc/uptime does not). */
function bootMillis(): number {
  const text = readFileSync('/proc/uptime', 'latin1');
  return Math.round(Number.parseFloat(text) * 1000);
}

const hrMillis = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;

/**
 * The machine's own time since it booted as CLOCK_BOOTTIME gives it, in ms, looked at in each call: the same number in every process of
 * the machine, never too late, exact to 10 ms. For leases; for all else Clock.monotonic is cheaper.
 */
export function suspendCountingClock(): () => number {
  return () => {
    const fine = Math.floor(hrMillis());
    try {
      // Less than hrtime it can only be where somebody shows the uptime of a container in place of the machine's (lxcfs).
      const boot = bootMillis();
      return boot < fine - BOOT_ROUNDING_MS ? fine : boot;
    } catch {
      return fine; // not Linux: suspend is not counted
    }
  };
}

/** /proc/uptime has hundredths of a second. */
const BOOT_ROUNDING_MS = 20;

// hrtime is finer and cheaper than /proc/uptime; what it misses while the machine sleeps is added from /proc/uptime, looked at
// no more often than once in this many ms.
const SUSPEND_CHECK_MS = 500;

function monotonicClock(): () => number {
  const fine = hrMillis;
  let boot: number;
  try {
    boot = bootMillis();
  } catch {
    return fine; // not Linux: suspend is not counted
  }
  const start = fine();
  let slept = 0;
  let checkedAt = start;
  return () => {
    const at = fine();
    if (at - checkedAt >= SUSPEND_CHECK_MS) {
      checkedAt = at;
      const missed = bootMillis() - boot - (at - start) - slept;
      if (missed > SUSPEND_CHECK_MS) slept += missed; // below: rounding of /proc/uptime (10 ms)
    }
    return at + slept;
  };
}

/** Numbers in [0, 1) of the operating system's randomness, taken by the page: a call for each costs more than making a pod's name. */
function randomNumbers(): () => number {
  const page = new Uint32Array(1024);
  let used = page.length;
  return () => {
    if (used === page.length) {
      randomFillSync(page);
      used = 0;
    }
    const value = page[used] ?? 0;
    page[used++] = 0; // nobody finds it here again
    return value / 2 ** 32;
  };
}

/** The real world. One for each process, made at its entry point. */
export function realSystem(): System {
  const monotonic = monotonicClock();
  const next = randomNumbers();
  return {
    clock: { now: () => Date.now(), monotonic },
    timers: {
      after(ms, fn, options) {
        const timer = setTimeout(fn, ms);
        if (options?.background) timer.unref();
        return { cancel: () => clearTimeout(timer) };
      },
      soon(fn) {
        setImmediate(fn);
      },
    },
    random: { next, uid: () => randomUUID(), suffix: (length) => suffixFrom(next, length) },
  };
}
