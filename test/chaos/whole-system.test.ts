// The whole system from seeds: control plane, agents, engines, network, people and faults. `npm run simulate` does the same for as many seeds as
// one likes, and replays one that fails.
import { PLANTS } from '@podplane/testing/simulation/plants';
import { simulate } from '@podplane/testing/simulation/simulation';
import { describe, expect, it } from 'vitest';
import { ACT_EVERY_MS, holds } from './hold.js';

/** On a loaded machine; a seed takes about a second. */
const timeout = 600_000;

describe('the whole system', () => {
  it('is the same run for the same seed, and another one for another', { timeout }, async () => {
    const first = await holds(1, 5, 2, 3_000);
    expect(await holds(1, 5, 2, 3_000)).toBe(first);
    expect(await holds(2, 5, 2, 3_000)).not.toBe(first);
  });

  it.each([0, 6, 12, 18])('holds what it promises with ten nodes (six seeds from 1000 + %i)', { timeout }, async (from) => {
    for (let seed = 1000 + from; seed < 1000 + from + 6; seed++) await holds(seed, 10, 5, 4_000);
  });

  it.each(PLANTS)('finds it when $what', { timeout }, async (plant) => {
    const found = new Set<string>();
    for (let seed = 1; seed <= 20 && !plant.breaks.some((one) => found.has(one)); seed++) {
      const { violation } = await simulate({ seed, nodes: 5, troubleMs: 360_000, faultEveryMs: 5_000, actEveryMs: ACT_EVERY_MS, plant });
      if (violation !== undefined) found.add(violation.invariant);
    }
    expect(plant.breaks).toContainEqual(expect.toSatisfy((one: string) => found.has(one)));
  });
});
