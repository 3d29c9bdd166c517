// Keys to look at: each at most once, in order of priority, some later, failing ones ever later. Who looks at them is in pump.ts.
// It reads no clock: every moment is an argument, ms, monotonic.

import type { Change } from '@podplane/store/types';

export type Priority = 'high' | 'normal' | 'low';

/** A change that asks for a key. */
export interface Trigger {
  readonly revision: number;
  readonly change: Change;
  /**
   * own       who looks at the key wrote it
   * report    how things are
   * decision  somebody wants, made or ended something
   */
  readonly weight: 'own' | 'report' | 'decision';
}

const WEIGHTS: Readonly<Record<Trigger['weight'], number>> = { own: 0, report: 1, decision: 2 };

/** The weightier of two that ask for the same key; of equals the newer. */
function weightier(a: Trigger | undefined, b: Trigger | undefined): Trigger | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  const more = WEIGHTS[a.weight] - WEIGHTS[b.weight] || a.revision - b.revision;
  return more > 0 ? a : b;
}

const RANK: Readonly<Record<Priority, number>> = { high: 0, normal: 1, low: 2 };
const LEVELS = 3;

export interface QueueLimits {
  /** Back-off after the first failure; doubles with each further one. */
  readonly firstBackoffMs: number;
  readonly maxBackoffMs: number;
}

export const defaultQueueLimits: QueueLimits = { firstBackoffMs: 5, maxBackoffMs: 30_000 };

interface Waiting {
  rank: number;
  trigger: Trigger | undefined;
}

export interface Taken {
  readonly key: string;
  /** The weightiest of the changes that asked for the key since it was taken last, the newest of these. */
  readonly trigger: Trigger | undefined;
}

interface Later {
  readonly key: string;
  readonly at: number;
  readonly order: number;
  trigger: Trigger | undefined;
}

export class WorkQueue {
  readonly #limits: QueueLimits;
  readonly #waiting = new Map<string, Waiting>();
  /** One line a priority. A key that was promoted leaves a hole in its old line. */
  readonly #lines: string[][] = Array.from({ length: LEVELS }, () => []);
  readonly #heads: number[] = Array.from({ length: LEVELS }, () => 0);
  /** The deadline that counts for each delayed key; entries of #later that differ are outdated. */
  readonly #deadlines = new Map<string, Later>();
  readonly #later: Later[] = [];
  readonly #failures = new Map<string, number>();
  #order = 0;

  constructor(limits: QueueLimits = defaultQueueLimits) {
    this.#limits = limits;
  }

  /** Keys that are due. */
  get size(): number {
    return this.#waiting.size;
  }

  /** Keys that are to come later. */
  get delayed(): number {
    return this.#deadlines.size;
  }

  /** Due now. Added again while it waits: once, at the higher of the priorities. */
  add(key: string, priority: Priority = 'normal', trigger?: Trigger): void {
    const rank = RANK[priority];
    const known = this.#waiting.get(key);
    if (known !== undefined) {
      known.trigger = weightier(known.trigger, trigger);
      if (known.rank <= rank) return;
      known.rank = rank;
    } else {
      this.#waiting.set(key, { rank, trigger });
    }
    this.#lines[rank]?.push(key);
  }

  /** Due at a moment; of two deadlines the earlier counts. */
  addAt(key: string, at: number, trigger?: Trigger): void {
    const known = this.#deadlines.get(key);
    if (known !== undefined && known.at <= at) {
      known.trigger = weightier(known.trigger, trigger);
      return;
    }
    const later = { key, at, order: this.#order++, trigger: weightier(known?.trigger, trigger) };
    this.#deadlines.set(key, later);
    this.#push(later);
  }

  /** It failed: due after its back-off, which is returned in ms. */
  addFailed(key: string, now: number, trigger?: Trigger): number {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    const delay = Math.min(this.#limits.maxBackoffMs, this.#limits.firstBackoffMs * 2 ** Math.min(failures, 40));
    this.addAt(key, now + delay, trigger);
    return delay;
  }

  /** It went well: the next failure starts with the shortest back-off again. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** The next key that is due. */
  take(now: number): Taken | undefined {
    this.#mature(now);
    // Asked far more often than there is anything: each change makes the pump ask the queue of every controller.
    if (this.#waiting.size === 0) return undefined;
    for (let rank = 0; rank < LEVELS; rank++) {
      const line = this.#lines[rank] ?? [];
      let head = this.#heads[rank] ?? 0;
      while (head < line.length) {
        const key = line[head++] ?? '';
        const waiting = this.#waiting.get(key);
        if (waiting?.rank !== rank) continue;
        this.#waiting.delete(key);
        this.#trim(rank, head);
        return { key, trigger: waiting.trigger };
      }
      this.#trim(rank, head);
    }
    return undefined;
  }

  /** When the first delayed key becomes due. */
  nextAt(): number | undefined {
    for (let first = this.#later[0]; first !== undefined; first = this.#later[0]) {
      if (this.#deadlines.get(first.key) === first) return first.at;
      this.#popLater();
    }
    return undefined;
  }

  clear(): void {
    this.#waiting.clear();
    for (const line of this.#lines) line.length = 0;
    this.#heads.fill(0);
    this.#deadlines.clear();
    this.#later.length = 0;
    this.#failures.clear();
  }

  #mature(now: number): void {
    for (let first = this.#later[0]; first !== undefined; first = this.#later[0]) {
      const current = this.#deadlines.get(first.key) === first;
      if (current && first.at > now) return;
      this.#popLater();
      if (!current) continue;
      this.#deadlines.delete(first.key);
      this.add(first.key, 'normal', first.trigger);
    }
  }

  // A long line is cut only when half of it is behind us, so that taking stays cheap.
  #trim(rank: number, head: number): void {
    const line = this.#lines[rank];
    if (line === undefined) return;
    if (head >= line.length) {
      line.length = 0;
      this.#heads[rank] = 0;
    } else if (head > 1024 && head * 2 > line.length) {
      line.splice(0, head);
      this.#heads[rank] = 0;
    } else {
      this.#heads[rank] = head;
    }
  }

  #push(later: Later): void {
    const heap = this.#later;
    let i = heap.length;
    heap.push(later);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const other = heap[parent];
      if (other === undefined || !before(later, other)) break;
      heap[i] = other;
      i = parent;
    }
    heap[i] = later;
  }

  #popLater(): void {
    const heap = this.#later;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let i = 0;
    for (;;) {
      const left = heap[2 * i + 1];
      if (left === undefined) break;
      const right = heap[2 * i + 2];
      const [child, at] = right !== undefined && before(right, left) ? [right, 2 * i + 2] : [left, 2 * i + 1];
      if (!before(child, last)) break;
      heap[i] = child;
      i = at;
    }
    heap[i] = last;
  }
}

const before = (a: Later, b: Later): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
