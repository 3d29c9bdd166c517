// Holding back writers that nobody waits for: memory takes changes faster than a disk does, and what is not durable is seen by nobody,
// so a writer far ahead only makes watchers fall off the ring. Who waits for durable(revision) anyway needs none of this.
import type { Store } from './types.js';

/** Changes in the journal's hands from which on writers hold back: about one group of the journal. The ring holds several times as many. */
export const MOST_BACKLOG = 4000;

/** Resolves when there is room for more writes; undefined: there is now. Never rejects: a write tells what became of the store. */
export function roomForWrites(store: Store): Promise<void> | undefined {
  if (store.backlog < MOST_BACKLOG) return undefined;
  // Half of it, so that the journal never waits for writers either.
  const { revision, durableRevision } = store;
  const half = durableRevision + Math.ceil((revision - durableRevision) / 2);
  return store.durable(half).then(undefined, () => undefined);
}
