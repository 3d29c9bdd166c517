// What thousands of decoded objects have in common: strings ("True", the name of an image, the second in which a node reported its pods) and
// whole parts (the containers and conditions of pods of one workload). A decoder makes each of them anew; this keeps one, which takes a pod of
// a ReplicaSet from 6.1 to 1.5 kB. Which objects go through it is up to who decodes them.
import { freezePlain, shareWith } from './plain.js';

/** Longer ones are seldom the same. */
const LONGEST = 128;
/** What no other object has (names, uids, addresses) passes through, too: when so many are known it begins anew. */
const MOST = 8192;

class CommonStrings {
  readonly #known = new Map<string, string>();

  /** An equal string, the same for all that ask soon after each other. */
  of(text: string): string {
    if (text.length > LONGEST) return text;
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (this.#known.size >= MOST) this.#known.clear();
    this.#known.set(text, text);
    return text;
  }

  /** Puts them in place of a message's own, all the way down. Writes into value, which must be the caller's own and not frozen. Returns it. */
  within<T>(value: T): T {
    if (Array.isArray(value)) {
      const items: unknown[] = value;
      for (let i = 0; i < items.length; i++) {
        const item = items[i];
        if (typeof item === 'string') items[i] = this.of(item);
        else if (typeof item === 'object' && item !== null) this.within(item);
      }
    } else if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array)) {
      const fields = value as Record<string, unknown>;
      for (const key in fields) {
        const item = fields[key];
        // A key __proto__ is the message's own field, as every decoder makes it; writing it again keeps it one.
        if (typeof item === 'string') fields[key] = this.of(item);
        else if (typeof item === 'object' && item !== null) this.within(item);
      }
    }
    return value;
  }
}

/** For objects of one kind (or statuses of one), one after the other. */
export class Sharing<T> {
  readonly #strings = new CommonStrings();
  #last: T | undefined;

  /** The value, which must be the caller's own and not frozen, with all parts that equal those of the one before in their place. Frozen. */
  take(value: T): T {
    const shared = freezePlain(shareWith(this.#last, this.#strings.within(value)) as T);
    this.#last = shared;
    return shared;
  }
}

/** For lists whose items are shared already, one after the other. */
export class SharedList<T> {
  #last: readonly T[] = Object.freeze([]);

  /** The list before, where its items are the very same; otherwise a copy that has no room for more, as a list that was grown has. */
  take(items: readonly T[]): readonly T[] {
    const last = this.#last;
    if (last.length === items.length && last.every((item, i) => item === items[i])) return last;
    this.#last = Object.freeze(items.slice());
    return this.#last;
  }
}
