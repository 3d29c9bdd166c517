import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import { freeRange } from './free-range.js';
import { claimFreeRange, claimRange } from './range-claim.js';

const nothing = (): Promise<readonly string[]> => Promise.resolve([]);

it('gives a range to one, and to the next when that one is done with it', async () => {
  const range = `test-${randomBytes(6).toString('hex')}`;
  {
    using first = await claimRange(range);
    expect(first?.range).toBe(range);
    expect(await claimRange(range)).toBeUndefined();
  }
  using next = await claimRange(range);
  expect(next?.range).toBe(range);
});

it('gives ranges that do not overlap to many who ask at once and see the same networks', async () => {
  const claims = await Promise.all(Array.from({ length: 5 }, () => claimFreeRange(nothing)));
  try {
    expect(new Set(claims.map(({ range }) => range)).size).toBe(5);
  } finally {
    for (const claim of claims) claim[Symbol.dispose]();
  }
});

it('looks again at what is in use when it has the claim', async () => {
  const first = freeRange([]);
  let asked = 0;
  using claim = await claimFreeRange(() => Promise.resolve(asked++ === 0 ? [] : [first]));
  expect(claim.range).not.toBe(first);
});
