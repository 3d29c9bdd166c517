// Times as metadata carries them.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { timeText } from './metadata.js';

it('says the second of any moment, whatever was asked before', () => {
  const moment = fc.oneof(
    fc.integer({ min: -5000, max: 5000 }),
    fc.integer({ min: 0, max: 4e12 }),
    fc.double({ min: 0, max: 4e12, noNaN: true }),
  );
  fc.assert(
    fc.property(fc.array(moment, { minLength: 1, maxLength: 20 }), (moments) => {
      for (const ms of moments) expect(timeText(ms)).toBe(`${new Date(Math.floor(ms)).toISOString().slice(0, 19)}Z`);
    }),
  );
});

it('refuses what is no time, also after one', () => {
  timeText(0);
  expect(() => timeText(Number.NaN)).toThrow(RangeError);
  expect(() => timeText(Number.POSITIVE_INFINITY)).toThrow(RangeError);
  expect(timeText(0)).toBe('1970-01-01T00:00:00Z');
});
