import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CidrPool, contains, formatCidr, parseCidr } from './cidr.js';

const CLUSTER = { base: 10 * 2 ** 24, bits: 20 }; // 10.0.0.0/20: 16 ranges of /24

describe('ranges of addresses', () => {
  it('are read and written alike', () => {
    fc.assert(
      fc.property(fc.nat(2 ** 32 - 1), fc.integer({ min: 0, max: 32 }), (address, bits) => {
        const cidr = { base: address - (address % 2 ** (32 - bits)), bits };
        expect(parseCidr(formatCidr(cidr))).toEqual(cidr);
      }),
    );
  });

  it.each(['', '10.0.0.0', '10.0.0.1/24', '10.0.0.256/24', '10.0.0.0/33', '::/0', ' 10.0.0.0/8'])('are not %j', (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });

  it('are given to one node each, all of them, and again after they came back', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(20), fc.nat(40)), { maxLength: 100, size: 'max' }), (steps) => {
        const pool = new CidrPool(CLUSTER, 24);
        const held = new Map<string, string>();
        for (const [take, who, wish] of steps) {
          const node = `n${who}`;
          const has = held.get(node);
          if (!take) {
            if (has !== undefined) pool.release(has, node);
            held.delete(node);
            continue;
          }
          if (has !== undefined) continue;
          const range = pool.pick(node, `10.0.${wish}.0/24`);
          expect(range === undefined).toBe(held.size === 16);
          if (range === undefined) continue;
          const parsed = parseCidr(range);
          expect(parsed !== undefined && contains(CLUSTER, parsed)).toBe(true);
          expect([...held.values()]).not.toContain(range);
          pool.hold(range, node);
          held.set(node, range);
        }
      }),
    );
  });

  it('are the wished ones where those are free', () => {
    const pool = new CidrPool(CLUSTER, 24);
    expect(pool.pick('a', '10.0.7.0/24')).toBe('10.0.7.0/24');
    pool.hold('10.0.7.0/24', 'a');
    expect(pool.pick('b', '10.0.7.0/24')).toBe('10.0.0.0/24');
    expect(pool.pick('a', '10.0.7.0/24')).toBe('10.0.7.0/24');
    pool.release('10.0.7.0/24', 'b'); // not its own
    expect(pool.pick('b', '10.0.7.0/24')).not.toBe('10.0.7.0/24');
  });
});
