// Chances, from one stream of numbers.

export class Dice {
  constructor(private readonly next: () => number) {}

  /** In [0, 1). */
  number(): number {
    return this.next();
  }

  /** Whole, from least to most, both included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  chance(of: number): boolean {
    return this.next() < of;
  }

  pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.next() * list.length)];
  }

  /** One of the keys, each as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      left -= weight;
      if (left < 0) return key;
    }
    const [last] = entries.at(-1) ?? [];
    if (last === undefined) throw new RangeError('nothing to choose from');
    return last;
  }

  /** Ms until something that happens every so often on average (exponential). */
  wait(meanMs: number): number {
    return -Math.log(1 - this.next()) * meanMs;
  }
}
