import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IpPool, IpPoolExhausted } from './ip-pool.js';

describe('IpPool', () => {
  it('gives addresses without network, gateway and broadcast; the same one to the same pod', () => {
    const pool = new IpPool('10.244.3.0/29');
    expect(pool.gateway).toBe('10.244.3.1');
    const given = ['a', 'b', 'c', 'd', 'e'].map((owner) => pool.allocate(owner, 0));
    expect(given).toEqual(['10.244.3.2', '10.244.3.3', '10.244.3.4', '10.244.3.5', '10.244.3.6']);
    expect(pool.allocate('c', 0)).toBe('10.244.3.4');
    expect(() => pool.allocate('f', 0)).toThrow(IpPoolExhausted);
    pool.release('b');
    expect(pool.allocate('f', 0)).toBe('10.244.3.3');
  });

  it('keeps what pods have already, and nothing that is not its own', () => {
    const pool = new IpPool('10.244.3.0/24');
    expect(pool.keep('a', '10.244.3.2')).toBe(true);
    expect(pool.keep('a', '10.244.3.2')).toBe(true);
    expect(pool.keep('b', '10.244.3.2')).toBe(false);
    for (const ip of ['10.244.3.0', '10.244.3.1', '10.244.3.255', '10.244.4.2', 'x', '10.244.3.1.2', '10.244.3.-1'])
      expect(pool.keep('b', ip)).toBe(false);
    expect(pool.allocate('b', 0)).toBe('10.244.3.3');
  });

  it('avoids an address for a while', () => {
    const pool = new IpPool('10.0.0.0/30');
    pool.avoid('10.0.0.2', 100);
    expect(() => pool.allocate('a', 99)).toThrow(IpPoolExhausted);
    expect(pool.allocate('a', 100)).toBe('10.0.0.2');
  });

  it.each(['', '10.0.0.0', '10.0.0.0/8', '10.0.0.0/31', '300.0.0.0/24', 'fd00::/64', '10.0.0.0/24x'])('refuses %s', (cidr) => {
    expect(() => new IpPool(cidr)).toThrow(TypeError);
  });

  it('never gives one address to two pods', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('allocate', 'release'), fc.nat({ max: 9 })), { maxLength: 60 }), (steps) => {
        const pool = new IpPool('10.0.0.0/29');
        const held = new Map<string, string>();
        for (const [what, who] of steps) {
          const owner = `p${who}`;
          if (what === 'release') {
            pool.release(owner);
            held.delete(owner);
            continue;
          }
          try {
            const ip = pool.allocate(owner, 0);
            for (const [other, taken] of held) if (other !== owner) expect(taken).not.toBe(ip);
            if (held.has(owner)) expect(held.get(owner)).toBe(ip);
            held.set(owner, ip);
          } catch (error) {
            expect(error).toBeInstanceOf(IpPoolExhausted);
            expect(held.size).toBe(5);
          }
        }
      }),
    );
  });
});
