// Fenced pods of nodes that fall silent: not touched before the lease is over and the margin has passed, replaced right after, whoever owns
// them and whatever else was wanted of them. Time moves only by hand.
import { EPOCH_ANNOTATION, FENCING_ANNOTATION } from '@podplane/api/fencing';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted } from '@podplane/api/pod-state';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { createControllers } from '../controllers.js';
import { deletePod } from '../shared/delete-pod.js';
import { barePod, cause, World } from '../testkit/world.js';

const LEASE_MS = 15_000;
const MARGIN_MS = 2_000;
let world: World;
afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

const template = (fencing: string | undefined): object => ({
  metadata: { labels: { app: 'db' }, annotations: fencing === undefined ? {} : { [FENCING_ANNOTATION]: fencing } },
  spec: { containers: [{ name: 'c', image: 'v1' }] },
});

/** Four nodes; the workload's pods run on n1. */
async function open(kind: 'StatefulSet' | 'Deployment', fencing?: string, nodeLifecycle = {}): Promise<void> {
  world = await World.open((it) => createControllers({ liveness: it.liveness, nodeLifecycle }));
  for (const name of ['n1', 'n2', 'n3', 'n4']) world.addNode(name);
  world.apply(kind, {
    metadata: { name: 'db', namespace: 'default' },
    spec: {
      replicas: 2,
      ...(kind === 'StatefulSet' ? { serviceName: 'db', podManagementPolicy: 'Parallel' } : {}),
      selector: { matchLabels: { app: 'db' } },
      template: template(fencing),
    },
  });
  await world.settle();
  for (const pod of world.pods()) world.run(pod, true, 'n1');
  await world.settle();
}

