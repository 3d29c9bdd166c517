// Deployments and their ReplicaSets on a real store: what users do. Properties are in rollout.property.test.ts.

import { isPodReady } from '@podplane/api/pod-state';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OwnerGcController } from '../owner-gc/controller.js';
import { ReplicaSetController } from '../replicaset/controller.js';
import type { Reconciler } from '../runtime/types.js';
import { makeDeployment, World } from '../testkit/world.js';
import { REVISION } from './annotations.js';
import { DeploymentController } from './controller.js';
import { conditionOf } from './status.js';

// Nodes are nobody's business here.
const workloads = (): Reconciler[] => [new OwnerGcController(), new ReplicaSetController(), new DeploymentController()];

let world: World;

beforeEach(async () => {
  world = await World.open(workloads);
});

afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

const images = (): string[] =>
  world
    .activePods()
    .map((pod) => pod.spec?.containers[0]?.image ?? '')
    .sort();
const setImage = (image: string): void =>
  world.edit('Deployment', 'web', (d) => {
    const container = d.spec?.template?.spec?.containers[0];
    if (container !== undefined) container.image = image;
  });
const scale = (replicas: number): void =>
  world.edit('Deployment', 'web', (d) => {
    if (d.spec !== undefined) d.spec.replicas = replicas;
  });
const readyCount = (): number => world.activePods().filter(isPodReady).length;
const progressing = (): string | undefined => conditionOf(world.deployment().status, 'Progressing')?.reason;

