// How the work of controllers grows with what they look after: twice as much must not cost four times the reads. What they decide is tested
// beside each of them.

import { ReplicaSet } from '@podplane/api/gen/podplane/apps/v1/replica_set';
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { Node } from '@podplane/api/gen/podplane/core/v1/node';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { PodDisruptionBudget } from '@podplane/api/gen/podplane/policy/v1/pod_disruption_budget';
import { isBeingDeleted } from '@podplane/api/pod-state';
import { afterEach, expect, it } from 'vitest';
import { DRAIN_ANNOTATION } from './drain/request.js';
import { newNamespace } from './namespace/bootstrap.js';
import { deleteWithPropagation, type Propagation } from './owner-gc/propagation.js';
import { PodGcController } from './pod-gc/controller.js';
import { ReplicaSetController } from './replicaset/controller.js';
import { Reads } from './testkit/reads.js';
import { barePod, cause, makeDeployment, World } from './testkit/world.js';

let world: World | undefined;

afterEach(async () => {
  await world?.close();
  world = undefined;
});

/** Reads of act in a world of its own; prepare is not counted. */
async function readsOf(
  prepare: (world: World) => Promise<void> | void,
  act: (world: World) => Promise<void>,
  reconcilers?: Parameters<typeof World.open>[0],
): Promise<number> {
  world = await World.open(reconcilers);
  if (reconcilers === undefined) world.addNode('n1');
  await prepare(world);
  await world.settle();
  const reads = new Reads(world.store);
  await act(world);
  const { count } = reads;
  expect(world.errors).toEqual([]);
  await world.close();
  world = undefined;
  return count;
}

/** Twice as many cost twice as much, or a little more. */
async function expectLinear(n: number, reads: (n: number) => Promise<number>): Promise<void> {
  const [one, two] = [await reads(n), await reads(2 * n)];
  expect(two / one).toBeLessThan(2.2);
}

/** A few at a time, with a look of everybody in between. */
async function reapSlowly(world: World): Promise<void> {
  const leaving = world.pods().filter(isBeingDeleted);
  for (let i = 0; i < leaving.length; i += 10) {
    world.store.transact(cause, (tx) => {
      for (const { metadata } of leaving.slice(i, i + 10)) tx.remove('Pod', metadata?.namespace ?? '', metadata?.name ?? '');
    });
    await world.settle();
  }
}

type Metadata = Parameters<typeof Pod.fromPartial>[0]['metadata'];

function makePods(world: World, n: number, more: (i: number) => Metadata, phase = 'Pending'): void {
  const status = { phase, conditions: phase === 'Running' ? [{ type: 'Ready', status: 'True' }] : [] };
  world.store.transact(cause, (tx) => {
    for (let i = 0; i < n; i++) {
      const pod = barePod(`p${i}`, {}, 'n1');
      tx.create('Pod', { ...pod, ...Pod.fromPartial({ metadata: { ...pod.metadata, ...more(i) }, status }), spec: pod.spec });
    }
  });
}

it('a namespace is emptied by what is deleted, not by what is left', async () => {
  await expectLinear(120, (n) =>
    readsOf(
      (world) => {
        world.create('Namespace', newNamespace('big'));
        makePods(world, n, () => ({ namespace: 'big' }));
      },
      async (world) => {
        world.store.transact(cause, (tx) => void tx.markDeleted('Namespace', '', 'big', 0));
        await world.settle();
        await reapSlowly(world);
        // What is left of many is told now and then only.
        await world.system.advance(2000);
        expect(world.store.get('Namespace', '', 'big')).toBeUndefined();
      },
    ),
  );
});

