// Why one reconcile writes: what its reconciler says, what asked for its key, and, where nothing is said, how the objects stand. The words that
// nobody has said are made when something is written, not before.
import type { Obj } from '@podplane/api/kinds/kind-map';
import type { Cause, Change, Key } from '@podplane/store/types';
import { nameOf, namespaceOf, uidOf } from '../shared/objects.js';
import type { Trigger } from './queue.js';
import { standingWords } from './status-words.js';

const keyOf = (kind: string, object: Obj): Key => ({ kind: kind as Key['kind'], namespace: namespaceOf(object), name: nameOf(object) });

/** The cause of a reconcile's transaction, while it is found out. */
export class Reasons implements Cause {
  readonly actor: string;
  readonly #key: string;
  readonly #trigger: Trigger | undefined;
  #said: string | undefined;
  #wish: Obj | Key | undefined;
  /** By uid. */
  #own: Map<string, string> | undefined;

  constructor(actor: string, key: string, trigger: Trigger | undefined) {
    this.actor = actor;
    this.#key = key;
    this.#trigger = trigger;
  }

  readonly because = (reason: string, of?: Obj | Key): void => {
    this.#said = reason;
    this.#wish = of;
  };

  readonly becauseFor = (object: Obj, reason: string): void => {
    this.#own ??= new Map();
    this.#own.set(uidOf(object), reason);
  };

  get reason(): string {
    return this.#said ?? `reconcile ${this.#key}`;
  }

  // A getter that gives undefined says the same as none.
  get becauseOf(): number | undefined {
    return this.#wish === undefined ? this.#trigger?.revision : undefined;
  }

  get of(): Key | undefined {
    const wish = this.#wish;
    if (wish !== undefined) return 'name' in wish ? wish : keyOf(wish.kind, wish);
    return this.#trigger === undefined ? undefined : keyOf(this.#trigger.change.kind, this.#trigger.change.object);
  }

  readonly about = (change: Change): string | undefined =>
    this.#own?.get(uidOf(change.object)) ?? (this.#said === undefined ? standingWords(change) : undefined);
}
