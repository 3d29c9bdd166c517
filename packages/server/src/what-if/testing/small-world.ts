// For tests of what-if: a small cluster in memory that the real controllers have brought to rest. Nothing else uses it.
import { kindInfo } from '@podplane/api/kinds/catalogue';
import type { Kind } from '@podplane/api/kinds/kind-map';
import type { NodeLiveness } from '@podplane/controllers/runtime/types';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { MemoryJournal } from '@podplane/store/journals/memory';
import { createStore } from '@podplane/store/store';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import type { Store } from '@podplane/store/types';
import { WhatIf, type WhatIfParts } from '../what-if.js';

// A preview takes turns of the real world; here that world is a clock that stands still.
const system = new HandSystem();
const real = {
  clock: system.clock,
  random: system.random,
  timers: { ...system.timers, soon: (fn: () => void) => void setImmediate(fn) },
};

const liveness: NodeLiveness = {
  lastHeard: () => 0,
  lastHeardWall: () => 0,
  connected: () => true,
  saidGoodbye: () => false,
  leaseOver: () => 15_000,
  servingSince: 0,
  stallCredit: 0,
};

export class SmallWorld {
  private constructor(readonly store: Store) {}

  static async open(): Promise<SmallWorld> {
    const world = new SmallWorld(await createStore({ system, journal: new MemoryJournal(), codecs: catalogueCodecs }));
    world.put('Namespace', { metadata: { name: 'default' } });
    return world;
  }

  parts(): WhatIfParts {
    return { view: this.store, system: real, liveness };
  }

  put(kind: Kind, manifest: Record<string, unknown>): void {
    const info = kindInfo<Kind>(kind);
    const object = info.codec.fromJSON(manifest);
    info.setDefaults(object);
    info.prepareForCreate(object, system.clock.now());
    this.store.transact({ actor: 'test', reason: 'test' }, (tx) => void tx.create<Kind>(kind, object));
  }

  node(name: string, cpu: string): void {
    const capacity = { cpu, memory: '8Gi', pods: '110' };
    this.store.transact({ actor: 'test', reason: 'test' }, (tx) => {
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

  workload(kind: 'Deployment' | 'StatefulSet', name: string, replicas: number, cpu: string): void {
    this.put(kind, {
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

  /** Makes the copy's outcome the real state: the quickest way to a cluster whose pods run. */
  async run(): Promise<void> {
    await using world = new WhatIf(this.parts());
    await world.run(60_000, () => false, 10_000);
    this.store.transact({ actor: 'test', reason: 'test' }, (tx) => {
      for (const kind of ['ReplicaSet', 'Pod'] as const) {
        for (const object of world.store.list<Kind>(kind)) tx.create<Kind>(kind, object);
      }
    });
    // The controllers' references name the copy's uids.
    this.store.transact({ actor: 'test', reason: 'test' }, (tx) => {
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
}
