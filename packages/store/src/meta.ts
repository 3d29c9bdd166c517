// Values that outlive restarts and are no objects. Kept in memory at the head; made durable through the same journal, in order with the transactions.
import type { MetaTable } from './types.js';

/** Hands one change to the journal; resolves when it is durable. */
export type MetaWriter = (key: string, value: string | undefined) => Promise<void>;

export class MetaValues implements MetaTable {
  #values: Map<string, string>;
  readonly #write: MetaWriter;

  constructor(values: ReadonlyMap<string, string>, write: MetaWriter) {
    this.#values = new Map(values);
    this.#write = write;
  }

  get(key: string): string | undefined {
    return this.#values.get(key);
  }

  keys(prefix: string): readonly string[] {
    return [...this.#values.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  set(key: string, value: string | undefined): Promise<void> {
    return this.#write(key, value);
  }

  /** The head moves at once, as with objects. */
  apply(key: string, value: string | undefined): void {
    if (value === undefined) this.#values.delete(key);
    else this.#values.set(key, value);
  }

  /** After a recovery: what the journal holds is what there is. */
  reset(values: ReadonlyMap<string, string>): void {
    this.#values = new Map(values);
  }
}
