// How fast nodes are given up: the arithmetic, and what it means for a fleet of which a part is lost.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createControllers } from '../controllers.js';
import { makeDeployment, World } from '../testkit/world.js';
import { defaultNodeLifecycleConfig } from './config.js';
import { Pace, type PaceConfig } from './pacing.js';

const { pace } = defaultNodeLifecycleConfig;

/** When each of `lost` nodes that fell silent together is given up, ms. */
function times(config: PaceConfig, lost: number, nodes: number): number[] {
  const one = new Pace(config);
  const out: number[] = [];
  let now = 1_000_000;
  while (out.length < lost) {
    const turn = one.take(now, nodes);
    if (turn === true) out.push(now - 1_000_000);
    else now += turn.inMs;
  }
  return out;
}

describe('Pace', () => {
  it.each([
    ['one of three', 1, 3, 0],
    ['three of ten, at once', 3, 10, 0],
    ['five of ten: two wait', 5, 10, 2_000],
    ['500 of 5,000: half at once, the others at 100 a second', 500, 5_000, 2_500],
    ['2,400 of 5,000', 2_400, 5_000, 21_500],
  ])('%s: all are given up after %i of %i nodes in %i ms', (_what, lost, nodes, last) => {
    expect(times(pace, lost, nodes).at(-1)).toBeCloseTo(last, -1);
  });

  it("can be Kubernetes' pace: one node in ten seconds", () => {
    const config = { burstNodes: 1, burstShare: 0, nodesPerSecond: 0.1, sharePerSecond: 0 };
    expect(times(config, 4, 1000)).toEqual([0, 10_000, 20_000, 30_000]);
  });

  it('is never faster than its burst and its rate, and never starves', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.nat(5_000), { maxLength: 60 }),
        (burst, rate, gaps) => {
          const one = new Pace({ burstNodes: burst, burstShare: 0, nodesPerSecond: rate, sharePerSecond: 0 });
          let now = 0;
          let given = 0;
          for (const gap of gaps) {
            now += gap;
            const turn = one.take(now, 100);
            if (turn === true) given++;
            else expect(turn.inMs).toBeGreaterThan(0);
            expect(given).toBeLessThanOrEqual(burst + (now * rate) / 1000 + 1e-6);
          }
          const last = one.take(now + 1000 / rate, 100);
          expect(last === true || last.inMs <= 1000 / rate).toBe(true);
        },
      ),
    );
  });
});

it('of many lost nodes some are given up at once, the others one after the other', async () => {
  const NODES = 20;
  const LOST = 8;
  const world = await World.open((it) => createControllers({ liveness: it.liveness }));
  for (let i = 0; i < NODES; i++) world.addNode(`n${i}`);
  world.create('Deployment', makeDeployment('web', { replicas: NODES }));
  await world.settle();
  world.pods().forEach((pod, i) => world.run(pod, true, `n${i}`));
  await world.settle();
  const counts: number[] = [];
  for (let step = 0; step < 100; step++) {
    for (let i = LOST; i < NODES; i++) world.beat(`n${i}`);
    await world.system.advance(100);
    counts.push(world.pods().length - NODES);
  }
  expect(Math.max(...counts.slice(0, 38))).toBe(3); // silent after 3 s, looked at every 0.5 s
  expect(counts.at(-1)).toBe(LOST);
  expect(counts.filter((count, i) => count - (counts[i - 1] ?? 0) > 1)).toHaveLength(1); // only the first three together
  expect(world.events.some(({ reason }) => reason === 'EvictionsPaced')).toBe(true);
  expect(world.errors).toEqual([]);
  await world.close();
});
