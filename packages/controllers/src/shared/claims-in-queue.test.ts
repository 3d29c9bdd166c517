// Controllers that look at all pods of a workload only when it may have pods to take or to let go: that they do so too where a look that knows
// nothing of it waits already.
import { afterEach, expect, it } from 'vitest';
import { makeDeployment, World } from '../testkit/world.js';

let world: World;
afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

it('a pod of a ReplicaSet that is relabelled right after another change of the set is let go and replaced', async () => {
  world = await World.open();
  world.addNode('n1');
  world.create('Deployment', makeDeployment('web', { replicas: 2 }));
  await world.settle();
  const [set] = [...world.store.list('ReplicaSet')];
  const [pod] = world.activePods();
  const name = pod?.metadata?.name ?? '';
  world.edit('ReplicaSet', set?.metadata?.name ?? '', (draft) => void (draft.metadata && (draft.metadata.annotations['note'] = 'x')));
  world.edit('Pod', name, (draft) => void (draft.metadata && (draft.metadata.labels = { app: 'looked-at' })));
  await world.settle();
  expect(world.get('Pod', name).metadata?.ownerReferences).toEqual([]);
  expect(world.activePods()).toHaveLength(3);
});

it('a pod of a Job that is relabelled right after another change of the job is let go and replaced', async () => {
  world = await World.open();
  world.addNode('n1');
  world.apply('Job', {
    metadata: { name: 'sum', namespace: 'default' },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'v1' }] } } },
  });
  await world.settle();
  const name = world.activePods()[0]?.metadata?.name ?? '';
  world.edit('Job', 'sum', (draft) => void (draft.metadata && (draft.metadata.annotations['note'] = 'x')));
  world.edit('Pod', name, (draft) => void (draft.metadata && (draft.metadata.labels = { app: 'looked-at' })));
  await world.settle();
  expect(world.get('Pod', name).metadata?.ownerReferences).toEqual([]);
  expect(world.activePods()).toHaveLength(2);
});
