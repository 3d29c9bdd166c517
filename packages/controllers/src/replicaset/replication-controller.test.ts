// ReplicationControllers: the same controller as for ReplicaSets, with plain labels as selector. What only they have is tested here.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { World } from '../testkit/world.js';

let world: World;

beforeEach(async () => {
  world = await World.open();
  world.addNode('n1');
});

afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

const manifest = (replicas: number): unknown => ({
  metadata: { name: 'old', namespace: 'default' },
  spec: {
    replicas,
    template: { metadata: { labels: { app: 'old' } }, spec: { containers: [{ name: 'c', image: 'v1' }] } },
  },
});

const controller = () => world.get('ReplicationController', 'old');

it('makes pods, counts them, scales both ways, and takes them along when it is deleted', async () => {
  world.apply('ReplicationController', manifest(3));
  await world.converge();
  expect(controller().status).toMatchObject({
    replicas: 3,
    fullyLabeledReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    observedGeneration: 1,
  });
  expect(world.pods()[0]?.metadata?.ownerReferences).toMatchObject([
    { apiVersion: 'v1', kind: 'ReplicationController', name: 'old', controller: true },
  ]);
  expect(world.events.filter(({ reason }) => reason === 'SuccessfulCreate')[0]).toMatchObject({
    controller: 'replication',
    regarding: { kind: 'ReplicationController' },
  });
  world.edit('ReplicationController', 'old', (draft) => void (draft.spec && (draft.spec.replicas = 1)));
  await world.converge();
  expect([world.activePods().length, controller().status?.replicas]).toEqual([1, 1]);
  world.edit('ReplicationController', 'old', (draft) => void (draft.spec && (draft.spec.replicas = 0)));
  await world.converge();
  expect(world.pods()).toEqual([]);
  world.edit('ReplicationController', 'old', (draft) => void (draft.spec && (draft.spec.replicas = 2)));
  await world.converge();
  world.store.transact({ actor: 'u', reason: 'r' }, (tx) => void tx.markDeleted('ReplicationController', 'default', 'old', 0));
  await world.converge();
  expect(world.pods()).toEqual([]);
});

it('adopts by its labels, releases by them, and follows when its selector changes', async () => {
  const template = { metadata: { labels: { app: 'old', tier: 'a' } }, spec: { containers: [{ name: 'c', image: 'v1' }] } };
  world.apply('Pod', { metadata: { name: 'stray', namespace: 'default', labels: { app: 'old' } }, spec: template.spec });
  world.apply('ReplicationController', {
    metadata: { name: 'old', namespace: 'default' },
    spec: { replicas: 2, selector: { app: 'old' }, template },
  });
  await world.converge();
  expect(world.pods()).toHaveLength(2);
  expect(controller().status).toMatchObject({ replicas: 2, fullyLabeledReplicas: 1 });
  world.edit('ReplicationController', 'old', (draft) => void (draft.spec && (draft.spec.selector = { app: 'old', tier: 'a' })));
  await world.converge();
  expect(world.get('Pod', 'stray').metadata?.ownerReferences).toEqual([]);
  expect(controller().status).toMatchObject({ replicas: 2, fullyLabeledReplicas: 2 });
  expect(world.pods()).toHaveLength(3);
});

it('replaces pods of a lost node, and drops the lost ones when the others are ready', async () => {
  world.addNode('n2');
  world.apply('ReplicationController', manifest(1));
  await world.settle();
  const [pod] = world.pods();
  if (pod === undefined) throw new Error('no pod');
  world.run(pod, true, 'n2');
  await world.pass(2000);
  world.liveness.sessions.delete('n2');
  await world.pass(60_000);
  expect(world.get('Pod', pod.metadata?.name ?? '').status?.reason).toBe('NodeLost');
  expect(world.activePods()).toHaveLength(1);
  await world.converge();
  expect(world.activePods()).toHaveLength(1);
  expect(world.activePods()[0]?.metadata?.uid).not.toBe(pod.metadata?.uid);
});
