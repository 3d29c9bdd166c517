// A store of its own that begins with the objects of another: for trying what would happen. Nothing of it is kept anywhere, and nothing goes
// back. The objects themselves are shared, as they are frozen. Who tries what is the server's business.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import type { System } from '@podplane/api/system';
import type { AnyObject, Codecs } from './object.js';
import type { LoadedObject } from './recovery.js';
import { ObjectStore } from './store.js';
import type { Journal, Recovered } from './types.js';

/** Keeps nothing, at once. */
class NoJournal implements Journal {
  constructor(private readonly recovered: Recovered) {}

  recover(): Promise<Recovered> {
    return Promise.resolve(this.recovered);
  }

  append(): Promise<void> {
    return Promise.resolve();
  }

  causes(): readonly [] {
    return [];
  }

  causesAt(): readonly [] {
    return [];
  }

  decisiveCause(): undefined {
    return undefined;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A copy of a state that lives on its own, by another clock. kinds: those that are copied. Close it when done. */
export function forkStore(
  view: { readonly revision: number; list<K extends Kind>(kind: K): Iterable<Obj<K>> },
  kinds: readonly Kind[],
  options: { readonly system: System; readonly codecs: Codecs },
): ObjectStore {
  const objects: LoadedObject[] = [];
  for (const kind of kinds) for (const object of view.list(kind)) objects.push({ kind, object: object as AnyObject });
  const recovered: Recovered = { revision: view.revision, objects: [], history: [], meta: new Map() };
  return new ObjectStore({ ...options, journal: new NoJournal(recovered) }, recovered, objects);
}
