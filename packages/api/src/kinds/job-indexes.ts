// Sets of indexes as jobs write them: "0,2-4". Kept as ranges, so that what a set costs is its text and not its size.

const PART = /^(\d{1,10})(?:-(\d{1,10}))?$/;

/** Numbers from 0 on. */
export class IndexSet implements Iterable<number> {
  /** First and last numbers of its ranges, rising; between two ranges at least one number is missing. */
  readonly #first: number[] = [];
  readonly #last: number[] = [];
  #size = 0;

  static of(indexes: Iterable<number>): IndexSet {
    const set = new IndexSet();
    for (const index of indexes) set.add(index);
    return set;
  }

  /** The indexes of a text, each below limit; undefined where it is no such text, or not in rising order. */
  static parse(text: string, limit: number): IndexSet | undefined {
    const set = new IndexSet();
    let before = -1;
    if (text === '') return set;
    for (const part of text.split(',')) {
      const match = PART.exec(part);
      if (match === null) return undefined;
      const from = Number(match[1]);
      const to = match[2] === undefined ? from : Number(match[2]);
      if (from <= before || to < from || to >= limit) return undefined;
      if (from === before + 1 && set.#last.length > 0) set.#last[set.#last.length - 1] = to;
      else {
        set.#first.push(from);
        set.#last.push(to);
      }
      set.#size += to - from + 1;
      before = to;
    }
    return set;
  }

  /** Those of a text that are below limit: what a status said of a job that has shrunk since. None where it is no such text. */
  static below(text: string, limit: number): IndexSet {
    const all = IndexSet.parse(text, Number.MAX_SAFE_INTEGER) ?? new IndexSet();
    const set = new IndexSet();
    for (const [i, first] of all.#first.entries()) {
      if (first >= limit) break;
      const last = Math.min(all.#last[i] ?? first, limit - 1);
      set.#first.push(first);
      set.#last.push(last);
      set.#size += last - first + 1;
    }
    return set;
  }

  get size(): number {
    return this.#size;
  }

  /** The first range that ends at or after a number. */
  #at(index: number): number {
    let [low, high] = [0, this.#last.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#last[middle] ?? 0) < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  has(index: number): boolean {
    const at = this.#at(index);
    return at < this.#first.length && (this.#first[at] ?? 0) <= index;
  }

  add(index: number): void {
    const at = this.#at(index);
    if (at < this.#first.length && (this.#first[at] ?? 0) <= index) return;
    this.#size++;
    const afterOne = at > 0 && this.#last[at - 1] === index - 1;
    const beforeOne = this.#first[at] === index + 1;
    if (afterOne && beforeOne) {
      this.#last.splice(at - 1, 1);
      this.#first.splice(at, 1);
    } else if (afterOne) this.#last[at - 1] = index;
    else if (beforeOne) this.#first[at] = index;
    else {
      this.#first.splice(at, 0, index);
      this.#last.splice(at, 0, index);
    }
  }

  /** How many numbers are in both. */
  common(other: IndexSet): number {
    let [i, j, count] = [0, 0, 0];
    while (i < this.#first.length && j < other.#first.length) {
      const [a, b] = [this.#last[i] ?? 0, other.#last[j] ?? 0];
      count += Math.max(0, Math.min(a, b) - Math.max(this.#first[i] ?? 0, other.#first[j] ?? 0) + 1);
      if (a <= b) i++;
      else j++;
    }
    return count;
  }

  /** The first number that is in both; undefined: none is. */
  firstCommon(other: IndexSet): number | undefined {
    let [i, j] = [0, 0];
    for (;;) {
      const [a, b] = [this.#first[i], other.#first[j]];
      const [aLast, bLast] = [this.#last[i], other.#last[j]];
      if (a === undefined || aLast === undefined || b === undefined || bLast === undefined) return undefined;
      if (a <= bLast && b <= aLast) return Math.max(a, b);
      if (aLast < bLast) i++;
      else j++;
    }
  }

  /** Those that are not in it, below limit, rising. */
  *missing(limit: number): Generator<number> {
    let next = 0;
    for (let i = 0; i <= this.#first.length; i++) {
      const end = Math.min(limit, this.#first[i] ?? limit);
      for (; next < end; next++) yield next;
      next = (this.#last[i] ?? next) + 1;
    }
  }

  *[Symbol.iterator](): Generator<number> {
    for (const [i, first] of this.#first.entries()) for (let index = first; index <= (this.#last[i] ?? first); index++) yield index;
  }

  /** "0,2-4": runs of three and more as ranges, two as two numbers, as Kubernetes writes them. */
  toString(): string {
    return this.#first
      .map((first, i) => {
        const last = this.#last[i] ?? first;
        return first === last ? String(first) : `${first}${last === first + 1 ? ',' : '-'}${last}`;
      })
      .join(',');
  }
}

const NUMBER = /^[+-]?\d+$/;

/** What is wrong with a text of indexes that shall be below limit, in Kubernetes' words; undefined: nothing. */
export function indexesProblem(text: string, limit: number): string | undefined {
  if (text === '') return undefined;
  let before: number | undefined;
  for (const part of text.split(',')) {
    const ends = part.split('-');
    if (ends.length > 2)
      return `the fragment ${JSON.stringify(part)} violates the requirement that an index interval can have at most two parts separated by '-'`;
    for (const end of ends) {
      if (!NUMBER.test(end)) return `cannot convert string to integer for index: ${JSON.stringify(end)}`;
      if (Number(end) >= limit) return `too large index: ${JSON.stringify(end)}`;
    }
    const [first = 0, last = first] = ends.map(Number);
    if (ends.length === 2 && first >= last) return `non-increasing order, previous: ${first}, current: ${last}`;
    if (before !== undefined && before >= first) return `non-increasing order, previous: ${before}, current: ${first}`;
    before = last;
  }
  return undefined;
}
