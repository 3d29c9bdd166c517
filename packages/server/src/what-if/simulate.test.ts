// What would happen if nodes were lost or objects written: told pod by pod, from a copy; the real store is not touched.

import { SimulateResponse } from '@podplane/api/gen/podplane/api/v1/cluster';
import { Deployment } from '@podplane/api/gen/podplane/apps/v1/deployment';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Writer } from '../registry/registry.js';
import { simulateLoss, simulateWrites } from './simulate.js';
import { SmallWorld } from './testing/small-world.js';

let world: SmallWorld;
const admin: Writer = { identity: { kind: 'admin', name: 'admin' }, fieldManager: '', dryRun: false } as Writer;

beforeEach(async () => {
  world = await SmallWorld.open();
});
afterEach(() => world.store.close());

/** Names without what is made up. */
const plain = (text: string): string => text.replaceAll(/-[a-z0-9]{6,16}-[a-z0-9]{5}\b/g, '');
const told = ({ pods }: SimulateResponse): string[] =>
  pods
    .map(({ name, workload, state, node, newName, newNode, message }) =>
      [plain(name) || '-', workload || '-', state, node || '-', plain(newName) || '-', newNode || '-', message].join(' ').trim(),
    )
    .sort();

it('pods of a lost node move where the scheduler puts them, stay pending with the reason, or are lost with their budgets', async () => {
  world.node('n1', '4');
  world.workload('Deployment', 'web', 2, '1500m');
  await world.run();
  world.put('Pod', { metadata: { name: 'bare', namespace: 'default' }, spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] } });
  world.put('PodDisruptionBudget', {
    metadata: { name: 'web', namespace: 'default' },
    spec: { minAvailable: 1, selector: { matchLabels: { app: 'web' } } },
  });
  world.node('n2', '2');
  const revision = world.store.revision;
  const answer = await simulateLoss(world.parts(), ['n1']);
  const [bare, ...web] = told(answer);
  expect(bare).toBe('bare - lost n1 - - nobody makes it anew');
  expect(web[0]).toBe('web deployment/web moves n1 web n2');
  expect(web[1]).toMatch(/^web deployment\/web pending n1 web - 0\/2 nodes are available: .*cpu/);
  expect(answer.budgets).toMatchObject([{ name: 'web', desiredHealthy: 1, fewestHealthy: 0 }]);
  expect(answer).toMatchObject({ unchanged: 0, settled: true });
  expect(world.store.revision).toBe(revision);
});

it('a pod that waits for the end of a lease is told in an answer that can be sent, also by a clock that counts parts of ms', async () => {
  world.node('n1', '4');
  world.workload('StatefulSet', 'db', 1, '500m');
  await world.run();
  world.node('n2', '4');
  const { liveness, system, ...rest } = world.parts();
  const clock = { ...system.clock, monotonic: () => 1_234_567.891 };
  const leaseEnds = clock.monotonic() + 10_250.7;
  const parts = { ...rest, system: { ...system, clock }, liveness: { ...liveness, leaseOver: () => leaseEnds } };
  const answer = await simulateLoss(parts, ['n1']);
  expect(told(answer)).toEqual(['db-0 statefulset/db moves n1 db-0 n2']);
  expect(answer.elapsedMillis).toBeGreaterThan(10_000);
  expect(SimulateResponse.decode(SimulateResponse.encode(answer).finish())).toEqual(answer);
});

it('a pod whose set waits for another one to be Ready is not replaced, and not for want of knowing that it has ended', async () => {
  world.node('n1', '4');
  world.workload('StatefulSet', 'db', 2, '3');
  world.node('n2', '4');
  await world.run();
  const [first, second] = ['db-0', 'db-1'].map((name) => world.store.get('Pod', 'default', name)?.spec?.nodeName);
  expect(new Set([first, second]).size).toBe(2);
  world.store.transact({ actor: 'test', reason: 'test' }, (tx) => {
    tx.edit('Pod', 'default', 'db-0', ({ status }) => {
      for (const condition of status?.conditions ?? []) if (condition.type === 'Ready') condition.status = 'False';
    });
  });
  world.node('n3', '4');
  expect(told(await simulateLoss(world.parts(), [second ?? '']))).toEqual([
    `db-1 statefulset/db stays ${second} - - statefulset/db makes no other yet; does it wait for its other pods to be Ready?`,
  ]);
});

it('comes to rest also where a schedule starts a job each minute, which nobody asked about', async () => {
  world.node('n1', '4');
  world.node('n2', '4');
  world.put('CronJob', {
    metadata: { name: 'tick', namespace: 'default' },
    spec: {
      schedule: '* * * * *',
      jobTemplate: { spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'i' }] } } } },
    },
  });
  expect(await simulateLoss(world.parts(), ['n1'])).toMatchObject({ pods: [], settled: true });
});

it('a node that is not there cannot be lost, and none is no question', async () => {
  await expect(simulateLoss(world.parts(), ['n1'])).rejects.toMatchObject({ reason: 'NotFound' });
  await expect(simulateLoss(world.parts(), [])).rejects.toMatchObject({ reason: 'BadRequest' });
});

it('what is applied is admitted as always, rolled out, and told', async () => {
  world.node('n1', '4');
  world.workload('Deployment', 'web', 2, '500m');
  await world.run();
  const place = { kind: 'Deployment', namespace: 'default', name: 'web' } as const;
  const patch = (change: object) => ({ what: 'patch', place, patch: Buffer.from(JSON.stringify(change)) }) as const;
  const revision = world.store.revision;
  const bigger = await simulateWrites(world.parts(), [patch({ spec: { replicas: 9 } })], admin);
  const states = bigger.pods.map(({ state }) => state);
  expect([states.filter((one) => one === 'new').length, states.filter((one) => one === 'pending').length, bigger.unchanged]).toEqual([
    6, 1, 2,
  ]);
  const changed = await simulateWrites(
    world.parts(),
    [patch({ spec: { template: { metadata: { labels: { app: 'web', v: '2' } } } } }), patch({ spec: { replicas: 1 } })],
    admin,
  );
  expect(told(changed)).toEqual(['web deployment/web goes n1 - -', 'web deployment/web moves n1 web n1']);
  await expect(simulateWrites(world.parts(), [patch({ spec: { replicas: -1 } })], admin)).rejects.toMatchObject({ reason: 'Invalid' });
  const nowhere = Deployment.fromPartial({ metadata: { name: 'x', namespace: 'nowhere' } });
  await expect(
    simulateWrites(world.parts(), [{ what: 'create', object: { kind: 'Deployment', object: nowhere } }], admin),
  ).rejects.toMatchObject({
    reason: expect.stringMatching(/Invalid|NotFound/) as unknown,
  });
  expect(world.store.revision).toBe(revision);
});
