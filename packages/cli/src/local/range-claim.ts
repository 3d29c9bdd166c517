// Claims of address ranges among `up` commands of one machine: two that start at once see the same networks, would choose the same range, and the nodes
// of the second would never get theirs. Which range is free otherwise is free-range.ts' business.
import { createServer } from 'node:net';
import { freeRange } from './free-range.js';

export interface RangeClaim extends Disposable {
  readonly range: string;
}

/**
 * Claims a range for as long as this process lives, or until it is disposed of. undefined: another process has it. The claim is an abstract socket:
 * the kernel gives a name to one process of a network namespace, and takes it back however that process ends.
 */
export function claimRange(range: string): Promise<RangeClaim | undefined> {
  const server = createServer((socket) => socket.destroy()).unref();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error)));
    server.listen(`\0podplane-range-${range}`, () => resolve({ range, [Symbol.dispose]: () => void server.close() }));
  });
}

/** A range that somebody chose: claimed where nobody has it, and used either way. */
export async function claimChosenRange(range: string): Promise<RangeClaim> {
  return (await claimRange(range)) ?? { range, [Symbol.dispose]: () => {} };
}

/** Claims the first range that overlaps none of those in use and that nobody has claimed. Rejects with a CliError where there is none. */
export async function claimFreeRange(used: () => Promise<readonly string[]>): Promise<RangeClaim> {
  const refused: string[] = [];
  for (;;) {
    const range = freeRange([...(await used()), ...refused]);
    const claim = await claimRange(range);
    // Who had it a moment ago may have ended, and left its networks: they are asked for again.
    if (claim !== undefined && freeRange([...(await used()), ...refused]) === range) return claim;
    claim?.[Symbol.dispose]();
    if (claim === undefined) refused.push(range);
  }
}
