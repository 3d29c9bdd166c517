// Which range of addresses a new cluster's pods get: Docker refuses networks that overlap, so one is chosen that nothing here uses.
// Asking the engine for its networks is engine.ts' business.
import { CliError } from '../exit-codes.js';

interface Range {
  readonly first: number;
  readonly last: number;
}

/** a.b.c.d/bits; undefined: not IPv4. */
function rangeOf(cidr: string): Range | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr);
  if (match === null) return undefined;
  const [a = 0, b = 0, c = 0, d = 0, bits = 32] = match.slice(1).map(Number);
  if (bits > 32) return undefined;
  const size = 2 ** (32 - bits);
  const address = ((a * 256 + b) * 256 + c) * 256 + d;
  const first = address - (address % size);
  return { first, last: first + size - 1 };
}

// Kubernetes' usual one first, so that the first cluster looks as people know it; then its neighbours, where few others are.
const CANDIDATES = [244, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254, 240, 241, 242, 243].map((second) => `10.${second}.0.0/16`);

/** The first candidate that overlaps none of the ranges in use. Throws a CliError where there is none. */
export function freeRange(used: readonly string[]): string {
  const taken = used.flatMap((cidr) => rangeOf(cidr) ?? []);
  const free = CANDIDATES.find((candidate) => {
    const range = rangeOf(candidate);
    return range !== undefined && taken.every(({ first, last }) => last < range.first || first > range.last);
  });
  if (free !== undefined) return free;
  throw new CliError("no range of addresses for the cluster's pods is free on this machine", {
    advice:
      'Remove Docker networks that nobody needs (docker network ls, docker network prune), or choose a range yourself: --cluster-cidr 10.100.0.0/16',
  });
}
