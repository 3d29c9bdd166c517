// StatefulSets on nodes that are killed, cut off and come back at random: whatever happens, no two nodes ever run pods of one number at
// the same time, and at last all numbers are there again. The control plane is the real one.
import { StatefulSet } from '@podplane/api/gen/podplane/apps/v1/stateful_set';
import { isBeingDeleted, isPodReady } from '@podplane/api/pod-state';
import { admitNew } from '@podplane/server/registry/admission';
import { SimulatedCluster } from '@podplane/testing/simulated-cluster';
import { seededNumbers } from '@podplane/testing/virtual-system';
import { describe, expect, it } from 'vitest';

const REPLICAS = 12;
const NODES = 8;

function createSet(cluster: SimulatedCluster, podManagementPolicy: string): void {
  const set = StatefulSet.fromJSON({
    metadata: { name: 'db', namespace: 'default' },
    spec: {
      replicas: REPLICAS,
      podManagementPolicy,
      selector: { matchLabels: { app: 'db' } },
      template: {
        metadata: { labels: { app: 'db' } },
        spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'c', image: 'example:1' }] },
      },
    },
  });
  admitNew('StatefulSet', set, cluster.system.clock.now());
  cluster.store.transact({ actor: 'user:simulation', reason: 'create db' }, (tx) => void tx.create('StatefulSet', set));
}

/** Names that run on more than one node, or twice on one. */
function doubled(cluster: SimulatedCluster): string[] {
  const seen = new Map<string, string>();
  const twice: string[] = [];
  for (const node of cluster.nodes.values()) {
    for (const { name } of node.pods.values()) {
      const other = seen.get(name);
      if (other !== undefined) twice.push(`${name} on ${other} and ${node.name}`);
      seen.set(name, node.name);
    }
  }
  return twice;
}

function whole(cluster: SimulatedCluster): boolean {
  const pods = [...cluster.store.list('Pod', 'default')];
  return pods.length === REPLICAS && pods.every((pod) => isPodReady(pod) && !isBeingDeleted(pod));
}

describe.each(['OrderedReady', 'Parallel'])('a StatefulSet (%s) while nodes die and return', (policy) => {
  it.each([1, 2, 3])(
    'never has two pods of one number running, and loses none (seed %i)',
    async (seed) => {
      const cluster = await SimulatedCluster.create({ seed, nodes: NODES });
      try {
        expect(await cluster.system.advance(30_000, () => [...cluster.nodes.values()].every(({ connected }) => connected))).toBe(true);
        createSet(cluster, policy);
        expect(await cluster.system.advance(120_000, () => whole(cluster)), 'the first time').toBe(true);
        const next = seededNumbers(seed * 104_729);
        const down = new Set<string>();
        let [cuts, kept] = [0, 0];
        for (let round = 0; round < 60; round++) {
          const node = [...cluster.nodes.values()][Math.floor(next() * NODES)];
          if (node === undefined) continue;
          if (down.delete(node.name)) node.heal();
          else if (down.size < 3) {
            node.cut();
            down.add(node.name);
            cuts++;
          }
          for (let step = 0; step < 20; step++) {
            await cluster.system.advance(next() * 400);
            expect(doubled(cluster)).toEqual([]);
          }
          // Nothing is done about its pods before its lease is over.
          for (const pod of cluster.store.list('Pod', 'default')) if (!isBeingDeleted(pod) && down.has(pod.spec?.nodeName ?? '')) kept++;
        }
        expect(cuts).toBeGreaterThan(10);
        expect(kept).toBeGreaterThan(0);
        for (const name of down) cluster.nodes.get(name)?.heal();
        expect(await cluster.system.advance(180_000, () => whole(cluster)), `seed ${seed}: settles; ${cluster.faults.join('; ')}`).toBe(
          true,
        );
        expect(doubled(cluster)).toEqual([]);
        expect(cluster.faults).toEqual([]);
      } finally {
        await cluster.stop();
      }
    },
    60_000,
  );
});

it('the pods of a lost node are replaced when its lease is over, and not before', async () => {
  const cluster = await SimulatedCluster.create({ seed: 7, nodes: 4 });
  try {
    await cluster.system.advance(30_000, () => [...cluster.nodes.values()].every(({ connected }) => connected));
    createSet(cluster, 'Parallel');
    expect(await cluster.system.advance(60_000, () => whole(cluster))).toBe(true);
    const [lost] = [...cluster.nodes.values()];
    if (lost === undefined) throw new Error('no node');
    const there = [...cluster.store.index('Pod', 'node', lost.name)].map((pod) => pod.metadata?.uid);
    expect(there.length).toBeGreaterThan(0);
    lost.kill('silent');
    await cluster.system.advance(15_500);
    expect([...cluster.store.index('Pod', 'node', lost.name)].map((pod) => pod.metadata?.uid)).toEqual(there);
    expect(await cluster.system.advance(10_000, () => whole(cluster))).toBe(true);
  } finally {
    await cluster.stop();
  }
}, 60_000);
