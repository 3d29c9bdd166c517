// Previews of drains: what the real controllers and scheduler do on a copy, told pod by pod; the real store is not touched.
import { kindInfo } from '@podplane/api/kinds/catalogue';
import type { Kind } from '@podplane/api/kinds/kind-map';
import type { DrainOptions } from '@podplane/controllers/drain/request';
import type { NodeLiveness } from '@podplane/controllers/runtime/types';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { MemoryJournal } from '@podplane/store/journals/memory';
import { createStore } from '@podplane/store/store';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import type { Store } from '@podplane/store/types';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { previewDrain } from './drain-preview.js';
import { WhatIf, type WhatIfParts } from './what-if.js';

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

// A preview takes turns of the real world; here that world is a clock that stands still.
const system = new HandSystem();
const real = {
  clock: system.clock,
  random: system.random,
  timers: { ...system.timers, soon: (fn: () => void) => void setImmediate(fn) },
};
let store: Store;

const liveness: NodeLiveness = {
  lastHeard: () => 0,
  lastHeardWall: () => 0,
  connected: () => true,
  saidGoodbye: () => false,
  leaseOver: () => 15_000,
  servingSince: 0,
  stallCredit: 0,
};
const parts = (): WhatIfParts => ({ view: store, system: real, liveness });

function put(kind: Kind, manifest: Record<string, unknown>): void {
  const info = kindInfo<Kind>(kind);
  const object = info.codec.fromJSON(manifest);
  info.setDefaults(object);
  info.prepareForCreate(object, system.clock.now());
  store.transact({ actor: 'test', reason: 'test' }, (tx) => void tx.create<Kind>(kind, object));
}

function node(name: string, cpu: string): void {
  const capacity = { cpu, memory: '8Gi', pods: '110' };
  store.transact({ actor: 'test', reason: 'test' }, (tx) => {
    const object = kindInfo('Node').codec.fromJSON({
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name },
      spec: {},
      status: { capacity, allocatable: capacity, conditions: [{ type: 'Ready', status: 'True' }] },
    });
    tx.create('Node', object);
  });
}

function workload(kind: 'Deployment' | 'StatefulSet', name: string, replicas: number, cpu: string): void {
  put(kind, {
    apiVersion: 'apps/v1',
    kind,
    metadata: { name, namespace: 'default' },
    spec: {
      replicas,
      serviceName: name,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu } } }] },
      },
    },
  });
}

beforeEach(async () => {
  store = await createStore({ system, journal: new MemoryJournal(), codecs: catalogueCodecs });
  put('Namespace', { metadata: { name: 'default' } });
});
afterEach(() => store.close());

/** Makes the copy's outcome the real state: the quickest way to a cluster whose pods run. */
async function run(): Promise<void> {
  await using world = new WhatIf(parts());
  await world.run(60_000, () => false, 10_000);
  store.transact({ actor: 'test', reason: 'test' }, (tx) => {
    for (const kind of ['ReplicaSet', 'Pod'] as const) {
      for (const object of world.store.list<Kind>(kind)) tx.create<Kind>(kind, object);
    }
  });
  // The controllers' references name the copy's uids.
  store.transact({ actor: 'test', reason: 'test' }, (tx) => {
    const uids = new Map<string, string>();
    for (const kind of ['ReplicaSet', 'StatefulSet', 'Deployment'] as const)
      for (const { metadata } of tx.list<Kind>(kind)) uids.set(`${kind}/${metadata?.name}`, metadata?.uid ?? '');
    for (const kind of ['ReplicaSet', 'Pod'] as const) {
      for (const { metadata } of Array.from(tx.list<Kind>(kind))) {
        tx.edit<Kind>(kind, 'default', metadata?.name ?? '', (draft) => {
          for (const owner of draft.metadata?.ownerReferences ?? []) owner.uid = uids.get(`${owner.kind}/${owner.name}`) ?? owner.uid;
        });
      }
    }
  });
}

const summary = async (name: string, options: Partial<DrainOptions> = {}): Promise<string[]> =>
  (await previewDrain(parts(), name, { ...OPTIONS, ...options }))
    .map(({ name: pod, state, newNode, newName, message }) => {
      const plain = (text: string): string => text.replaceAll(/-[a-z0-9]{6,16}-[a-z0-9]{5}\b/g, '');
      return [plain(pod), state, newNode, plain(newName), message].join(' ').trim();
    })
    .sort();

it('pods move to where the scheduler would put them; what fits nowhere is pending, with its numbers; bare pods are lost', async () => {
  node('n1', '4');
  workload('Deployment', 'web', 1, '500m');
  workload('StatefulSet', 'db', 1, '1500m');
  await run();
  node('n2', '1');
  put('Pod', { metadata: { name: 'bare', namespace: 'default' }, spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] } });
  const before = store.revision;
  const [bare, db, web] = await summary('n1');
  expect(bare).toBe('bare lost   nobody makes it anew');
  expect(db).toMatch(/^db-0 pending {2}db-0 0\/2 nodes are available/);
  expect(web).toBe('web moves n2 web');
  expect(store.revision).toBe(before);
  expect(store.get('Node', '', 'n1')?.spec?.unschedulable).toBeUndefined();
});

it('what a budget would never let go is blocked, with what it needs', async () => {
  node('n1', '4');
  node('n2', '4');
  workload('Deployment', 'web', 2, '10m');
  await run();
  put('PodDisruptionBudget', {
    metadata: { name: 'web', namespace: 'default' },
    spec: { minAvailable: 2, selector: { matchLabels: { app: 'web' } } },
  });
  expect([...(await summary('n1')), ...(await summary('n2'))]).toEqual([
    'web blocked   The disruption budget web needs 2 healthy pods and has 2 currently',
    'web blocked   The disruption budget web needs 2 healthy pods and has 2 currently',
  ]);
  store.transact({ actor: 'test', reason: 'test' }, (tx) => {
    tx.edit('PodDisruptionBudget', 'default', 'web', (draft) => draft.spec && (draft.spec.minAvailable = 1));
  });
  expect([...(await summary('n1')), ...(await summary('n2'))]).toEqual(['web moves n2 web', 'web moves n1 web']);
});
