// Previews of drains: what the real controllers and scheduler do on a copy, told pod by pod; the real store is not touched.
import type { DrainOptions } from '@podplane/controllers/drain/request';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { previewDrain } from './drain-preview.js';
import { SmallWorld } from './testing/small-world.js';

const OPTIONS: DrainOptions = {
  ignoreDaemonSets: true,
  force: true,
  deleteEmptyDirData: true,
  disableEviction: false,
  podSelector: '',
  gracePeriodSeconds: undefined,
  skipWaitForDeleteSeconds: undefined,
  onTimeout: 'Stop',
};

let world: SmallWorld;

beforeEach(async () => {
  world = await SmallWorld.open();
});
afterEach(() => world.store.close());

const summary = async (name: string, options: Partial<DrainOptions> = {}): Promise<string[]> =>
  (await previewDrain(world.parts(), name, { ...OPTIONS, ...options }))
    .map(({ name: pod, state, newNode, newName, message }) => {
      const plain = (text: string): string => text.replaceAll(/-[a-z0-9]{6,16}-[a-z0-9]{5}\b/g, '');
      return [plain(pod), state, newNode, plain(newName), message].join(' ').trim();
    })
    .sort();

it('pods move to where the scheduler would put them; what fits nowhere is pending, with its numbers; bare pods are lost', async () => {
  world.node('n1', '4');
  world.workload('Deployment', 'web', 1, '500m');
  world.workload('StatefulSet', 'db', 1, '1500m');
  await world.run();
  world.node('n2', '1');
  world.put('Pod', { metadata: { name: 'bare', namespace: 'default' }, spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] } });
  const before = world.store.revision;
  const [bare, db, web] = await summary('n1');
  expect(bare).toBe('bare lost   nobody makes it anew');
  expect(db).toMatch(/^db-0 pending {2}db-0 0\/2 nodes are available/);
  expect(web).toBe('web moves n2 web');
  expect(world.store.revision).toBe(before);
  expect(world.store.get('Node', '', 'n1')?.spec?.unschedulable).toBeUndefined();
});

it("pods that have ended are told as such; what a schedule starts meanwhile takes nobody's place", async () => {
  world.node('n1', '4');
  world.put('CronJob', {
    metadata: { name: 'tick', namespace: 'default' },
    spec: {
      schedule: '* * * * *',
      jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } } },
    },
  });
  const owner = { apiVersion: 'batch/v1', kind: 'CronJob', name: 'tick', controller: true };
  const { uid } = world.store.get('CronJob', 'default', 'tick')?.metadata ?? {};
  world.put('Pod', {
    metadata: { name: 'done', namespace: 'default', ownerReferences: [{ ...owner, uid }] },
    spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] },
  });
  world.store.transact({ actor: 'test', reason: 'test' }, (tx) => {
    tx.edit('Pod', 'default', 'done', (draft) => draft.status && (draft.status.phase = 'Succeeded'));
  });
  world.node('n2', '4');
  expect(await summary('n1')).toEqual(['done ended   it has ended already']);
});

it('no pod moves to a node that is drained with its own', async () => {
  world.node('n1', '4');
  world.workload('Deployment', 'web', 1, '10m');
  await world.run();
  world.node('n2', '4');
  const both = { ...OPTIONS };
  expect((await previewDrain(world.parts(), 'n1', both))[0]).toMatchObject({ state: 'moves', newNode: 'n2' });
  expect((await previewDrain(world.parts(), 'n1', both, ['n2']))[0]).toMatchObject({ state: 'pending', newNode: '' });
  expect(await previewDrain(world.parts(), 'n2', both, ['n1'])).toEqual([]);
});

it('no replacement is told twice: not of pods of two nodes, nor of one that has been replaced already', async () => {
  world.node('n1', '1');
  world.workload('Deployment', 'web', 1, '500m');
  await world.run();
  world.node('n2', '1');
  world.node('n3', '500m');
  world.store.transact({ actor: 'test', reason: 'test' }, (tx) => {
    tx.edit('Deployment', 'default', 'web', (draft) => draft.spec && (draft.spec.replicas = 2));
    for (const { metadata } of tx.list('ReplicaSet'))
      tx.edit('ReplicaSet', 'default', metadata?.name ?? '', (draft) => draft.spec && (draft.spec.replicas = 2));
    const [pod] = tx.list('Pod');
    if (pod?.metadata === undefined || pod.spec === undefined) throw new Error('no pod');
    const { uid: _, ...metadata } = pod.metadata;
    tx.create('Pod', { ...pod, metadata: { ...metadata, name: 'web-second-aaaaa' }, spec: { ...pod.spec, nodeName: 'n2' } });
    tx.create('Pod', {
      ...pod,
      metadata: { ...metadata, name: 'a-leaving', finalizers: ['example.com/hold'] },
      spec: { ...pod.spec, nodeName: 'n2' },
    });
    tx.markDeleted('Pod', 'default', 'a-leaving', 0);
  });
  const both = [
    ...(await previewDrain(world.parts(), 'n1', OPTIONS, ['n2'])),
    ...(await previewDrain(world.parts(), 'n2', OPTIONS, ['n1'])),
  ];
  expect(both.map(({ name, state, newNode }) => [name.replace(/-.*-/, ' '), state, newNode])).toEqual([
    [expect.stringMatching(/^web /), 'moves', 'n3'],
    ['a-leaving', 'leaving', ''],
    ['web aaaaa', 'pending', ''],
  ]);
  expect(new Set(both.map(({ newName }) => newName)).size).toBe(3);
});

it('what a budget would never let go is blocked, with what it needs', async () => {
  world.node('n1', '4');
  world.node('n2', '4');
  world.workload('Deployment', 'web', 2, '10m');
  await world.run();
  world.put('PodDisruptionBudget', {
    metadata: { name: 'web', namespace: 'default' },
    spec: { minAvailable: 2, selector: { matchLabels: { app: 'web' } } },
  });
  expect([...(await summary('n1')), ...(await summary('n2'))]).toEqual([
    'web blocked   The disruption budget web needs 2 healthy pods and has 2 currently',
    'web blocked   The disruption budget web needs 2 healthy pods and has 2 currently',
  ]);
  world.store.transact({ actor: 'test', reason: 'test' }, (tx) => {
    tx.edit('PodDisruptionBudget', 'default', 'web', (draft) => draft.spec && (draft.spec.minAvailable = 1));
  });
  expect([...(await summary('n1')), ...(await summary('n2'))]).toEqual(['web moves n2 web', 'web moves n1 web']);
});