/** Lets time pass while all nodes but n1 are heard. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 100) {
    for (const name of ['n2', 'n3', 'n4']) world.beat(name);
    await world.system.advance(Math.min(100, left));
  }
}

const uids = (): (string | undefined)[] => world.pods().map((pod) => pod.metadata?.uid);
const epoch = (pod: Obj<'Pod'> | undefined): number => Number(pod?.metadata?.annotations[EPOCH_ANNOTATION]);
const reasons = (): Set<string> => new Set(world.events.map(({ reason }) => reason));

describe('a StatefulSet', () => {
  it('gets its pods back under their names when the lease of a silent node is over, with higher epochs, and not before', async () => {
    await open('StatefulSet');
    const before = world.pods();
    expect(before.map((pod) => pod.metadata?.annotations[FENCING_ANNOTATION])).toEqual(['strict', 'strict']);
    expect(before.map(epoch).every((one) => one > 0)).toBe(true);
    await pass(LEASE_MS + MARGIN_MS - 600);
    expect(uids()).toEqual(before.map((pod) => pod.metadata?.uid));
    expect(world.pods().some((pod) => isBeingDeleted(pod))).toBe(false);
    await pass(1_300);
    const after = world.pods();
    expect(after.map((pod) => pod.metadata?.name)).toEqual(['db-0', 'db-1']);
    expect(after.some((pod) => before.some((old) => old.metadata?.uid === pod.metadata?.uid))).toBe(false);
    expect(after.every((pod) => pod.spec?.nodeName === undefined || pod.spec.nodeName === '')).toBe(true);
    for (const [index, pod] of after.entries()) expect(epoch(pod)).toBeGreaterThan(epoch(before[index]));
    expect(reasons()).toContain('FencedByNode');
    expect(world.events.find(({ reason }) => reason === 'FencedByNode')?.message).toMatch(/stopped by node n1 before its lease ended, 2/);
  });

  it('keeps its pods where the node is heard again before that', async () => {
    await open('StatefulSet');
    const before = uids();
    await pass(LEASE_MS);
    world.beat('n1');
    await pass(LEASE_MS);
    expect(uids()).toEqual(before);
  });

  it('waits as long for a pod that was to be deleted, also when its Node object is gone', async () => {
    await open('StatefulSet');
    const [first] = world.pods();
    await pass(5_000);
    world.store.transact(cause, (tx) => {
      if (first !== undefined) deletePod(tx, first);
      tx.remove('Node', '', 'n1');
    });
    await pass(LEASE_MS + MARGIN_MS - 5_600);
    expect(uids()).toContain(first?.metadata?.uid);
    await pass(7_000);
    expect(uids()).not.toContain(first?.metadata?.uid);
    expect(world.pods().map((pod) => pod.metadata?.name)).toEqual(['db-0', 'db-1']);
  });

  it('waits for the longest lease of an earlier server after a start', async () => {
    await open('StatefulSet');
    const before = uids();
    world.liveness.heard.clear();
    world.liveness.sessions.clear();
    world.liveness.leaseMs = 60_000;
    world.liveness.servingSince = world.system.clock.monotonic();
    world.start((it) => createControllers({ liveness: it.liveness }));
    await pass(59_000);
    expect(uids()).toEqual(before);
    await pass(5_000);
    expect(uids().some((uid) => before.includes(uid))).toBe(false);
  });

  it('with none is replaced as soon as the node is lost, and never has two pods of one name', async () => {
    await open('StatefulSet', 'none');
    const before = uids();
    expect(world.pods().map((pod) => pod.metadata?.annotations[EPOCH_ANNOTATION])).toEqual([undefined, undefined]);
    await pass(4_500);
    expect(uids().some((uid) => before.includes(uid))).toBe(false);
    expect(world.pods().map((pod) => pod.metadata?.name)).toEqual(['db-0', 'db-1']);
  });

  it('after a host that shut down waits for its pods’ end, or the lease', async () => {
    await open('StatefulSet');
    const before = uids();
    world.liveness.goodbyes.add('n1');
    world.liveness.sessions.delete('n1');
    world.pump.poke('node-lifecycle', 'n1');
    await pass(1_000);
    expect(world.pods().every((pod) => isBeingDeleted(pod))).toBe(true);
    await pass(LEASE_MS + MARGIN_MS - 2_000);
    expect(uids()).toEqual(before);
    await pass(3_000);
    expect(uids().some((uid) => before.includes(uid))).toBe(false);
  });
});

describe('a Deployment', () => {
  it('with strict has no replacement before the lease is over', async () => {
    await open('Deployment', 'strict');
    const before = uids();
    await pass(LEASE_MS + MARGIN_MS - 600);
    expect(uids()).toEqual(before);
    await pass(1_300);
    expect(uids()).toHaveLength(2);
    expect(uids().some((uid) => before.includes(uid))).toBe(false);
    expect(world.pods().every((pod) => epoch(pod) > 0)).toBe(true);
  });

  it('without is replaced at once, the originals kept; or deleted, where that is the setting', async () => {
    await open('Deployment');
    await pass(4_500);
    expect(uids()).toHaveLength(4);
    expect(world.pods().some((pod) => isBeingDeleted(pod))).toBe(false);
    await world.close();
    await open('Deployment', undefined, { keepOriginal: false });
    const before = uids();
    await pass(4_500);
    expect(
      world
        .pods()
        .filter((pod) => isBeingDeleted(pod))
        .map((pod) => pod.metadata?.uid)
        .sort(),
    ).toEqual([...before].sort());
    expect(world.pods().filter((pod) => !isBeingDeleted(pod))).toHaveLength(2);
  });
});

it('a fenced pod that tolerates the silence stays for as long as it does', async () => {
  world = await World.open();
  for (const name of ['n1', 'n2', 'n3', 'n4']) world.addNode(name);
  const pod = barePod('lone', {}, 'n1');
  if (pod.metadata !== undefined) pod.metadata.annotations = { [FENCING_ANNOTATION]: 'strict' };
  world.create('Pod', pod);
  world.run(world.get('Pod', 'lone'));
  await world.settle();
  await pass(200_000);
  expect(world.pods()).toHaveLength(1); // bare pods have Kubernetes' five minutes
  await pass(110_000);
  expect(world.pods()).toHaveLength(0);
});

it('nobody is evicted, fenced or not, while more than half of the nodes are silent', async () => {
  await open('StatefulSet');
  const before = uids();
  for (let step = 0; step < 600; step++) {
    world.beat('n2');
    await world.system.advance(100);
  }
  expect(uids()).toEqual(before);
  expect(reasons()).toContain('EvictionsHeldBack');
});

it('whenever the node is heard or not, no pod is replaced before its lease is over', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 250 }), { minLength: 1, maxLength: 6 }), async (gaps) => {
      await open('StatefulSet');
      const before = uids();
      for (const gap of gaps) {
        await pass(gap * 100);
        const over = world.liveness.leaseOver('n1') + MARGIN_MS;
        if (world.system.clock.monotonic() < over) expect(uids()).toEqual(before);
        if (!uids().every((uid) => before.includes(uid))) break;
        world.beat('n1');
      }
      await world.close();
    }),
    { numRuns: 15 },
  );
  await open('StatefulSet');
});
