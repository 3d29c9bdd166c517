// What a node is told, against what it must know: a node that applies everything it is sent knows exactly its own pods and what they name.
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { Node } from '@podplane/api/gen/podplane/core/v1/node';
import { PersistentVolume } from '@podplane/api/gen/podplane/core/v1/persistent_volume';
import { PersistentVolumeClaim } from '@podplane/api/gen/podplane/core/v1/persistent_volume_claim';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Assignments } from '@podplane/api/gen/podplane/node/v1/session';
import { DATA_PROTECTION, RECLAIM_NODE } from '@podplane/api/storage/words';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { memoryJournal } from '@podplane/store/journals/memory';
import { createStore } from '@podplane/store/store';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import type { Store, Tx } from '@podplane/store/types';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AssignmentRouter } from './router.js';

/** A node as the protocol wants it: applies differences, notices gaps. */
class Model {
  readonly pods = new Map<string, string>();
  readonly configMaps = new Map<string, string>();
  messages = 0;
  gaps = 0;
  private revision = -1;

  apply(message: Assignments): void {
    this.messages++;
    if (message.complete) {
      this.pods.clear();
      this.configMaps.clear();
    } else if (message.from !== this.revision) this.gaps++;
    this.revision = message.to;
    for (const uid of message.removedPodUids) this.pods.delete(uid);
    for (const { metadata } of message.pods) this.pods.set(metadata?.uid ?? '', metadata?.labels['v'] ?? '');
    for (const reference of message.removedReferences) this.configMaps.delete(reference);
    for (const { metadata, data } of message.configMaps)
      this.configMaps.set(`ConfigMap/${metadata?.namespace}/${metadata?.name}`, data['v'] ?? '');
  }
}

/** What the node must know now. */
function truth(store: Store, node: string): { pods: Map<string, string>; configMaps: Map<string, string> } {
  const pods = new Map<string, string>();
  const configMaps = new Map<string, string>();
  for (const { metadata, spec } of store.index('Pod', 'node', node)) {
    pods.set(metadata?.uid ?? '', metadata?.labels['v'] ?? '');
    for (const { configMapRef } of spec?.containers[0]?.envFrom ?? []) {
      const configMap = store.get('ConfigMap', 'default', configMapRef?.name ?? '');
      if (configMap !== undefined) configMaps.set(`ConfigMap/default/${configMapRef?.name}`, configMap.data['v'] ?? '');
    }
  }
  return { pods, configMaps };
}

type Step =
  | { readonly do: 'pod'; readonly name: number; readonly node: number; readonly uses: number }
  | { readonly do: 'change' | 'remove'; readonly name: number }
  | { readonly do: 'map' | 'unmap'; readonly name: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'block' | 'drain' | 'resync' };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('pod' as const), name: fc.nat(5), node: fc.nat(1), uses: fc.nat(2) }),
  fc.record({ do: fc.constantFrom('change' as const, 'remove' as const), name: fc.nat(5) }),
  fc.record({ do: fc.constantFrom('map' as const, 'unmap' as const), name: fc.nat(2) }),
  fc.record({ do: fc.constant('wait' as const), ms: fc.nat(150) }),
  fc.record({ do: fc.constantFrom('block' as const, 'drain' as const, 'resync' as const) }),
);

let value = 0;

function write(store: Store, one: Step): void {
  store.transact({ actor: 'test', reason: one.do }, (tx) => {
    const name = 'name' in one ? `x${one.name}` : '';
    const v = String(++value);
    const pod = tx.get('Pod', 'default', name);
    const configMap = tx.get('ConfigMap', 'default', name);
    if (one.do === 'pod' && pod === undefined) {
      const container = { name: 'c', image: 'i', envFrom: [{ configMapRef: { name: `x${one.uses}` } }] };
      tx.create(
        'Pod',
        Pod.fromPartial({
          metadata: { name, namespace: 'default', labels: { v } },
          spec: { nodeName: `n${one.node}`, containers: [container] },
        }),
      );
    }
    if (one.do === 'change' && pod !== undefined)
      tx.edit('Pod', 'default', name, ({ metadata }) => Object.assign(metadata?.labels ?? {}, { v }));
    if (one.do === 'remove' && pod !== undefined) tx.remove('Pod', 'default', name);
    if (one.do === 'map' && configMap === undefined)
      tx.create('ConfigMap', ConfigMap.fromPartial({ metadata: { name, namespace: 'default' }, data: { v } }));
    else if (one.do === 'map') tx.edit('ConfigMap', 'default', name, (draft) => void (draft.data['v'] = v));
    if (one.do === 'unmap' && configMap !== undefined) tx.remove('ConfigMap', 'default', name);
  });
}

