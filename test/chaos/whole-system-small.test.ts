// Many short lives of small clusters: what whole-system.test.ts does with a few long ones of larger ones.
import { describe, it } from 'vitest';
import { holds } from './hold.js';

describe('small clusters', () => {
  it.each([0, 50, 100, 150])('hold what they promise (fifty seeds from 2000 + %i)', { timeout: 600_000 }, async (from) => {
    for (let seed = 2000 + from; seed < 2000 + from + 50; seed++) await holds(seed, 4, 1, 2_000);
  });
});
