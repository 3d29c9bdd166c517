// Cron expressions, as a table: what is refused, and when the next time is, also where clocks are changed.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CronSchedule, isTimeZone, parseCron } from './cron.js';

function next(expression: string, after: string, zone?: string): string | undefined {
  const parsed = parseCron(expression, zone);
  if (!parsed.ok) throw new Error(parsed.problem);
  const time = parsed.schedule.next(Date.parse(after));
  return time === undefined ? undefined : new Date(time).toISOString().replace('.000', '');
}

describe('the next time', () => {
  test.each<[string, string, string | undefined, string?]>([
    ['*/5 * * * *', '2026-01-01T00:05:00Z', '2026-01-01T00:10:00Z'],
    ['*/5 * * * *', '2026-01-01T00:04:59.5Z', '2026-01-01T00:05:00Z'],
    ['5/15 * * * *', '2026-01-01T00:05:00Z', '2026-01-01T00:20:00Z'],
    ['@every 90m', '2026-01-01T00:00:10.7Z', '2026-01-01T01:30:10Z'],
    ['@every 1h2m3.9s', '2026-01-01T00:00:00Z', '2026-01-01T01:02:03Z'],
    ['@every 2.3m', '2026-01-01T00:00:00Z', '2026-01-01T00:02:18Z'],
    ['@every 10ms', '2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z'],
    ['? * * * *', '2026-01-01T00:00:30Z', '2026-01-01T00:01:00Z'],
    ['@hourly', '2026-01-01T00:05:00Z', '2026-01-01T01:00:00Z'],
    ['@midnight', '2026-01-01T00:05:00Z', '2026-01-02T00:00:00Z'],
    // Day of month or day of week, where both are given.
    ['0 0 1 * MON', '2026-01-01T00:05:00Z', '2026-01-05T00:00:00Z'],
    ['0 0 31 2 *', '2026-01-01T00:00:00Z', undefined],
    ['0 0 29 2 *', '2026-01-01T00:00:00Z', '2028-02-29T00:00:00Z'],
    ['0 9 * * *', '2026-07-01T00:00:00Z', '2026-07-01T07:00:00Z', 'Europe/Berlin'],
    ['0 9 * * *', '2026-01-01T00:00:00Z', '2026-01-01T08:00:00Z', 'Europe/Berlin'],
    // 02:30 does not exist on this night, and comes twice on the other.
    ['30 2 * * *', '2026-03-29T00:00:00Z', '2026-03-29T01:00:00Z', 'Europe/Berlin'],
    ['30 2 * * *', '2026-10-25T00:00:00Z', '2026-10-25T00:30:00Z', 'Europe/Berlin'],
    ['30 2 * * *', '2026-10-25T00:30:00Z', '2026-10-26T01:30:00Z', 'Europe/Berlin'],
  ])('%s after %s is %s %s', (expression, after, expected, zone) => {
    expect(next(expression, after, zone)).toBe(expected);
  });
});

test('what was asked before changes no answer', () => {
  const schedule = (expression: string, zone: string): CronSchedule => {
    const parsed = parseCron(expression, zone);
    if (!parsed.ok) throw new Error(parsed.problem);
    return parsed.schedule;
  };
  const expressions = fc.constantFrom('* * * * *', '*/7 * * * *', '30 2 * * *', '0 0 1 * MON', '0 0 31 2 *');
  const zones = fc.constantFrom('UTC', 'Europe/Berlin');
  // Around the night in which 02:30 comes twice.
  const moments = fc.array(fc.integer({ min: Date.UTC(2026, 9, 24, 23), max: Date.UTC(2026, 9, 25, 3) }), { minLength: 2, maxLength: 12 });
  fc.assert(
    fc.property(expressions, zones, moments, (expression, zone, asked) => {
      const one = schedule(expression, zone);
      for (const moment of asked) expect(one.next(moment)).toBe(schedule(expression, zone).next(moment));
    }),
    { numRuns: 60 },
  );
});

test.each<[string, string]>([
  ['', 'empty spec string'],
  ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
  ['* * * * * *', 'expected exactly 5 fields, found 6: [* * * * * *]'],
  ['61 * * * *', 'end of range (61) above maximum (59): 61'],
  ['* 24 * * *', 'end of range (24) above maximum (23): 24'],
  ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
  ['* * * 13 *', 'end of range (13) above maximum (12): 13'],
  ['0 0 * * 7', 'end of range (7) above maximum (6): 7'],
  ['0 0 L * *', 'failed to parse int from L: strconv.Atoi: parsing "L": invalid syntax'],
  ['0 0 * * MON#2', 'failed to parse int from MON#2: strconv.Atoi: parsing "MON#2": invalid syntax'],
  ['@never', 'unrecognized descriptor: @never'],
  ['@Daily', 'unrecognized descriptor: @Daily'],
  ['@every', 'unrecognized descriptor: @every'],
  ['@every hour', 'failed to parse duration @every hour: time: invalid duration "hour"'],
  ['@every 5', 'failed to parse duration @every 5: time: invalid duration "5"'],
  ['x * * * *', 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
  ['5/x * * * *', 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
  ['-1 * * * *', 'failed to parse int from : strconv.Atoi: parsing "": invalid syntax'],
  ['*/0 * * * *', 'step of range should be a positive number: */0'],
  ['5-1 * * * *', 'beginning of range (5) beyond end of range (1): 5-1'],
  ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
  ['1/2/3 * * * *', 'too many slashes: 1/2/3'],
])('%j is refused: %s', (expression, problem) => {
  expect(parseCron(expression)).toEqual({ ok: false, problem });
});

test('time zones', () => {
  expect(isTimeZone('Europe/Berlin')).toBe(true);
  expect(isTimeZone('Nowhere/X')).toBe(false);
  expect(parseCron('* * * * *', 'Nowhere/X').ok).toBe(false);
});
