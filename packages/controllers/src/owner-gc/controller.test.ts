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
      reason: expect.stringMatching(/^owner ReplicaSet web-\w+ is gone \(background\)$/),
    });
  });

  it('in the foreground: it stays until its pods are gone, and nothing is made anew meanwhile', async () => {
    await remove('Foreground');
    expect([world.store.count('Deployment'), world.sets().length, world.pods().length]).toEqual([1, 1, 3]);
    world.reap();
    await world.settle();
    expect([world.store.count('Deployment'), world.sets().length, world.pods().length]).toEqual([0, 0, 0]);
  });

  it('in the foreground: one that loses its owner and its last finalizer at once is waited for no more', async () => {
    const [set] = world.sets();
    const reference = {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      name: set?.metadata?.name ?? '',
      uid: set?.metadata?.uid ?? '',
      blockOwnerDeletion: true,
    };
    world.create(
      'ConfigMap',
      ConfigMap.fromPartial({ metadata: { name: 'leaf', namespace: 'default', finalizers: ['a.b/c'], ownerReferences: [reference] } }),
    );
    await remove('Foreground');
    world.reap();
    await world.settle();
    expect([world.store.count('Deployment'), world.sets().length]).toEqual([1, 1]);
    world.edit('ConfigMap', 'leaf', (draft) => {
      if (draft.metadata !== undefined) Object.assign(draft.metadata, { finalizers: [], ownerReferences: [] });
    });
    await world.settle();
    expect([world.store.count('ConfigMap'), world.store.count('Deployment'), world.sets().length]).toEqual([0, 0, 0]);
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

it.each([
  ['orphan', undefined, ['leaf']],
  ['orphan', 'Background', []],
  ['orphan', 'Orphan', ['leaf']],
  ['foregroundDeletion', undefined, []],
  ['foregroundDeletion', 'Orphan', ['leaf']],
] as const)('finalizer %s, asked for %s: %j is left', async (finalizer, propagation, left) => {
  const owner = world.create(
    'ConfigMap',
    ConfigMap.fromPartial({ metadata: { name: 'owner', namespace: 'default', finalizers: [finalizer] } }),
  );
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: owner.metadata?.uid ?? '' }];
  world.create('ConfigMap', ConfigMap.fromPartial({ metadata: { name: 'leaf', namespace: 'default', ownerReferences } }));
  await world.settle();
  world.store.transact(cause, (tx) => void deleteWithPropagation(tx, 'ConfigMap', world.get('ConfigMap', 'owner'), { propagation }));
  await world.settle();
  expect([...world.store.list('ConfigMap')].map(({ metadata }) => metadata?.name)).toEqual(left);
});

describe('rings of owners', () => {
  /** Config maps of which each is owned by the next one, the last by the first. */
  async function makeRing(names: readonly string[]): Promise<void> {
    for (const name of names) world.create('ConfigMap', ConfigMap.fromPartial({ metadata: { name, namespace: 'default' } }));
    for (const [i, name] of names.entries()) {
      const owner = world.get('ConfigMap', names[(i + 1) % names.length] ?? '');
      const reference = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        name: owner.metadata?.name ?? '',
        uid: owner.metadata?.uid ?? '',
        blockOwnerDeletion: true,
      };
      world.edit('ConfigMap', name, (draft) => void (draft.metadata && (draft.metadata.ownerReferences = [reference])));
    }
    await world.settle();
  }
  const removeOne = async (name: string, propagation: Propagation): Promise<void> => {
    world.store.transact(cause, (tx) => void deleteWithPropagation(tx, 'ConfigMap', world.get('ConfigMap', name), { propagation }));
    await world.settle();
  };

  it.each([[['a']], [['a', 'b']], [['a', 'b', 'c', 'd']]])('%j: deleted in the foreground all go, and it is said', async (names) => {
    await makeRing(names);
    expect(world.store.count('ConfigMap')).toBe(names.length);
    await removeOne('a', 'Foreground');
    expect(world.store.count('ConfigMap')).toBe(0);
    expect(world.events.map(({ reason }) => reason)).toContain('OwnerReferenceRing');
  });

  it('in the background all go, one after the other; orphaning lets the others be', async () => {
    await makeRing(['a', 'b', 'c']);
    await removeOne('a', 'Background');
    expect(world.store.count('ConfigMap')).toBe(0);
    await makeRing(['d', 'e', 'f']);
    await removeOne('d', 'Orphan');
    expect([...world.store.list('ConfigMap')].map(({ metadata }) => metadata?.name).sort()).toEqual(['e', 'f']);
  });

  it('both of two that own each other deleted at once', async () => {
    await makeRing(['a', 'b']);
    world.store.transact(cause, (tx) => {
      for (const name of ['a', 'b'])
        void deleteWithPropagation(tx, 'ConfigMap', world.get('ConfigMap', name), { propagation: 'Foreground' });
    });
    await world.settle();
    expect(world.store.count('ConfigMap')).toBe(0);
  });

  it('a ring from which something else hangs takes it along first', async () => {
    await makeRing(['a', 'b']);
    const owner = world.get('ConfigMap', 'b');
    world.create(
      'ConfigMap',
      ConfigMap.fromPartial({
        metadata: {
          name: 'leaf',
          namespace: 'default',
          finalizers: ['example.com/hold'],
          ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'b', uid: owner.metadata?.uid ?? '', blockOwnerDeletion: true }],
        },
      }),
    );
    await removeOne('a', 'Foreground');
    expect(world.store.get('ConfigMap', 'default', 'b')).toBeDefined();
    world.edit('ConfigMap', 'leaf', (draft) => void (draft.metadata && (draft.metadata.finalizers = [])));
    await world.settle();
    expect(world.store.count('ConfigMap')).toBe(0);
  });
});

