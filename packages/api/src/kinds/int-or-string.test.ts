import fc from 'fast-check';
import { expect, test } from 'vitest';
import { percentOf, scaledValue } from './int-or-string.js';

test.each([
  [3, 10, 'up', 3],
  [0, 10, 'up', 0],
  ['25%', 10, 'up', 3],
  ['25%', 10, 'down', 2],
  ['0%', 10, 'up', 0],
  ['100%', 10, 'down', 10],
  ['150%', 10, 'up', 15],
  ['25%', 0, 'up', 0],
  ['25', 10, 'up', undefined],
  ['x%', 10, 'up', undefined],
  [undefined, 10, 'up', undefined],
  [null, 10, 'up', undefined],
  ['-5%', 10, 'up', undefined],
] as const)('%j of %d, rounded %s, is %s', (value, total, round, expected) => {
  expect(scaledValue(value, total, round)).toBe(expected);
});

test('rounding up is at most one more than rounding down, and as much where it comes out even', () => {
  fc.assert(
    fc.property(fc.nat(200), fc.nat(5000), (percent, total) => {
      const up = scaledValue(`${percent}%`, total, 'up') ?? Number.NaN;
      const down = scaledValue(`${percent}%`, total, 'down') ?? Number.NaN;
      expect(up - down).toBe((percent * total) % 100 === 0 ? 0 : 1);
      expect(percentOf(`${percent}%`)).toBe(percent);
    }),
  );
});
