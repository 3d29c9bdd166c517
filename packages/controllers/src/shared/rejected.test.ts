// Pods that no node takes: their workloads make the next ones ever more seldom, and at once where something about them was changed.
import type { Obj } from '@podplane/api/kinds/kind-map';
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

const template = (): unknown => ({
  metadata: { labels: { app: 'a' } },
  spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'v1' }] },
});
const uidOf = (pod: Obj<'Pod'>): string => pod.metadata?.uid ?? '';

/** The node refuses what it was just given. Returns how many there were. */
async function reject(reason = 'OutOfcpu'): Promise<number> {
  const fresh = world.pods().filter((pod) => pod.status?.phase !== 'Failed' && pod.metadata?.deletionTimestamp === undefined);
  for (const pod of fresh) {
    world.edit('Pod', pod.metadata?.name ?? '', (draft) => {
      draft.status = { ...(draft.status ?? emptyStatus()), phase: 'Failed', reason, containerStatuses: [], initContainerStatuses: [] };
    });
  }
  await world.settle();
  return fresh.length;
}

const emptyStatus = (): NonNullable<Parameters<Parameters<typeof world.edit<'Pod'>>[2]>[0]['status']> => ({
  conditions: [],
  hostIPs: [],
  podIPs: [],
  initContainerStatuses: [],
  containerStatuses: [],
  ephemeralContainerStatuses: [],
  resourceClaimStatuses: [],
});

/** Ms until pods are made again, to the next 100. */
async function untilNext(): Promise<number> {
  const known = new Set(world.pods().map(uidOf));
  for (let waited = 0; waited < 400_000; waited += 100) {
    if (world.pods().some((pod) => !known.has(uidOf(pod)))) return waited;
    world.beat('n1');
    await world.system.advance(100);
  }
  return Number.POSITIVE_INFINITY;
}

it.each(['ReplicaSet', 'ReplicationController'] as const)('of a %s: after 1 s, 2 s, 4 s, up to five minutes', async (kind) => {
  const selector = kind === 'ReplicaSet' ? { matchLabels: { app: 'a' } } : { app: 'a' };
  world.apply(kind, { metadata: { name: 'w', namespace: 'default' }, spec: { replicas: 3, selector, template: template() } });
  await world.settle();
  const waits: number[] = [];
  for (let i = 0; i < 11; i++) {
    expect(await reject()).toBe(3);
    waits.push(await untilNext());
  }
  expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].map((seconds) => seconds * 1000));
  // Some that run meanwhile change nothing, nor do those that ran and failed.
  await reject();
  world.edit(kind, 'w', (draft) => void (draft.spec && (draft.spec.replicas = 4)));
  await world.settle();
  expect(await reject()).toBe(4);
  expect(await untilNext()).toBe(1000);
});

it('of a StatefulSet: each pod on its own; one of a new template at once', async () => {
  world.apply('StatefulSet', {
    metadata: { name: 'db', namespace: 'default' },
    spec: {
      replicas: 2,
      podManagementPolicy: 'Parallel',
      serviceName: 'db',
      selector: { matchLabels: { app: 'a' } },
      template: template(),
    },
  });
  await world.settle();
  const waits: number[] = [];
  for (let i = 0; i < 4; i++) {
    await reject();
    const from = world.system.clock.monotonic();
    for (let waited = 0; waited < 60_000 && world.pods().every((pod) => pod.status?.phase === 'Failed'); waited += 100) {
      world.beat('n1');
      await world.system.advance(100);
      world.reap();
      await world.settle();
    }
    waits.push(world.system.clock.monotonic() - from);
  }
  expect(waits).toEqual([1000, 2000, 4000, 8000]);
  await reject();
  world.edit('StatefulSet', 'db', ({ spec }) => Object.assign(spec?.template?.spec?.containers[0] ?? {}, { image: 'v2' }));
  await world.settle();
  world.reap();
  await world.settle();
  expect(world.pods().map((pod) => pod.spec?.containers[0]?.image)).toEqual(['v2', 'v2']);
});
