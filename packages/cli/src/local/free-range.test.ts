// A new cluster's range overlaps nothing that is in use.
import { describe, expect, it } from 'vitest';
import { freeRange } from './free-range.js';

describe('freeRange', () => {
  it('is the usual one on a machine that uses none', () => {
    expect(freeRange([])).toBe('10.244.0.0/16');
    expect(freeRange(['172.17.0.0/16', '127.0.0.1/8', 'fe80::1/64', 'nonsense'])).toBe('10.244.0.0/16');
  });

  it('passes over ranges that hold, lie in, or touch one in use', () => {
    expect(freeRange(['10.244.1.0/24'])).toBe('10.245.0.0/16');
    expect(freeRange(['10.244.255.255/32', '10.245.0.1/24'])).toBe('10.246.0.0/16');
    expect(freeRange(['10.244.0.0/14'])).toBe('10.248.0.0/16');
  });

  it('says what to do where all are in use', () => {
    expect(() => freeRange(['10.0.0.0/8'])).toThrow(/no range of addresses/);
  });
});