it('an owner in a namespace is no owner of what is in none, which stays, and that is said', async () => {
  world.addNode('n9');
  const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'gone', uid: 'u-gone' };
  world.edit('Node', 'n9', (draft) => void (draft.metadata && (draft.metadata.ownerReferences = [reference])));
  await world.settle();
  expect(world.node('n9').metadata?.name).toBe('n9');
  expect(world.events.filter(({ reason }) => reason === 'OwnerRefInvalidNamespace')).toMatchObject([
    {
      regarding: { kind: 'Node', name: 'n9' },
      message: 'ownerRef [v1/ConfigMap, namespace: , name: gone, uid: u-gone] does not exist in namespace ""',
    },
  ]);
});

it('an owner in another namespace is none: what names it goes, and that is said', async () => {
  world.create('Namespace', newNamespace('team'));
  const owner = world.create('ConfigMap', ConfigMap.fromPartial({ metadata: { name: 'a', namespace: 'team' } }));
  const uid = owner.metadata?.uid ?? '';
  const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'a', uid }];
  world.create('ConfigMap', ConfigMap.fromPartial({ metadata: { name: 'b', namespace: 'default', ownerReferences } }));
  await world.settle();
  expect([...world.store.list('ConfigMap')].map(({ metadata }) => metadata?.name)).toEqual(['a']);
  expect(world.events.filter(({ reason }) => reason === 'OwnerRefInvalidNamespace')).toMatchObject([
    {
      type: 'Warning',
      regarding: { name: 'b' },
      message: `ownerRef [v1/ConfigMap, namespace: default, name: a, uid: ${uid}] does not exist in namespace "default"`,
    },
  ]);
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
    });
    expect(namespace?.status?.conditions.map(({ type, status, reason, message }) => [type, status, reason, message])).toEqual([
      ['NamespaceDeletionDiscoveryFailure', 'False', 'ResourcesDiscovered', 'All resources successfully discovered'],
      ['NamespaceDeletionGroupVersionParsingFailure', 'False', 'ParsedGroupVersions', 'All legacy kube types successfully parsed'],
      ['NamespaceDeletionContentFailure', 'False', 'ContentDeleted', 'All content successfully deleted, may be waiting on finalization'],
      ['NamespaceContentRemaining', 'True', 'SomeResourcesRemain', 'Some resources are remaining: pods. has 1 resource instances'],
      ['NamespaceFinalizersRemaining', 'False', 'ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
    ]);
    expect(namespace?.spec?.finalizers).toEqual(['kubernetes']);
    expect(world.store.count('ConfigMap')).toBe(0);
    world.store.transact(cause, (tx) => tx.remove('Pod', 'team', 'p'));
    await world.settle();
    expect(world.store.get('Namespace', '', 'team')).toBeUndefined();
  });

  it('say what holds them, and go when it lets go', async () => {
    world.create('Namespace', newNamespace('team'));
    const held = (name: string, ...finalizers: string[]): ConfigMap =>
      ConfigMap.fromPartial({ metadata: { name, namespace: 'team', finalizers } });
    world.create('ConfigMap', held('a', 'example.com/hold', 'example.com/other'));
    world.create('ConfigMap', held('b', 'example.com/hold'));
    await world.settle();
    world.store.transact(cause, (tx) => void tx.markDeleted('Namespace', '', 'team', 0));
    await world.settle();
    const messages = (): (string | undefined)[] =>
      world.store
        .get('Namespace', '', 'team')
        ?.status?.conditions.filter(({ status }) => status === 'True')
        .map(({ message }) => message) ?? [];
    expect(messages()).toEqual([
      'Some resources are remaining: configmaps. has 2 resource instances',
      'Some content in the namespace has finalizers remaining: example.com/hold in 2 resource instances (configmap/a, configmap/b), example.com/other in 1 resource instances (configmap/a)',
    ]);
    const release = (name: string, left: string[] = []): void =>
      void world.store.transact(cause, (tx) =>
        tx.edit('ConfigMap', 'team', name, (draft) => draft.metadata && (draft.metadata.finalizers = left)),
      );
    // One of several who hold it has let go: that is told at once.
    release('a', ['example.com/other']);
    await world.settle();
    expect(messages()[1]).toBe(
      'Some content in the namespace has finalizers remaining: example.com/other in 1 resource instances (configmap/a), example.com/hold in 1 resource instances (configmap/b)',
    );
    release('a');
    await world.settle();
    expect(messages()[1]).toContain('example.com/hold in 1 resource instances (configmap/b)');
    release('b');
    await world.settle();
    expect(world.store.get('Namespace', '', 'team')).toBeUndefined();
  });

  it('end whatever is in them: owners, what they own, and what is made meanwhile', async () => {
    world.create('Namespace', newNamespace('team'));
    const deployment = makeDeployment('web', { replicas: 5 });
    if (deployment.metadata !== undefined) deployment.metadata.namespace = 'team';
    world.create('Deployment', deployment);
    await world.settle();
    expect([...world.store.list('Pod', 'team')]).toHaveLength(5);
    world.store.transact(cause, (tx) => void tx.markDeleted('Namespace', '', 'team', 0));
    await world.settle();
    expect(world.store.get('Namespace', '', 'team')).toBeUndefined();
    expect([world.store.count('Deployment'), world.store.count('ReplicaSet'), world.store.count('Pod')]).toEqual([0, 0, 0]);
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
