// How V8 collects the memory of byte buffers in this process. What is carried in them is not here.
import { setFlagsFromString } from 'node:v8';

/**
 * By default V8 collects the young generation when there are 128 MiB of young buffers, and the whole heap after each 64 MiB of buffers of
 * any age: the first never comes to pass, and a process that carries bytes collected its whole heap each 10 to 20 MB of them, which was
 * half of the CPU time of `cp` and `port-forward`. Buffers here live for milliseconds, and a young collection takes half of one.
 */
const FLAGS = [
  // Young buffers of four times so many MiB start a collection of the young generation.
  '--scavenger-max-new-space-capacity-mb=2',
  // What is left of them counts as any other memory, and has no limit of its own.
  '--external-memory-accounted-in-global-limit',
];

/** The V8 that knows the flags, Node 24's; others would print that they do not. Moves on with the Node that the project brings. */
const KNOWN_TO = '13.';

/** Called once, at the start of a process. */
export function collectBuffersYoung(): void {
  if (process.versions.v8.startsWith(KNOWN_TO)) for (const flag of FLAGS) setFlagsFromString(flag);
}
