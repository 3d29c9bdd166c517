// What happens to dependents when owners go, in the three ways there are; and namespaces and left-over pods, which clean up likewise.

import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { isBeingDeleted } from '@podplane/api/pod-state';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDefaultNamespaces, newNamespace } from '../namespace/bootstrap.js';
import { barePod, cause, makeDeployment, World } from '../testkit/world.js';
import { deleteWithPropagation, type Propagation } from './propagation.js';

let world: World;

beforeEach(async () => {
  world = await World.open();
  world.addNode('n1');
});

afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

async function remove(propagation: Propagation): Promise<void> {
  world.store.transact(cause, (tx) => void deleteWithPropagation(tx, 'Deployment', world.deployment(), { propagation }));
  await world.settle();
}

describe('deleting a Deployment', () => {
  beforeEach(async () => {
    world.create('Deployment', makeDeployment());
    await world.converge();
  });

  it('in the background: it is gone, its sets and pods follow', async () => {
    await remove('Background');
    expect(world.store.count('Deployment')).toBe(0);
    expect(world.sets()).toEqual([]);
    expect(world.pods().map(isBeingDeleted)).toEqual([true, true, true]);
    const [pod] = world.pods();
    expect(world.store.causes({ kind: 'Pod', namespace: 'default', name: pod?.metadata?.name ?? '' }, 1)[0]?.cause).toMatchObject({
      actor: 'controller:owner-gc',
      reason: expect.stringMatching(/^its owner ReplicaSet web-\w+ is gone$/),
    });
  });

  it('in the foreground: it stays until its pods are gone, and nothing is made anew meanwhile', async () => {
    await remove('Foreground');
    expect([world.store.count('Deployment'), world.sets().length, world.pods().length]).toEqual([1, 1, 3]);
    world.reap();
    await world.settle();
    expect([world.store.count('Deployment'), world.sets().length, world.pods().length]).toEqual([0, 0, 0]);
  });

  it('orphaning: its set and pods go on without it', async () => {
    await remove('Orphan');
    expect(world.store.count('Deployment')).toBe(0);
    expect(world.sets().map((set) => set.metadata?.ownerReferences)).toEqual([[]]);
    expect(world.pods().some(isBeingDeleted)).toBe(false);
  });
});

it('removes only what has no owner left', async () => {
  const a = world.create('ConfigMap', ConfigMap.fromPartial({ metadata: { name: 'a', namespace: 'default' } }));
  const b = world.create('ConfigMap', ConfigMap.fromPartial({ metadata: { name: 'b', namespace: 'default' } }));
  const reference = (owner: typeof a): object => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: owner.metadata?.name,
    uid: owner.metadata?.uid,
  });
  const foreign = { apiVersion: 'example.com/v1', kind: 'ConfigMap', name: 'x', uid: 'y' };
  const make = (name: string, ownerReferences: object[]): unknown =>
    world.create('ConfigMap', ConfigMap.fromPartial({ metadata: { name, namespace: 'default', ownerReferences } }));
  make('both', [reference(a), reference(b)]);
  make('one', [reference(a)]);
  make('foreign', [foreign]);
  make('stale', [{ ...reference(b), uid: 'another' }]);
  await world.settle();
  world.store.transact(cause, (tx) => tx.remove('ConfigMap', 'default', 'a'));
  await world.settle();
  expect([...world.store.list('ConfigMap')].map((c) => c.metadata?.name ?? '').sort()).toEqual(['b', 'both', 'foreign']);
  expect(world.store.get('ConfigMap', 'default', 'both')?.metadata?.ownerReferences).toHaveLength(1);
});

describe('namespaces', () => {
  it('get finalizers, lose their content first, and then go', async () => {
    world.create('Namespace', {
      ...newNamespace('team'),
      metadata: { name: 'team', labels: {}, annotations: {}, ownerReferences: [], finalizers: [], managedFields: [] },
      spec: undefined,
    });
    world.create('ConfigMap', ConfigMap.fromPartial({ metadata: { name: 'c', namespace: 'team' } }));
    const running = barePod('p', {}, 'n1');
    if (running.metadata !== undefined) running.metadata.namespace = 'team';
    world.create('Pod', running);
    await world.settle();
    world.store.transact(cause, (tx) => void tx.markDeleted('Namespace', '', 'team', 0));
    await world.settle();
    const namespace = world.store.get('Namespace', '', 'team');
    expect(namespace?.status).toMatchObject({
      phase: 'Terminating',
      conditions: [{ type: 'NamespaceContentRemaining', message: 'Some resources are remaining: pods has 1 resource instances' }],
    });
    expect(namespace?.spec?.finalizers).toEqual(['kubernetes']);
    expect(world.store.count('ConfigMap')).toBe(0);
    world.store.transact(cause, (tx) => tx.remove('Pod', 'team', 'p'));
    await world.settle();
    expect(world.store.get('Namespace', '', 'team')).toBeUndefined();
  });

  it('are made at the first start, and only then', () => {
    world.store.transact(cause, createDefaultNamespaces);
    const { revision } = world.store;
    world.store.transact(cause, createDefaultNamespaces);
    expect([...world.store.list('Namespace')].map((n) => n.metadata?.name ?? '').sort()).toEqual(['default', 'kube-system']);
    expect(world.store.revision).toBe(revision);
  });
});

describe('left-over pods', () => {
  it('go when their node object has been gone for a while, and stay if it comes back', async () => {
    world.addNode('n2');
    world.create('Pod', barePod('a', {}, 'n2'));
    await world.settle();
    world.store.transact(cause, (tx) => tx.remove('Node', '', 'n2'));
    await world.system.advance(4000);
    world.beat('n1');
    world.addNode('n2');
    await world.system.advance(2000);
    expect(world.pods()).toHaveLength(1);
    world.store.transact(cause, (tx) => tx.remove('Node', '', 'n2'));
    await world.system.advance(5000);
    expect(world.pods()).toEqual([]);
    expect(world.events.at(-1)).toMatchObject({ reason: 'DeletionByPodGC' });
  });

  it('go at once when they are deleted before they had a node', async () => {
    world.create('Pod', barePod('a'));
    world.store.transact(cause, (tx) => void tx.markDeleted('Pod', 'default', 'a', 30));
    await world.settle();
    expect(world.pods()).toEqual([]);
  });
});