it.each<[Propagation, boolean, number]>([
  ['Foreground', true, 60],
  ['Foreground', false, 60],
  ['Background', true, 60],
  ['Orphan', true, 600],
])('the dependents of an owner, %s, blocking its deletion: %s', async (propagation, blockOwnerDeletion, some) => {
  await expectLinear(some, (n) =>
    readsOf(
      (world) => {
        const owner = world.create('ConfigMap', ConfigMap.fromPartial({ metadata: { name: 'top', namespace: 'default' } }));
        const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'top', uid: owner.metadata?.uid ?? '', blockOwnerDeletion };
        makePods(world, n, () => ({ ownerReferences: [reference] }));
      },
      async (world) => {
        world.store.transact(cause, (tx) => void deleteWithPropagation(tx, 'ConfigMap', world.get('ConfigMap', 'top'), { propagation }));
        await world.settle();
        await reapSlowly(world);
        expect(world.store.get('ConfigMap', 'default', 'top')).toBeUndefined();
        expect(world.store.count('Pod')).toBe(propagation === 'Orphan' ? n : 0);
      },
    ),
  );
});

it.each<[Propagation]>([['Foreground'], ['Background']])('a chain of owners, %s', async (propagation) => {
  await expectLinear(40, (n) =>
    readsOf(
      (world) => {
        let above: { name: string; uid: string } | undefined;
        for (let i = 0; i < n; i++) {
          const ownerReferences = above === undefined ? [] : [{ apiVersion: 'v1', kind: 'ConfigMap', ...above, blockOwnerDeletion: true }];
          const made = world.create(
            'ConfigMap',
            ConfigMap.fromPartial({ metadata: { name: `c${i}`, namespace: 'default', ownerReferences } }),
          );
          above = { name: `c${i}`, uid: made.metadata?.uid ?? '' };
        }
      },
      async (world) => {
        world.store.transact(cause, (tx) => void deleteWithPropagation(tx, 'ConfigMap', world.get('ConfigMap', 'c0'), { propagation }));
        await world.settle();
        expect(world.store.count('ConfigMap', 'default')).toBe(0);
      },
    ),
  );
});

it.each([[0], [1]])('a ReplicaSet that is scaled down to %s', async (replicas) => {
  await expectLinear(300, (n) =>
    readsOf(
      async (world) => {
        world.create('ReplicaSet', {
          ...ReplicaSet.fromPartial({ metadata: { name: 'web', namespace: 'default' } }),
          spec: { ...makeDeployment('web').spec, replicas: n } as ReplicaSet['spec'],
        });
        await world.settle();
        expect(world.activePods()).toHaveLength(n);
      },
      async (world) => {
        world.edit('ReplicaSet', 'web', (draft) => void (draft.spec && (draft.spec.replicas = replicas)));
        await world.settle();
        expect(world.activePods()).toHaveLength(replicas);
      },
      () => [new ReplicaSetController()],
    ),
  );
});

it('pods that are over beyond the threshold', async () => {
  await expectLinear(300, (n) =>
    readsOf(
      (world) => void world.create('Node', Node.fromPartial({ metadata: { name: 'n1' } })),
      async (world) => {
        makePods(world, n, () => ({}), 'Succeeded');
        await world.settle();
        expect(world.store.count('Pod')).toBe(10);
      },
      (world) => [new PodGcController(world.liveness, { terminatedThreshold: 10 })],
    ),
  );
});

it('a drain counts the pods of a budget once a look, not once an eviction', async () => {
  const n = 150;
  const reads = await readsOf(
    (world) => {
      world.addNode('n2');
      world.create(
        'PodDisruptionBudget',
        PodDisruptionBudget.fromPartial({
          metadata: { name: 'b', namespace: 'default' },
          spec: { minAvailable: 1, selector: { matchLabels: { app: 'web' } } },
        }),
      );
      makePods(world, n, () => ({ labels: { app: 'web' } }), 'Running');
    },
    async (world) => {
      world.edit('Node', 'n1', (draft) => {
        draft.spec = { ...Node.fromPartial({ spec: {} }).spec, podCIDRs: [], taints: [], ...draft.spec, unschedulable: true };
        Object.assign(draft.metadata ?? {}, { annotations: { [DRAIN_ANNOTATION]: JSON.stringify({ id: 'd', force: true }) } });
      });
      await world.settle();
      // All but the one that the budget keeps.
      expect(world.pods().filter((pod) => !isBeingDeleted(pod))).toHaveLength(1);
    },
  );
  // A look sends 50 away, counts for its budget and for what is left, and looks at each pod of the node.
  expect(reads).toBeLessThan((n / 50) * 8 * n);
});