describe('a feed', () => {
  it('brings a node to what it must know, whatever happens and however slowly it reads', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 90, size: 'max' }), async (steps) => {
        const system = new HandSystem();
        const store = await createStore({ system, journal: memoryJournal(), codecs: catalogueCodecs });
        const router = new AssignmentRouter(store, system);
        const model = new Model();
        let blocked = false;
        let full = false;
        const feed = router.open('n0', {
          send: (message) => {
            expect(full).toBe(false);
            model.apply(message);
            full = blocked;
            return !full;
          },
          stuck: () => undefined,
        });
        for (const one of steps) {
          if (one.do === 'wait') await settle(store, system, one.ms);
          else if (one.do === 'block') blocked = true;
          else if (one.do === 'resync') feed.markAll();
          else if (one.do === 'drain') {
            blocked = full = false;
            feed.drained();
          } else write(store, one);
        }
        blocked = full = false;
        feed.drained();
        await settle(store, system, 500);
        expect({ pods: model.pods, configMaps: model.configMaps }).toEqual(truth(store, 'n0'));
        expect(model.gaps).toBe(0);
        router[Symbol.dispose]();
        await store.close();
      }),
      { numRuns: 200 },
    );
  });
});

/** Lets the journal work and time pass. */
async function settle(store: Store, system: HandSystem, ms: number): Promise<void> {
  await store.durable(store.revision);
  await system.advance(ms);
}

describe('the timing of a feed', () => {
  it('sends a first change at once, what follows in batches that wait for a quiet moment but not longer than 100 ms', async () => {
    const system = new HandSystem();
    const store = await createStore({ system, journal: memoryJournal(), codecs: catalogueCodecs });
    const router = new AssignmentRouter(store, system);
    const times: number[] = [];
    const feed = router.open('n0', {
      send: () => {
        times.push(system.clock.monotonic());
        return true;
      },
      stuck: () => undefined,
    });
    await settle(store, system, 1000);
    for (let i = 0; i < 30; i++) {
      write(store, { do: i === 0 ? 'pod' : 'change', name: 0, node: 0, uses: 0 } as Step);
      await settle(store, system, 10);
    }
    await settle(store, system, 1000);
    const [complete, first, ...rest] = times;
    expect(complete).toBe(0);
    expect(first).toBe(1000);
    // 300 ms of changes every 10 ms: a batch each 100 ms, and a last one when it is quiet.
    expect(rest.length).toBeGreaterThanOrEqual(3);
    expect(rest.length).toBeLessThanOrEqual(4);
    for (const [i, time] of rest.entries()) expect(time - (rest[i - 1] ?? first ?? 0)).toBeLessThanOrEqual(131);
    router.close(feed);
    router[Symbol.dispose]();
    await store.close();
  });

  it('gives up on a node that does not read for 30 s', async () => {
    const system = new HandSystem();
    const store = await createStore({ system, journal: memoryJournal(), codecs: catalogueCodecs });
    const router = new AssignmentRouter(store, system);
    let stuck = 0;
    const feed = router.open('n0', { send: () => false, stuck: () => void stuck++ });
    await settle(store, system, 29_000);
    expect(stuck).toBe(0);
    await settle(store, system, 2000);
    expect(stuck).toBe(1);
    router.close(feed);
    router[Symbol.dispose]();
    await store.close();
  });
});

it('a node is told which volumes it need not remove any more', async () => {
  const system = new HandSystem();
  const store = await createStore({ system, journal: memoryJournal(), codecs: catalogueCodecs });
  const router = new AssignmentRouter(store, system);
  const said: [string[], string[]][] = [];
  const feed = router.open('n0', {
    send: ({ volumesToRemove, volumesToLeave }) => {
      said.push([volumesToRemove.map(({ metadata }) => metadata?.uid ?? ''), volumesToLeave]);
      return true;
    },
    stuck: () => undefined,
  });
  const released = (name: string, node: string): PersistentVolume =>
    PersistentVolume.fromPartial({
      metadata: { name, annotations: { [RECLAIM_NODE]: node }, finalizers: [DATA_PROTECTION] },
      spec: { claimRef: { namespace: 'default', name: 'c' } },
    });
  const change = async (fn: (tx: Tx) => void): Promise<void> => {
    store.transact({ actor: 'test', reason: 'volumes' }, fn);
    await settle(store, system, 1000);
  };
  await settle(store, system, 1000);
  said.length = 0;
  await change((tx) => {
    for (const name of ['a', 'b']) {
      tx.create('PersistentVolume', released(name, 'n0'));
      tx.markDeleted('PersistentVolume', '', name, 0);
    }
  });
  const uidOf = (name: string): string => store.get('PersistentVolume', '', name)?.metadata?.uid ?? '';
  const [a, b] = [uidOf('a'), uidOf('b')];
  expect(said.splice(0)).toEqual([[[a, b], []]]);
  // Its object goes, for example because somebody takes the finalizer off.
  await change((tx) => tx.remove('PersistentVolume', '', 'a'));
  expect(said.splice(0)).toEqual([[[], [a]]]);
  // Another node is asked now.
  await change((tx) => {
    tx.edit('PersistentVolume', '', 'b', ({ metadata }) => Object.assign(metadata?.annotations ?? {}, { [RECLAIM_NODE]: 'n9' }));
  });
  expect(said.splice(0)).toEqual([[[], [b]]]);
  router.close(feed);
  router[Symbol.dispose]();
  await store.close();
});

