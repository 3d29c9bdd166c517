import { expect, it } from 'vitest';
import { Ages } from './ages.js';

it('trusts the wall clock once, and never into the future', () => {
  const ages = new Ages();
  expect(ages.of('a', 1000, 5000, 100)).toBe(4000);
  // Set back by a day, then ahead by a day.
  expect(ages.of('a', 1000, 5000 - 86_400_000, 200)).toBe(4100);
  expect(ages.of('a', 1000, 5000 + 86_400_000, 300)).toBe(4200);
  // Another machine's clock is ahead.
  expect(ages.of('b', 9_000_000, 5000, 300)).toBe(0);
  expect(ages.of('b', 9_000_000, 5000, 900)).toBe(600);
  // It happened again.
  expect(ages.of('a', 4000, 5000, 400)).toBe(1000);
});

it('forgets what nobody asks about', () => {
  const ages = new Ages();
  expect(ages.of('a', 1000, 5000, 0)).toBe(4000);
  expect(ages.of('b', 1000, 5000, 3_600_000)).toBe(4000);
  // Of the newer clock now.
  expect(ages.of('a', 1000, 6000, 3_600_001)).toBe(5000);
});
