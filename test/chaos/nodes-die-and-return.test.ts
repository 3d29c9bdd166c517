// The first simulation: a hundred nodes that are killed, cut off and come back at random while an app runs. The control plane is the real one.

import { isBeingDeleted, isPodLost, isPodReady } from '@podplane/api/pod-state';
import type { Change } from '@podplane/store/types';
import { SimulatedCluster } from '@podplane/testing/simulated-cluster';
import { seededNumbers } from '@podplane/testing/virtual-system';
import { describe, expect, it } from 'vitest';

const REPLICAS = { web: 200, api: 60 } as const;
const NODES = 100;

/** Never more pods than replicas + surge, whatever dies; a pod never moves; a terminal pod never lives again. */
function invariants(): (change: Change, cluster: SimulatedCluster) => void {
  const bound = new Map<string, string>();
  return (change, cluster) => {
    if (change.kind !== 'Pod') return;
    const pod = change.object as ReturnType<SimulatedCluster['pods']>[number];
    const uid = pod.metadata?.uid ?? '';
    const node = pod.spec?.nodeName;
    const before = bound.get(uid);
    if (before !== undefined && node !== before) throw new Error(`pod ${pod.metadata?.name} moved from ${before} to ${node}`);
    if (node !== undefined) bound.set(uid, node);
    if (change.type !== 'added') return;
    for (const [app, replicas] of Object.entries(REPLICAS)) {
      const live = cluster.pods(app).length;
      if (live > replicas + 1) throw new Error(`${app} has ${live} pods; allowed are ${replicas} and a surge of 1`);
    }
  };
}

async function run(
  seed: number,
): Promise<{ fingerprint: number; faults: readonly string[]; kills: number; ready: number; transactions: number }> {
  const cluster = await SimulatedCluster.create({ seed, nodes: NODES, invariant: invariants() });
  try {
    expect(await cluster.system.advance(30_000, () => [...cluster.nodes.values()].every(({ connected }) => connected))).toBe(true);
    for (const [app, replicas] of Object.entries(REPLICAS)) cluster.deploy(app, replicas);
    expect(await cluster.system.advance(60_000, () => cluster.converged()), `seed ${seed}: first deployment`).toBe(true);

    const next = seededNumbers(seed * 7919 + 1);
    const names = [...cluster.nodes.keys()];
    const down = new Map<string, 'killed' | 'cut'>();
    let kills = 0;
    for (let round = 0; round < 60; round++) {
      const node = cluster.nodes.get(names[Math.floor(next() * names.length)] ?? '');
      if (node === undefined) continue;
      const state = down.get(node.name);
      if (state !== undefined) {
        if (state === 'cut') node.heal();
        else node.start();
        down.delete(node.name);
      } else if (down.size < 30) {
        const dice = next();
        if (dice < 0.6) {
          node.kill(dice < 0.3 ? 'reset' : 'silent');
          down.set(node.name, 'killed');
        } else {
          node.cut();
          down.set(node.name, 'cut');
        }
        kills++;
      }
      await cluster.system.advance(next() * 3000);
    }
    // All come back: everything must settle, nothing may be lost.
    for (const [name, state] of down) {
      if (state === 'cut') cluster.nodes.get(name)?.heal();
      else cluster.nodes.get(name)?.start();
    }
    const settled = await cluster.system.advance(120_000, () => cluster.converged() && noneTerminating(cluster));
    expect(settled, `seed ${seed}: settles; faults: ${cluster.faults.join('; ')}`).toBe(true);
    // Nothing runs that nobody wants.
    await cluster.system.advance(5000);
    const wanted = new Set(cluster.pods().map(({ metadata }) => metadata?.uid));
    for (const node of cluster.nodes.values())
      for (const uid of node.pods.keys()) expect(wanted, `seed ${seed}: ${node.name} runs ${uid}`).toContain(uid);
    return {
      fingerprint: cluster.fingerprint,
      faults: cluster.faults,
      kills,
      ready: cluster.pods().filter((pod) => isPodReady(pod)).length,
      transactions: cluster.transactions,
    };
  } finally {
    await cluster.stop();
  }
}

function noneTerminating(cluster: SimulatedCluster): boolean {
  for (const pod of cluster.store.list('Pod')) if (isBeingDeleted(pod) || isPodLost(pod)) return false;
  return true;
}

describe('nodes die and return', () => {
  it('keeps every app at its replicas, never above what is allowed, and loses no pod; the same seed gives the same run', async () => {
    const first = await run(1);
    expect(first.faults).toEqual([]);
    expect(first.ready).toBe(REPLICAS.web + REPLICAS.api);
    expect(first.kills).toBeGreaterThan(20);
    const again = await run(1);
    expect(again).toEqual(first);
    const other = await run(2);
    expect(other.faults).toEqual([]);
    expect(other.fingerprint).not.toBe(first.fingerprint);
  }, 120_000);

  it('evicts nobody when more than half of the nodes fall silent together', async () => {
    const cluster = await SimulatedCluster.create({ seed: 3, nodes: 20 });
    try {
      await cluster.system.advance(5000, () => [...cluster.nodes.values()].every(({ connected }) => connected));
      cluster.deploy('web', 40);
      expect(await cluster.system.advance(60_000, () => cluster.converged())).toBe(true);
      const before = cluster
        .pods()
        .map(({ metadata }) => metadata?.uid)
        .sort();
      await cluster.system.advance(20_000);
      const nodes = [...cluster.nodes.values()];
      for (const node of nodes.slice(0, 12)) node.cut();
      await cluster.system.advance(60_000);
      expect(
        cluster
          .pods()
          .map(({ metadata }) => metadata?.uid)
          .sort(),
      ).toEqual(before);
      for (const node of nodes.slice(0, 12)) node.heal();
      expect(await cluster.system.advance(30_000, () => cluster.converged())).toBe(true);
      expect(
        cluster
          .pods()
          .map(({ metadata }) => metadata?.uid)
          .sort(),
      ).toEqual(before);
    } finally {
      await cluster.stop();
    }
  }, 60_000);
});
