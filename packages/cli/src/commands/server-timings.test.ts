// What the options of `podplane server` about leases and lost nodes become.
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { type ServerTimings, timingFlags, timingsOf, withTimings } from './server-timings.js';

const command = (...args: readonly string[]): Command =>
  withTimings(new Command('server').exitOverride().configureOutput({ writeErr: () => undefined })).parse(args, { from: 'user' });
const parsed = (...args: readonly string[]): ServerTimings => command(...args).opts<ServerTimings>();

describe('timings of the server', () => {
  it.each([
    [[], { sessions: { leaseMs: 15_000 }, nodeLifecycle: { keepOriginal: true, fencingMarginMs: 2_000 } }],
    [
      ['--lease', '1m', '--fencing-margin', '500ms', '--no-keep-original'],
      { sessions: { leaseMs: 60_000 }, nodeLifecycle: { keepOriginal: false, fencingMarginMs: 500 } },
    ],
    [
      ['--eviction-burst', '1', '--eviction-rate', '0.1'],
      {
        sessions: { leaseMs: 15_000 },
        nodeLifecycle: {
          keepOriginal: true,
          fencingMarginMs: 2_000,
          pace: { burstNodes: 1, burstShare: 0, nodesPerSecond: 0.1, sharePerSecond: 0 },
        },
      },
    ],
    [
      ['--eviction-burst', '0'],
      {
        sessions: { leaseMs: 15_000 },
        nodeLifecycle: {
          keepOriginal: true,
          fencingMarginMs: 2_000,
          pace: { burstNodes: 0, burstShare: 0, nodesPerSecond: 1, sharePerSecond: 0.02 },
        },
      },
    ],
  ])('%j', (args, expected) => {
    expect(timingsOf(parsed(...args))).toEqual(expected);
  });

  it.each([
    [[]],
    [['--lease', '1m', '--fencing-margin', '500ms', '--no-keep-original']],
    [['--lease', '15s', '--eviction-burst', '1', '--eviction-rate', '0.1']],
  ])('%j given to up reach its server', (args) => {
    const flags = timingFlags(command(...args));
    expect(flags.length).toBe(args.length);
    expect(timingsOf(parsed(...flags))).toEqual(timingsOf(parsed(...args)));
  });

  it('are refused by up before it starts anything', () => {
    expect(() => timingFlags(command('--lease', '2s'))).toThrow(/too short/);
  });

  it.each([
    ['--lease', '2s', /too short/],
    ['--eviction-rate', '-1', /not a number of at least 0/],
    ['--eviction-rate', 'fast', /not a number of at least 0/],
    ['--eviction-burst', '1.5', /whole number/],
    ['--fencing-margin', 'soon', /duration/],
  ])('%s %s is refused', (flag, value, message) => {
    expect(() => timingsOf(parsed(flag, value))).toThrow(message);
  });
});