describe('a Deployment', () => {
  it('makes a set and its pods, and says when all are available', async () => {
    world.create('Deployment', makeDeployment('web', { replicas: 3 }));
    await world.settle();
    expect(world.deployment().status).toMatchObject({ replicas: 3, updatedReplicas: 3, unavailableReplicas: 3, observedGeneration: 1 });
    expect(conditionOf(world.deployment().status, 'Available')?.status).toBe('False');
    await world.converge();
    expect(world.deployment().status).toMatchObject({ replicas: 3, readyReplicas: 3, availableReplicas: 3, unavailableReplicas: 0 });
    expect(conditionOf(world.deployment().status, 'Available')).toMatchObject({ status: 'True', reason: 'MinimumReplicasAvailable' });
    expect(progressing()).toBe('NewReplicaSetAvailable');
    expect(world.deployment().metadata?.annotations[REVISION]).toBe('1');
    const [pod] = world.pods();
    expect(pod?.metadata?.name).toMatch(/^web-[a-z0-9]{10}-[a-z0-9]{5}$/);
    expect(pod?.metadata?.labels).toEqual({ app: 'web', 'pod-template-hash': world.sets()[0]?.metadata?.labels['pod-template-hash'] });
    expect(world.events.map((e) => e.message)).toContain(`Scaled up replica set ${world.sets()[0]?.metadata?.name} from 0 to 3`);
  });

  it('rests when all is as asked for: no more writes', async () => {
    world.create('Deployment', makeDeployment());
    await world.converge();
    const { revision } = world.store;
    world.start(workloads);
    await world.system.advance(5000);
    expect(world.store.revision).toBe(revision);
  });

  it('replaces a deleted pod at once, in the turn of its deletion', async () => {
    world.create('Deployment', makeDeployment('web', { replicas: 2 }));
    await world.converge();
    const [victim] = world.pods();
    world.store.transact(
      { actor: 'user:x', reason: 'delete' },
      (tx) => void tx.markDeleted('Pod', 'default', victim?.metadata?.name ?? '', 30),
    );
    await world.settle();
    expect(world.activePods()).toHaveLength(2);
    expect(world.pods()).toHaveLength(3);
  });

  it('rolls a new template out within its bounds, and keeps the old set for its history', async () => {
    world.create('Deployment', makeDeployment('web', { replicas: 4, maxSurge: 1, maxUnavailable: 1 }));
    await world.converge();
    setImage('v2');
    await world.settle();
    expect(world.activePods().length).toBeLessThanOrEqual(5);
    expect(readyCount()).toBeGreaterThanOrEqual(3);
    await world.converge();
    expect(images()).toEqual(['v2', 'v2', 'v2', 'v2']);
    expect(
      world
        .sets()
        .map((set) => `${set.spec?.replicas} of ${set.metadata?.annotations[REVISION]}`)
        .sort(),
    ).toEqual(['0 of 1', '4 of 2']);
    expect(world.deployment().metadata?.annotations[REVISION]).toBe('2');
  });

  it('goes back to an old template with its old set, under a new revision', async () => {
    world.create('Deployment', makeDeployment());
    await world.converge();
    setImage('v2');
    await world.converge();
    setImage('v1');
    await world.converge();
    expect(world.sets()).toHaveLength(2);
    const back = world.sets().find((set) => set.spec?.replicas === 3);
    expect(back?.metadata?.annotations).toMatchObject({ [REVISION]: '3', 'deployment.kubernetes.io/revision-history': '1' });
  });

  it('keeps no more old sets than its history limit', async () => {
    world.create('Deployment', makeDeployment('web', { history: 2 }));
    for (const image of ['v1', 'v2', 'v3', 'v4', 'v5']) {
      setImage(image);
      await world.converge();
    }
    expect(
      world
        .sets()
        .map((set) => set.metadata?.annotations[REVISION] ?? '')
        .sort(),
    ).toEqual(['3', '4', '5']);
  });

  it('stops a broken rollout before too much is gone, and says so after its deadline', async () => {
    world.create('Deployment', makeDeployment('web', { replicas: 4, maxSurge: 1, maxUnavailable: 1, deadline: 60 }));
    await world.converge();
    setImage('broken');
    for (let i = 0; i < 5; i++) {
      await world.settle();
      world.reap();
    }
    expect(readyCount()).toBe(3);
    expect(world.activePods()).toHaveLength(5);
    expect(progressing()).toBe('ReplicaSetUpdated');
    await world.system.advance(61_000);
    expect(conditionOf(world.deployment().status, 'Progressing')).toMatchObject({ status: 'False', reason: 'ProgressDeadlineExceeded' });
    setImage('v2');
    await world.converge();
    expect(images()).toEqual(['v2', 'v2', 'v2', 'v2']);
    expect(progressing()).toBe('NewReplicaSetAvailable');
  });

  it('scales in the middle of a rollout by shares', async () => {
    world.create('Deployment', makeDeployment('web', { replicas: 10, maxSurge: 3, maxUnavailable: 2 }));
    await world.converge();
    setImage('v2');
    for (let i = 0; i < 4; i++) {
      await world.settle();
      world.reap();
    }
    const sizes = (): number[] =>
      world
        .sets()
        .map((set) => set.spec?.replicas ?? 0)
        .sort((a, b) => b - a);
    expect(sizes()).toEqual([8, 5]);
    scale(20);
    await world.settle();
    // 23 pods are allowed then: 10 more, shared 8 : 5.
    expect(sizes()).toEqual([14, 9]);
    await world.converge();
    expect(images()).toEqual(Array.from({ length: 20 }, () => 'v2'));
  });

  it('scales down to nothing and up again', async () => {
    world.create('Deployment', makeDeployment());
    await world.converge();
    scale(0);
    await world.converge();
    expect(world.pods()).toEqual([]);
    scale(5);
    await world.converge();
    expect(readyCount()).toBe(5);
    expect(world.sets()).toHaveLength(1);
  });

  it('does nothing but scale while paused', async () => {
    world.create('Deployment', makeDeployment());
    await world.converge();
    world.edit('Deployment', 'web', (d) => {
      if (d.spec !== undefined) d.spec.paused = true;
    });
    await world.settle();
    expect(progressing()).toBe('DeploymentPaused');
    setImage('v2');
    scale(4);
    await world.converge();
    expect(images()).toEqual(['v1', 'v1', 'v1', 'v1']);
    world.edit('Deployment', 'web', (d) => {
      if (d.spec !== undefined) d.spec.paused = false;
    });
    await world.converge();
    expect(images()).toEqual(['v2', 'v2', 'v2', 'v2']);
  });

  it('recreates: no new pod before the last old one is gone', async () => {
    world.create('Deployment', makeDeployment('web', { recreate: true }));
    await world.converge();
    setImage('v2');
    await world.settle();
    await world.settle();
    expect(images()).toEqual([]);
    expect(world.pods()).toHaveLength(3);
    world.reap();
    await world.settle();
    expect(images()).toEqual(['v2', 'v2', 'v2']);
  });

  it('waits minReadySeconds before a pod counts as available', async () => {
    world.create('Deployment', makeDeployment('web', { replicas: 1, minReadySeconds: 30 }));
    await world.settle();
    for (const pod of world.pods()) world.run(pod);
    await world.system.advance(29_000);
    expect(world.deployment().status).toMatchObject({ readyReplicas: 1, availableReplicas: 0 });
    await world.system.advance(1100);
    expect(world.deployment().status).toMatchObject({ readyReplicas: 1, availableReplicas: 1 });
  });

  it('adopts a set that nobody controls, and takes another name where its own is taken', async () => {
    world.create('Deployment', makeDeployment());
    await world.converge();
    const [set] = world.sets();
    const uid = set?.metadata?.uid;
    world.edit('ReplicaSet', set?.metadata?.name ?? '', (draft) => {
      if (draft.metadata !== undefined) draft.metadata.ownerReferences = [];
    });
    await world.converge();
    expect(world.sets().map((one) => [one.metadata?.uid, one.metadata?.ownerReferences[0]?.kind])).toEqual([[uid, 'Deployment']]);
    // A set of that name which belongs to somebody else.
    const other = await World.open(workloads);
    try {
      other.create('ReplicaSet', {
        apiVersion: 'apps/v1',
        kind: 'ReplicaSet',
        metadata: {
          name: set?.metadata?.name ?? '',
          namespace: 'default',
          labels: {},
          annotations: {},
          ownerReferences: [],
          finalizers: [],
          managedFields: [],
        },
        spec: { replicas: 0 },
      });
      other.create('Deployment', makeDeployment());
      await other.converge();
      expect(other.deployment().status).toMatchObject({ collisionCount: 1, availableReplicas: 3 });
      expect(other.errors).toEqual([]);
    } finally {
      await other.close();
    }
  });

  it('adopts matching pods, and lets go of those whose labels no longer match', async () => {
    world.create('Deployment', makeDeployment('web', { replicas: 2 }));
    await world.converge();
    const [first] = world.pods();
    world.edit('Pod', first?.metadata?.name ?? '', (draft) => {
      if (draft.metadata !== undefined) draft.metadata.labels = { quarantine: 'yes' };
    });
    await world.converge();
    expect(world.pods()).toHaveLength(3);
    expect(world.store.get('Pod', 'default', first?.metadata?.name ?? '')?.metadata?.ownerReferences).toEqual([]);
    world.edit('Pod', first?.metadata?.name ?? '', (draft) => {
      if (draft.metadata !== undefined) draft.metadata.labels = { ...first?.metadata?.labels };
    });
    await world.converge();
    expect(world.pods()).toHaveLength(2);
  });

  it('replaces pods that failed', async () => {
    world.create('Deployment', makeDeployment('web', { replicas: 2 }));
    await world.converge();
    world.edit('Pod', world.pods()[0]?.metadata?.name ?? '', (draft) => {
      if (draft.status !== undefined) draft.status.phase = 'Failed';
    });
    await world.converge();
    expect(readyCount()).toBe(2);
    expect(world.pods()).toHaveLength(3);
  });

  it('makes 1200 pods in bursts', async () => {
    world.create('Deployment', makeDeployment('web', { replicas: 1200 }));
    await world.settle();
    expect(world.pods()).toHaveLength(1200);
    expect(new Set(world.pods().map((pod) => pod.spec)).size).toBe(1);
  });
});

it('does not grow the new set before the old one has acted on its smaller size', async () => {
  world.start(() => [new DeploymentController()]);
  world.create('Deployment', makeDeployment('web', { replicas: 4, maxSurge: 1, maxUnavailable: 0 }));
  await world.settle();
  /** As its controller would: what the set has now. */
  const observed = async (image: string, replicas: number): Promise<void> => {
    const set = world.sets().find(({ spec }) => spec?.template?.spec?.containers[0]?.image === image);
    world.edit('ReplicaSet', set?.metadata?.name ?? '', (draft) => {
      draft.status = {
        replicas,
        readyReplicas: replicas,
        availableReplicas: replicas,
        observedGeneration: draft.metadata?.generation,
        conditions: [],
      };
    });
    await world.settle();
  };
  const sizes = (): Record<string, number | undefined> =>
    Object.fromEntries(world.sets().map(({ spec }) => [spec?.template?.spec?.containers[0]?.image ?? '', spec?.replicas]));
  await observed('v1', 4);
  setImage('v2');
  await world.settle();
  await observed('v2', 1);
  expect(sizes()).toEqual({ v1: 3, v2: 1 });
  await observed('v1', 3);
  expect(sizes()).toEqual({ v1: 3, v2: 2 });
});
