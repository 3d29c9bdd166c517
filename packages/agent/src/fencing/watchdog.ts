// The watchdog as the lease's keeper sees it: something besides the agent that kills fenced containers when the lease runs out and the agent
// does not, because it hangs or is no more. docker-watchdog.ts is the real one.
import type { LeaseWord } from './lease-file.js';

export interface Watchdog {
  /** What it was told last, by this agent or one before it since the machine was booted; undefined: nothing. */
  last(): LeaseWord | undefined;
  /** From now on it goes by this word. Throws where it could not be told; then the one before stands. */
  tell(word: LeaseWord): void;
  /** Resolves when it runs, made anew where it does not. Rejects with RuntimeError, or where the engine does not see the agent's files. */
  ensure(): Promise<void>;
  /** Whether this is its container. */
  is(containerId: string): boolean;
}
