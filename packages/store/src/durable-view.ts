// Reads of the durable state while the head runs ahead: over each object with a transaction in the journal's hands lies what it was before. Costs nothing when there is none.
import type { Kind } from '@podplane/api/kinds/kind-map';
import { idOf, nameOf, namespaceOf } from './object.js';
import { type OverlayEntry, OverlayView } from './overlay.js';
import type { Change } from './types.js';

interface Entry extends OverlayEntry {
  /** Newest revision that changed it; durable from there on, the entry is not needed. */
  newest: number;
}

export class DurableView extends OverlayView<Entry> {
  #revision = 0;

  get revision(): number {
    return this.#revision;
  }

  /** A transaction has changed the head and is not durable yet. */
  hold(revision: number, changes: readonly Change[]): void {
    for (const { kind, object, previous, type } of changes) {
      const namespace = namespaceOf(object);
      const name = nameOf(object);
      const entry = this.entry(kind, namespace, name);
      if (entry !== undefined) entry.newest = revision;
      else this.setEntry(kind, { namespace, name, object: type === 'added' ? undefined : previous, newest: revision });
    }
  }

  /** A transaction, the oldest that was held, has become durable. */
  release(revision: number, changes: readonly Change[]): void {
    this.#revision = revision;
    for (const { kind, object, type } of changes) {
      const entry = this.entry(kind, namespaceOf(object), nameOf(object));
      if (entry === undefined) continue;
      if (entry.newest <= revision) this.#drop(kind, entry);
      else entry.object = type === 'deleted' ? undefined : object;
    }
  }

  #drop(kind: Kind, entry: Entry): void {
    this.entries.get(kind)?.delete(idOf(entry.namespace, entry.name));
  }

  /** The head itself is durable up to this revision. */
  reset(revision: number): void {
    this.entries.clear();
    this.#revision = revision;
  }
}
