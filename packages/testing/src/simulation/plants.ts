// Bugs that are put in on purpose, from outside: each wraps something that the product is given anyway. They show that the simulation finds
// such bugs; the product has no switches for them.
import type { Store } from '@podplane/store/types';

export interface Plant {
  readonly name: string;
  /** What is wrong, in a few words. */
  readonly what: string;
  /** What the server gets instead of its store. */
  readonly instead?: (store: Store) => Store;
  /** What agents read instead of their state file. */
  readonly corruptState?: (text: string) => string;
}

export const PLANTS: readonly Plant[] = [];
