// The whole system from seeds: control plane, agents, engines, network, people and faults. `npm run simulate` does the same for as many seeds as
// one likes, and replays one that fails.
import { simulate } from '@podplane/testing/simulation/simulation';
import { describe, expect, it } from 'vitest';

/** What a failing run says: how to see it again, and its last steps. */
async function holds(seed: number, nodes: number, minutes: number, faultEveryMs: number): Promise<string> {
  const { violation, steps, hash } = await simulate({ seed, nodes, troubleMs: minutes * 60_000, faultEveryMs, actEveryMs: 5_000 });
  if (violation === undefined) return hash;
  const replay = `npm run simulate -- --replay ${seed} --nodes ${nodes} --hours ${minutes / 60} --faults ${faultEveryMs / 1000}`;
  throw new Error(`${violation.invariant}: ${violation.message}\n${replay}\n${steps.slice(-30).join('\n')}`);
}

describe('the whole system', () => {
  it('is the same run for the same seed, and another one for another', async () => {
    const first = await holds(1, 5, 2, 3_000);
    expect(await holds(1, 5, 2, 3_000)).toBe(first);
    expect(await holds(2, 5, 2, 3_000)).not.toBe(first);
  }, 120_000);

  it.each([1, 2, 3, 4, 5])('holds what it promises, ten nodes, seeds %i0 to %i9', { timeout: 300_000 }, async (tens) => {
    for (let seed = tens * 10; seed < tens * 10 + 2; seed++) await holds(seed, 10, 5, 4_000);
  });
});
