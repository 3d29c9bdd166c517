// What a controller has written itself while it looked at a whole workload: the change that tells of it asks for no further look, as that
// one knew of it. What follows at once from such a write (a pod that is gone with it) is for that look to ask for.
import type { Change } from '@podplane/store/types';

export class OwnWrites {
  /** As the store gave them back; each version of an object is one of its own. */
  readonly #objects = new WeakSet<object>();

  /** Takes what a transaction returned of a write; gives it back. */
  add<T extends object | undefined>(written: T): T {
    if (written !== undefined) this.#objects.add(written);
    return written;
  }

  /** Whether a change tells of such a write. */
  has({ object }: Change): boolean {
    return this.#objects.has(object);
  }
}
