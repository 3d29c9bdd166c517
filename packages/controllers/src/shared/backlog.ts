// Objects that a controller has still to see to, many: found once, then taken in bursts, so that a burst costs what is in it. What was lost of
// them is for the controller to notice: it looks at all again when this is empty and something is left.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import type { ReadView } from '@podplane/store/types';
import type { Dependent } from './kinds.js';
import { nameOf, namespaceOf, uidOf } from './objects.js';

interface Place {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export class Backlog {
  readonly #places: Place[] = [];
  #head = 0;

  /** How many there are, those included that have gone meanwhile. */
  get size(): number {
    return this.#places.length - this.#head;
  }

  add(kind: Kind, object: Obj): void {
    this.#places.push({ kind, namespace: namespaceOf(object), name: nameOf(object), uid: uidOf(object) });
  }

  /** The first one that is still there, as it is now; it stays. Forgets those before it. */
  first(view: ReadView): Dependent | undefined {
    for (; this.#head < this.#places.length; this.#head++) {
      const found = this.#at(view, this.#head);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Forgets the first one. */
  drop(): void {
    this.#head++;
  }

  /** Up to count of the first, as they are now; they are forgotten. */
  take(view: ReadView, count: number): Dependent[] {
    const taken: Dependent[] = [];
    for (; this.#head < this.#places.length && taken.length < count; this.#head++) {
      const found = this.#at(view, this.#head);
      if (found !== undefined) taken.push(found);
    }
    return taken;
  }

  #at(view: ReadView, at: number): Dependent | undefined {
    const place = this.#places[at];
    if (place === undefined) return undefined;
    const object = view.get(place.kind, place.namespace, place.name);
    return object !== undefined && uidOf(object) === place.uid ? { kind: place.kind, object } : undefined;
  }
}
