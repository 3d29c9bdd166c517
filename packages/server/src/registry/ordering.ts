// Objects in the order of pages (namespace, then name), only as far as pages have been asked for: a full sort of 50,000 objects would
// hold the process for every list. What pages are is in lists.ts.
import type { Obj } from '@podplane/api/kinds/kind-map';

/** By namespace and name, by code unit. */
export function inOrder(a: Obj, b: Obj): number {
  const left = a.metadata;
  const right = b.metadata;
  return compare(left?.namespace ?? '', right?.namespace ?? '') || compare(left?.name ?? '', right?.name ?? '');
}

function compare(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** Objects of which the first so many are in their places. */
export class Ordered {
  #sorted = 0;
  /**
   * Places behind the sorted ones, the nearest last: what is before such a place is not behind anything after it. All pages together cost
   * one sort so, and not each of them a look at all the rest.
   */
  readonly #bounds: number[];

  /** The array is taken over. random: in [0, 1), so that nobody can choose names that make it slow. */
  constructor(
    readonly objects: Obj[],
    private readonly random: () => number,
  ) {
    this.#bounds = [objects.length];
  }

  /** Brings the first end objects into their places; the first time costs one or two looks at all. */
  upTo(end: number): void {
    const { objects } = this;
    const last = Math.min(end, objects.length);
    if (last <= this.#sorted) return;
    this.#select(last);
    const part = objects.slice(this.#sorted, last).sort(inOrder);
    for (const [i, object] of part.entries()) objects[this.#sorted + i] = object;
    this.#sorted = last;
  }

  /** Moves the smallest of those behind the sorted ones in front of a place. */
  #select(place: number): void {
    const { objects } = this;
    const bounds = this.#bounds;
    let low = this.#sorted;
    for (let next = bounds.at(-1); next !== undefined && next <= place; next = bounds.at(-1)) {
      low = next;
      bounds.pop();
    }
    let high = (bounds.at(-1) ?? low) - 1;
    while (low < high) {
      const pivot = objects[low + Math.floor(this.random() * (high - low + 1))] as Obj; // inside
      let i = low;
      let j = high;
      while (i <= j) {
        while (inOrder(objects[i] as Obj, pivot) < 0) i++; // the pivot stops both
        while (inOrder(objects[j] as Obj, pivot) > 0) j--;
        if (i > j) break;
        const moved = objects[i] as Obj;
        objects[i++] = objects[j] as Obj;
        objects[j--] = moved;
      }
      // [low, j] <= pivot <= [i, high]; between them is the pivot itself.
      if (place > i) low = i;
      else {
        bounds.push(i);
        if (place > j) return;
        high = j;
      }
    }
  }
}
