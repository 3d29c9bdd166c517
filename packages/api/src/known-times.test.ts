// Generated messages remember the times that they saw lately: what they read and write is the same without.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { canonicalTime } from './decode/times.js';
import { ObjectMeta } from './gen/podplane/meta/v1/meta.js';

const NANOS = 1_000_000_000n;

/** RFC 3339 with 3, 6 or 9 digits, or none. */
function textOf(seconds: number, nanos: number): string {
  const digits =
    nanos === 0
      ? ''
      : `.${String(nanos)
          .padStart(9, '0')
          .replace(/(000){1,2}$/, '')}`;
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}${digits}Z`;
}

const seconds = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }));
const nanos = fc.oneof(fc.constantFrom(0, 1, 1000, 1_000_000, 999_999_999), fc.integer({ min: 0, max: Number(NANOS) - 1 }));

const through = (creationTimestamp: string): string | undefined =>
  ObjectMeta.decode(ObjectMeta.encode(ObjectMeta.fromPartial({ creationTimestamp })).finish()).creationTimestamp;

it('reads and writes every time to the nanosecond, whichever came before', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(seconds, nanos), { minLength: 1, maxLength: 20 }), (times) => {
      for (const [second, nano] of times) {
        const text = textOf(second, nano);
        for (let again = 0; again < 2; again++) {
          expect(through(text)).toBe(text);
          if (second >= 0) expect(canonicalTime(text)).toBe(text);
        }
      }
    }),
  );
});

it('reads other zones and fractions as the same moment, each time', () => {
  for (let again = 0; again < 2; again++) {
    expect(through('2026-01-31T13:00:00+01:00')).toBe('2026-01-31T12:00:00Z');
    expect(canonicalTime('2026-01-31T13:00:00+01:00')).toBe('2026-01-31T12:00:00Z');
    expect(canonicalTime('2026-02-30T00:00:00Z')).toBeUndefined();
    expect(through('2026-01-31T12:00:00.5Z')).toBe('2026-01-31T12:00:00.500Z');
  }
});

it('refuses what is no time, each time, and says what is in no calendar', () => {
  const invalid = ObjectMeta.fromPartial({ creationTimestamp: 'yesterday' });
  const beyond = Uint8Array.from([0x42, 0x08, 0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x08]); // creationTimestamp { seconds: 2^52 }
  for (let again = 0; again < 2; again++) {
    expect(() => ObjectMeta.encode(invalid)).toThrow('not a time in RFC 3339: yesterday');
    expect(ObjectMeta.decode(beyond).creationTimestamp).toMatch(/ s and 0 ns since 1970$/);
  }
});

it('goes on when it has seen more times than it remembers', () => {
  for (let i = 0; i < 10_000; i++) expect(through(textOf(i, 0))).toBe(textOf(i, 0));
  expect(through(textOf(0, 0))).toBe('1970-01-01T00:00:00Z');
});
