import { describe, expect, it } from 'vitest';
import { type HostReading, NO_READING } from './pressure.js';
import { DEFAULT_EVICTION_HARD, nextPressures, parseThresholds, shortages } from './thresholds.js';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const disk = { totalBytes: 100 * GIB, availableBytes: 50 * GIB, inodesTotal: 1000, inodesFree: 500 };
const quiet: HostReading = { memoryTotalBytes: 4 * GIB, memoryAvailableBytes: GIB, disk, imageDisk: disk, pidsUsed: 100, pidsMax: 32_768 };
const defaults = parseThresholds(DEFAULT_EVICTION_HARD);
const short = (change: Partial<HostReading>): string[] =>
  shortages(defaults, { ...quiet, ...change }).map(({ threshold }) => threshold.signal);

describe('thresholds', () => {
  it("the kubelet's are the default", () => {
    expect(short({})).toEqual([]);
    expect(short({ memoryAvailableBytes: 100 * MIB })).toEqual([]);
    expect(short({ memoryAvailableBytes: 100 * MIB - 1 })).toEqual(['memory.available']);
    expect(short({ disk: { ...disk, availableBytes: 10 * GIB - 1 } })).toEqual(['nodefs.available']);
    expect(short({ disk: { ...disk, inodesFree: 49 } })).toEqual(['nodefs.inodesFree']);
    expect(short({ imageDisk: { ...disk, availableBytes: 15 * GIB - 1 } })).toEqual(['imagefs.available']);
    expect(short({ imageDisk: { ...disk, inodesFree: 49 } })).toEqual(['imagefs.inodesFree']);
    expect(short({ pidsUsed: 32_000 })).toEqual(['pid.available']);
    expect(short({ disk: { ...disk, availableBytes: 0 }, memoryAvailableBytes: 0 })).toEqual(['memory.available', 'nodefs.available']);
  });

  it('memory: also what the pods together may still take of what the node has for them', () => {
    const left = (usedBytes: number): object[] =>
      shortages(defaults, { ...quiet, podsMemory: { limitBytes: GIB, usedBytes } }).map(({ left, least }) => ({ left, least }));
    expect(left(GIB - 100 * MIB)).toEqual([]);
    expect(left(GIB - 99 * MIB)).toEqual([{ left: 99 * MIB, least: 100 * MIB }]);
    expect(left(GIB + 1)).toEqual([{ left: 0, least: 100 * MIB }]);
    const share = parseThresholds('memory.available<10%');
    const reading = { ...quiet, podsMemory: { limitBytes: 1000, usedBytes: 901 } };
    expect(shortages(share, reading)).toEqual([{ threshold: share[0], left: 99, least: 100 }]);
    expect(shortages([], reading)).toEqual([]);
    // Both at once.
    expect(shortages(defaults, { ...reading, memoryAvailableBytes: 5 }).map((one) => one.left)).toEqual([5, 99]);
  });

  it('what a host does not tell is no shortage', () => {
    expect(shortages(defaults, NO_READING)).toEqual([]);
    expect(short({ imageDisk: undefined, disk: { ...disk, inodesTotal: 0, inodesFree: 0 } })).toEqual([]);
  });

  it.each([
    ['memory.available<100Mi', [{ signal: 'memory.available', least: { amount: 100 * MIB, text: '100Mi' } }]],
    [' nodefs.available<2.5% , ', [{ signal: 'nodefs.available', least: { share: 0.025, text: '2.5%' } }]],
    ['', []],
  ])('read "%s"', (text, thresholds) => {
    expect(parseThresholds(text)).toEqual(thresholds);
  });

  it.each([
    ['memory<1', /signals are memory\.available/],
    ['memory.available', /a threshold is signal<amount/],
    ['memory.available<1<2', /a threshold is signal<amount/],
    ['memory.available<lots', /"lots" is no quantity/],
    ['memory.available<-1', /must not be below 0/],
    ['nodefs.available<150%', /from 0% to 100%/],
    ['nodefs.available<-1%', /from 0% to 100%/],
    ['nodefs.available<x%', /from 0% to 100%/],
    ['nodefs.available<1%,nodefs.available<2%', /is there twice/],
  ])('refuse "%s"', (text, problem) => {
    expect(() => parseThresholds(text)).toThrow(problem);
  });
});

it('a condition stays for a while after its shortage', () => {
  const found = shortages(defaults, { ...quiet, disk: { ...disk, availableBytes: 0 } });
  let pressures = nextPressures(new Map(), found, 1000, 300_000);
  expect([...pressures.keys()]).toEqual(['DiskPressure']);
  pressures = nextPressures(pressures, [], 300_999, 300_000);
  expect([...pressures.keys()]).toEqual(['DiskPressure']);
  pressures = nextPressures(pressures, [], 301_000, 300_000);
  expect([...pressures.keys()]).toEqual([]);
  expect([...nextPressures(new Map(), [], 5, 0).keys()]).toEqual([]);
});