it('a node is told its labels and taints at first and when they change, and nothing else of its object', async () => {
  const system = new HandSystem();
  const store = await createStore({ system, journal: memoryJournal(), codecs: catalogueCodecs });
  const router = new AssignmentRouter(store, system);
  const cause = { actor: 'user:test', reason: 'test' };
  const change = async (fn: (node: Node) => void): Promise<void> => {
    store.transact(cause, (tx) => tx.edit('Node', '', 'n0', fn));
    await settle(store, system, 1000);
  };
  const taints = [{ key: 'a', effect: 'NoExecute' }];
  for (const name of ['n0', 'n1'])
    store.transact(cause, (tx) =>
      tx.create('Node', Node.fromPartial({ metadata: { name, labels: { disk: 'fast' } }, spec: { podCIDR: '10.0.0.0/24' } })),
    );
  await settle(store, system, 1000);
  const said: unknown[] = [];
  const feed = router.open('n0', {
    send: ({ complete, node }) => {
      said.push([complete, node?.metadata?.name, node?.metadata?.labels, node?.spec?.taints]);
      return true;
    },
    stuck: () => undefined,
  });
  await settle(store, system, 1000);
  expect(said.splice(0)).toEqual([[true, 'n0', { disk: 'fast' }, []]]);
  await change(({ status, spec }) => Object.assign(status ?? spec ?? {}, { unschedulable: true }));
  expect(said).toEqual([]);
  await change(({ spec }) => spec?.taints.push(...taints));
  expect(said.splice(0)).toEqual([[false, 'n0', { disk: 'fast' }, [expect.objectContaining({ key: 'a' })]]]);
  await change(({ metadata }) => Object.assign(metadata?.labels ?? {}, { disk: 'slow' }));
  expect(said.splice(0)).toEqual([[false, 'n0', { disk: 'slow' }, [expect.objectContaining({ key: 'a' })]]]);
  router.close(feed);
  router[Symbol.dispose]();
  await store.close();
});

describe('claims', () => {
  it('a pod’s own is told when it is the pod’s; one of that name that is somebody else’s never is', async () => {
    const system = new HandSystem();
    const store = await createStore({ system, journal: memoryJournal(), codecs: catalogueCodecs });
    const router = new AssignmentRouter(store, system);
    const told: string[] = [];
    router.open('n1', {
      send: ({ claimedVolumes, removedReferences }) => {
        for (const { claim, volume } of claimedVolumes) told.push(`${claim.replace(/@.+/, '@uid')} ${volume?.metadata?.name}`);
        told.push(...removedReferences.map((reference) => reference.replace(/@.+/, '@uid')));
        return true;
      },
      stuck: () => undefined,
    });
    const cause = { actor: 'user:test', reason: 'test' };
    const volumes = [{ name: 'v', ephemeral: { volumeClaimTemplate: {} } }];
    const pod = store.transact(cause, (tx) =>
      tx.create('Pod', Pod.fromPartial({ metadata: { name: 'p', namespace: 'default' }, spec: { nodeName: 'n1', volumes } })),
    ).result;
    const put = (claim: string, volume: string): void => {
      store.transact(cause, (tx) => {
        const metadata = { name: claim, namespace: 'default', annotations: { 'pv.kubernetes.io/bind-completed': 'yes' } };
        const { uid } =
          tx.create('PersistentVolumeClaim', PersistentVolumeClaim.fromPartial({ metadata, spec: { volumeName: volume } })).metadata ?? {};
        const claimRef = { namespace: 'default', name: claim, uid };
        tx.create('PersistentVolume', PersistentVolume.fromPartial({ metadata: { name: volume }, spec: { claimRef } }));
      });
    };
    put('p-v', 'foreign');
    await system.advance(1000);
    expect(told).toEqual([]);
    const owner = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: pod.metadata?.uid ?? '', controller: true };
    store.transact(cause, (tx) =>
      tx.edit('PersistentVolumeClaim', 'default', 'p-v', (draft) => void draft.metadata?.ownerReferences.push(owner)),
    );
    await system.advance(1000);
    expect(told).toEqual(['p-v@uid foreign']);
    store.transact(cause, (tx) => tx.remove('PersistentVolumeClaim', 'default', 'p-v'));
    await system.advance(1000);
    expect(told).toEqual(['p-v@uid foreign', 'PersistentVolumeClaim/default/p-v@uid']);
    router[Symbol.dispose]();
    await store.close();
  });
});
