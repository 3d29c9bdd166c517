// A binary heap: the least element first. Nothing of the scheduler is in it.

export class Heap<T> {
  readonly #items: T[] = [];
  readonly #order: (a: T, b: T) => number;

  /** order: negative where a comes before b. */
  constructor(order: (a: T, b: T) => number) {
    this.#order = order;
  }

  get size(): number {
    return this.#items.length;
  }

  peek(): T | undefined {
    return this.#items[0];
  }

  push(item: T): void {
    const items = this.#items;
    let i = items.length;
    items.push(item);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const other = items[parent] as T;
      if (this.#order(item, other) >= 0) break;
      items[i] = other;
      i = parent;
    }
    items[i] = item;
  }

  pop(): T | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (items.length === 0 || last === undefined) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && this.#order(items[child + 1] as T, items[child] as T) < 0) child++;
      const other = items[child] as T;
      if (this.#order(last, other) <= 0) break;
      items[i] = other;
      i = child;
    }
    items[i] = last;
    return top;
  }
}
