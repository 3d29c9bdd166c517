// The machine's clock is set, back or ahead, while an app runs: nothing is lost, replaced or started a second time by that.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isPodReady } from '@podplane/api/pod-state';
import { SimulatedCluster } from '@podplane/testing/simulated-cluster';
import { describe, expect, it } from 'vitest';

const ready = (cluster: SimulatedCluster, app: string): readonly Obj<'Pod'>[] => cluster.pods(app).filter((pod) => isPodReady(pod));

describe('a clock that is set', () => {
  it.each([
    ['an hour back', -3_600_000],
    ['a minute back', -60_000],
    ['an hour ahead', 3_600_000],
  ])('%s loses no pod, and a node that dies afterwards is replaced as ever', async (_what, step) => {
    const cluster = await SimulatedCluster.create({ seed: 7, nodes: 5 });
    try {
      cluster.deploy('web', 20);
      expect(await cluster.system.advance(60_000, () => cluster.converged() && ready(cluster, 'web').length === 20)).toBe(true);
      const before = cluster
        .pods('web')
        .map(({ metadata }) => metadata?.uid)
        .sort();

      cluster.system.stepWallClock(step);
      await cluster.system.advance(120_000);
      expect(
        cluster
          .pods('web')
          .map(({ metadata }) => metadata?.uid)
          .sort(),
      ).toEqual(before);
      expect(ready(cluster, 'web')).toHaveLength(20);

      const [victim] = [...cluster.nodes.values()];
      victim?.kill('silent');
      const elsewhere = (): number => ready(cluster, 'web').filter(({ spec }) => spec?.nodeName !== victim?.name).length;
      expect(await cluster.system.advance(60_000, () => elsewhere() === 20)).toBe(true);
      cluster.deploy('api', 3);
      expect(await cluster.system.advance(60_000, () => ready(cluster, 'api').length === 3)).toBe(true);
      expect(cluster.faults).toEqual([]);
    } finally {
      await cluster.stop();
    }
  });
});
