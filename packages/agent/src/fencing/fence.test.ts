// The arithmetic of leases: a table of moments, and that no skew, suspend or lost answer lets a pod outlive what the server counts.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MOST_IDS } from '../runtime/docker/watchdog-code.js';
import { Lease } from '../session/lease.js';
import { fenceAt, fenceTimings } from './fence.js';
import { decodeLease, encodeLease } from './lease-file.js';

describe('fenceAt', () => {
  const timings = fenceTimings(15_000);
  it.each([
    ['no lease yet', 1_000, 0, { stage: 'kill' }],
    ['a fresh lease', 0, 15_000, { stage: 'open', until: 10_000 }],
    ['just before it closes', 9_999, 15_000, { stage: 'open', until: 10_000 }],
    ['closing', 10_000, 15_000, { stage: 'stop', killAt: 13_000, graceMs: 3_000 }],
    ['a moment of grace left', 12_999, 15_000, { stage: 'stop', killAt: 13_000, graceMs: 1 }],
    ['time to kill', 13_000, 15_000, { stage: 'kill' }],
    ['long over', 900_000, 15_000, { stage: 'kill' }],
  ] as const)('%s', (_what, now, until, expected) => {
    expect(fenceAt(now, until, timings)).toEqual(expected);
  });

  it('a longer lease leaves no more time at its end, a shorter one the same share', () => {
    expect(fenceTimings(90_000)).toEqual({ stopMs: 5000, killMs: 2000, watchdogMs: 1000 });
    expect(fenceTimings(3_000)).toEqual({ stopMs: 1000, killMs: 400, watchdogMs: 200 });
    expect(fenceTimings(0)).toEqual({ stopMs: 0, killMs: 0, watchdogMs: 0 });
  });

  it('things happen in their order before the end, whatever the lease', () => {
    fc.assert(
      fc.property(fc.nat(120_000), fc.nat(10_000_000), (leaseMs, until) => {
        const { stopMs, killMs, watchdogMs } = fenceTimings(leaseMs);
        expect(stopMs).toBeGreaterThanOrEqual(killMs);
        expect(killMs).toBeGreaterThanOrEqual(watchdogMs);
        expect(watchdogMs).toBeGreaterThanOrEqual(0);
        expect(stopMs).toBeLessThanOrEqual(leaseMs);
        // Once closed it stays closed.
        let closed = false;
        for (let now = until - leaseMs - 10; now < until + 10; now += Math.max(1, leaseMs / 50)) {
          const { stage } = fenceAt(now, until, fenceTimings(leaseMs));
          if (closed) expect(stage).not.toBe('open');
          closed ||= stage !== 'open';
        }
      }),
    );
  });
});

describe('the lease that a node counts and the one that the server counts', () => {
  const step = fc.record({
    /** Until the heartbeat leaves, on its way, at the server, on its way back; true time, ms. */
    waits: fc.tuple(fc.nat(3000), fc.nat(4000), fc.nat(2000), fc.nat(20_000)),
    /** The answer is lost. */
    lost: fc.boolean(),
    /** The node sleeps for so long while it waits for the answer; its clock counts that. */
    suspend: fc.oneof(fc.constant(0), fc.nat(100_000)),
  });

  it('the node ends first, with clocks that run differently by 2 in 1,000 and a margin of 2 s', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 20 }), fc.integer({ min: -2, max: 2 }), (steps, skew) => {
        const LEASE = 15_000;
        const MARGIN = 2000;
        const ofNode = (time: number): number => time * (1 + skew / 1000) + 77_000; // begins elsewhere, too
        const lease = new Lease();
        let time = 0;
        let serverCounts = 0;
        for (const { waits, lost, suspend } of steps) {
          const [before, there, at, back] = waits;
          time += before;
          const seq = lease.sent(ofNode(time));
          const answered = time + there + at;
          serverCounts = Math.max(serverCounts, answered + LEASE);
          time = answered + back + suspend;
          if (!lost) lease.acknowledged(seq, LEASE, 1);
          else lease.disconnected();
          // All of the node's fenced pods are dead at the end of its own lease, in true time:
          const dead = lease.until === 0 ? 0 : (lease.until - 77_000) / (1 + skew / 1000);
          expect(dead).toBeLessThan(serverCounts + MARGIN);
        }
      }),
    );
  });

  it('is not prolonged by a server that has been followed by another one, nor by answers to what it did not send', () => {
    const lease = new Lease();
    const first = lease.sent(1000);
    lease.acknowledged(first, 15_000, 7);
    expect(lease.until).toBe(16_000);
    const second = lease.sent(5000);
    lease.acknowledged(second, 15_000, 6);
    expect(lease.until).toBe(16_000);
    lease.acknowledged(99, 15_000, 7);
    lease.acknowledged(first, 60_000, 7);
    expect(lease.until).toBe(16_000);
    expect(lease.inTerm(6)).toBe(false);
    expect(lease.inTerm(8)).toBe(true);
    expect(lease.inTerm(7)).toBe(false);
  });
});

describe('lease file', () => {
  const id = (digit: string): string => digit.repeat(64);
  const boot = 'c0ffee00-0000-4000-8000-00000000000b';

  it('is read as it was written, in the same boot', () => {
    for (const word of [
      { until: 0, containerIds: [] },
      { until: 123_456, containerIds: [id('a')] },
      { until: 9_007_199_254, containerIds: [id('0'), id('f'), id('7')] },
    ]) {
      expect(decodeLease(encodeLease(word, boot), boot)).toEqual(word);
      expect(decodeLease(encodeLease(word, boot), 'another')).toBeUndefined();
      expect(decodeLease(encodeLease(word, ''), '')).toEqual(word);
    }
  });

  it('is never a wrong word where it was cut or is something else', () => {
    const bytes = encodeLease({ until: 1000, containerIds: [id('a'), id('b')] }, boot);
    for (let length = 0; length < bytes.length; length++) expect(decodeLease(bytes.subarray(0, length), boot)).toBeUndefined();
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (rubbish) => decodeLease(Buffer.from(rubbish), boot) === undefined));
    expect(() => encodeLease({ until: 1, containerIds: ['short'] }, boot)).toThrow(RangeError);
    const many = Array.from({ length: MOST_IDS + 1 }, () => id('a'));
    expect(() => encodeLease({ until: 1, containerIds: many }, boot)).toThrow(/more than a watchdog takes/);
    expect(encodeLease({ until: 1, containerIds: many.slice(1) }, boot).length).toBeGreaterThan(MOST_IDS * 64);
  });
});
