// DaemonSets on a real store: who gets a pod, how pods are replaced, what becomes of pods that end; and, from random states, the bounds.
import type { DaemonSet } from '@podplane/api/gen/podplane/apps/v1/daemon_set';
import { controllerOf, isBeingDeleted, isPodReady } from '@podplane/api/pod-state';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { World } from '../testkit/world.js';
import { targetOf } from './placement.js';
import { byAge } from './rollout.js';

let world: World;
afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

async function open(nodes: number, spec: Record<string, unknown> = {}, podSpec: Record<string, unknown> = {}): Promise<void> {
  world = await World.open();
  for (let i = 1; i <= nodes; i++) world.addNode(`n${i}`);
  world.apply('DaemonSet', {
    metadata: { name: 'agent', namespace: 'default' },
    spec: {
      selector: { matchLabels: { app: 'agent' } },
      template: { metadata: { labels: { app: 'agent' } }, spec: { containers: [{ name: 'c', image: 'v1' }], ...podSpec } },
      ...spec,
    },
  });
  await world.settle();
}

const change = (edit: (spec: NonNullable<DaemonSet['spec']>) => void): void =>
  world.edit('DaemonSet', 'agent', (draft) => draft.spec && edit(draft.spec));
const image = (name: string): void =>
  change((spec) => {
    const container = spec.template?.spec?.containers[0];
    if (container !== undefined) container.image = name;
  });
/** What the status says is what a look at all nodes finds, whatever the controller looked at. */
function expectCounted(): void {
  const hash = newestHash();
  const byNode = Map.groupBy(world.pods(), targetOf);
  // Of a node with two the older one counts.
  const there = [...byNode.values()].flatMap((pods) =>
    pods
      .filter((pod) => !isBeingDeleted(pod))
      .sort(byAge)
      .slice(0, 1),
  );
  const count = (is: (pod: ReturnType<World['pods']>[number]) => boolean): number => there.filter(is).length;
  const desired = [...world.store.list('Node')].length;
  const ready = count((pod) => isPodReady(pod));
  expect(world.get('DaemonSet', 'agent').status).toMatchObject({
    desiredNumberScheduled: desired,
    currentNumberScheduled: byNode.size,
    numberReady: ready,
    numberAvailable: ready,
    numberUnavailable: desired - ready,
    updatedNumberScheduled: count((pod) => pod.metadata?.labels['controller-revision-hash'] === hash),
    observedGeneration: world.get('DaemonSet', 'agent').metadata?.generation,
  });
}

function newestHash(): string | undefined {
  const revisions = [...world.store.list('ControllerRevision')].sort((a, b) => a.revision - b.revision);
  return revisions.at(-1)?.metadata?.labels['controller-revision-hash'];
}

const nodesOf = (): string[] => world.activePods().map(targetOf).sort();
const images = (): string[] => world.activePods().map((pod) => pod.spec?.containers[0]?.image ?? '');

describe('who gets a pod', () => {
  it('every node, each through its own affinity, with the tolerations of daemons; later nodes too', async () => {
    await open(3);
    expect(nodesOf()).toEqual(['n1', 'n2', 'n3']);
    const [pod] = world.pods();
    expect(pod?.spec?.nodeName).toBeFalsy();
    expect(pod?.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms).toEqual([
      { matchExpressions: [], matchFields: [{ key: 'metadata.name', operator: 'In', values: [targetOf(pod as never)] }] },
    ]);
    expect(pod?.spec?.tolerations.map(({ key, effect }) => `${key}:${effect}`)).toEqual([
      'node.kubernetes.io/not-ready:NoExecute',
      'node.kubernetes.io/unreachable:NoExecute',
      'node.kubernetes.io/disk-pressure:NoSchedule',
      'node.kubernetes.io/memory-pressure:NoSchedule',
      'node.kubernetes.io/pid-pressure:NoSchedule',
      'node.kubernetes.io/unschedulable:NoSchedule',
    ]);
    await world.converge();
    world.addNode('n4');
    await world.converge();
    expect(nodesOf()).toEqual(['n1', 'n2', 'n3', 'n4']);
    expect(world.get('DaemonSet', 'agent').status).toMatchObject({
      desiredNumberScheduled: 4,
      currentNumberScheduled: 4,
      numberReady: 4,
      numberAvailable: 4,
      numberUnavailable: 0,
      numberMisscheduled: 0,
      updatedNumberScheduled: 4,
      observedGeneration: 1,
    });
  });

  it('only nodes that its selector and affinity choose; a node that is labelled later gets one, one that loses its label loses it', async () => {
    await open(2, {}, { nodeSelector: { disk: 'ssd' } });
    expect(nodesOf()).toEqual([]);
    world.edit('Node', 'n2', (node) => node.metadata && (node.metadata.labels = { disk: 'ssd' }));
    await world.converge();
    expect(nodesOf()).toEqual(['n2']);
    world.edit('Node', 'n2', (node) => node.metadata && (node.metadata.labels = {}));
    await world.converge();
    expect(nodesOf()).toEqual([]);
  });

  it('a taint keeps new pods off; NoExecute also ends those there; a toleration lets them stay', async () => {
    await open(2);
    await world.converge();
    const taint = (effect: string): void =>
      world.edit('Node', 'n1', (node) => node.spec && (node.spec.taints = [{ key: 'gpu', value: 'yes', effect }]));
    taint('NoSchedule');
    await world.converge();
    expect(nodesOf()).toEqual(['n1', 'n2']);
    expect(world.get('DaemonSet', 'agent').status).toMatchObject({ desiredNumberScheduled: 1, numberMisscheduled: 1 });
    taint('NoExecute');
    await world.converge();
    expect(nodesOf()).toEqual(['n2']);
    change((spec) => spec.template?.spec && (spec.template.spec.tolerations = [{ key: 'gpu', operator: 'Exists' }]));
    await world.converge();
    expect(nodesOf()).toEqual(['n1', 'n2']);
  });

  it('cordoned nodes too; a pod that was deleted comes again', async () => {
    await open(2);
    world.edit('Node', 'n1', (node) => node.spec && (node.spec.unschedulable = true));
    await world.converge();
    world.store.transact({ actor: 'user:test', reason: 'delete' }, (tx) =>
      tx.markDeleted('Pod', 'default', world.pods()[0]?.metadata?.name ?? '', 1),
    );
    await world.converge();
    expect(nodesOf()).toEqual(['n1', 'n2']);
  });

  it('a pod that ends is replaced, ever more seldom', async () => {
    await open(1);
    const times: number[] = [];
    for (let i = 0; i < 4; i++) {
      const [pod] = world.activePods();
      const start = world.system.clock.monotonic();
      world.end(pod?.metadata?.name ?? '', 'Failed');
      for (let step = 0; step < 200 && world.activePods().length === 0; step++) await world.pass(100);
      times.push(world.system.clock.monotonic() - start);
    }
    expect(times[0]).toBeLessThan(200);
    expect(times[2]).toBeGreaterThanOrEqual(1000);
    expect(times[3]).toBeGreaterThan(times[2] ?? 0);
    expect(world.events.filter(({ reason }) => reason === 'FailedDaemonPod')).toHaveLength(4);
    expect(world.events.filter(({ reason }) => reason === 'SuccessfulDelete')).toHaveLength(4);
  });

  it('adopts a matching pod of a node and releases one that matches no more; of two on a node the older stays', async () => {
    await open(1);
    await world.converge();
    const [own] = world.pods();
    world.edit('Pod', own?.metadata?.name ?? '', (pod) => pod.metadata && (pod.metadata.labels['app'] = 'other'));
    await world.converge();
    expect(world.pods()).toHaveLength(2);
    expect(controllerOf(world.get('Pod', own?.metadata?.name ?? ''))).toBeUndefined();
    world.edit('Pod', own?.metadata?.name ?? '', (pod) => pod.metadata && (pod.metadata.labels['app'] = 'agent'));
    await world.converge();
    expect(world.pods().map((pod) => controllerOf(pod)?.name)).toEqual(['agent']);
  });
});

describe('rollouts', () => {
  it('RollingUpdate replaces one after the other, and keeps a history that is cleared', async () => {
    await open(3, { revisionHistoryLimit: 1 });
    await world.converge();
    for (const next of ['v2', 'v3', 'v4']) {
      image(next);
      await world.settle();
      expect(world.activePods().filter((pod) => isPodReady(pod)).length).toBe(2);
      await world.converge();
      expect(images()).toEqual([next, next, next]);
    }
    const revisions = [...world.store.list('ControllerRevision')].map(({ revision }) => revision).sort();
    expect(revisions).toEqual([3, 4]);
    image('v3');
    await world.converge();
    expect([...world.store.list('ControllerRevision')].map(({ revision }) => revision).sort()).toEqual([4, 5]);
  });

  it('with maxSurge the new one runs beside the old one until it is available', async () => {
    await open(2, { updateStrategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } });
    await world.converge();
    image('v2');
    await world.settle();
    expect(nodesOf()).toHaveLength(3);
    const counts = (): unknown => world.get('DaemonSet', 'agent').status;
    // The new one is there, and not ready: whoever waits for the rollout must not see its node as updated.
    expect(counts()).toMatchObject({ updatedNumberScheduled: 0, numberReady: 2, numberAvailable: 2 });
    for (let i = 0; i < 20; i++) {
      for (const node of ['n1', 'n2'])
        expect(world.activePods().filter((pod) => targetOf(pod) === node && isPodReady(pod)).length).toBeGreaterThan(0);
      const waiting = world.activePods().find((pod) => !isPodReady(pod));
      if (waiting === undefined) break;
      world.run(waiting);
      await world.settle();
      world.reap();
      await world.settle();
    }
    expect(images()).toEqual(['v2', 'v2']);
    expect(counts()).toMatchObject({ updatedNumberScheduled: 2, numberReady: 2, numberAvailable: 2 });
  });

  it('OnDelete replaces nothing by itself', async () => {
    await open(2, { updateStrategy: { type: 'OnDelete' } });
    await world.converge();
    image('v2');
    await world.converge();
    expect(images()).toEqual(['v1', 'v1']);
    expect(world.get('DaemonSet', 'agent').status?.updatedNumberScheduled).toBe(0);
    world.store.transact({ actor: 'user:test', reason: 'delete' }, (tx) =>
      tx.markDeleted('Pod', 'default', world.pods()[0]?.metadata?.name ?? '', 1),
    );
    await world.converge();
    expect(images().sort()).toEqual(['v1', 'v2']);
  });

  it('minReadySeconds holds the next one back', async () => {
    await open(2, { minReadySeconds: 10 });
    await world.converge();
    await world.pass(11_000);
    expect(world.get('DaemonSet', 'agent').status?.numberAvailable).toBe(2);
    image('v2');
    await world.converge();
    expect(images().sort()).toEqual(['v1', 'v2']);
    await world.pass(11_000);
    await world.converge();
    expect(images()).toEqual(['v2', 'v2']);
  });
});

it('from any interleaving: never two pods of one node beyond the surge, never more missing than allowed by us, and at last all new', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 0, max: 3 }),
      fc.array(fc.nat({ max: 99 }), { minLength: 5, maxLength: 60 }),
      async (nodes, surge, dice) => {
        const rolling = surge > 0 ? { maxSurge: surge, maxUnavailable: 0 } : { maxSurge: 0, maxUnavailable: 1 };
        await open(nodes, { updateStrategy: { rollingUpdate: rolling } });
        await world.converge();
        let version = 1;
        for (const die of dice) {
          const before = world.activePods().filter((pod) => isPodReady(pod)).length;
          const kind = die % 5;
          if (kind === 0) image(`v${++version}`);
          else if (kind === 1) world.reap();
          else if (kind === 2) {
            const pod = world.activePods()[die % Math.max(1, world.activePods().length)];
            if (pod !== undefined && surge === 0) world.run(pod, die % 2 === 0);
          } else {
            const waiting = world.activePods().filter((pod) => !isPodReady(pod));
            const pod = waiting[die % Math.max(1, waiting.length)];
            if (pod !== undefined) world.run(pod);
          }
          await world.settle();
          expectCounted();
          const all = Map.groupBy(
            world.pods().filter((pod) => !isBeingDeleted(pod)),
            targetOf,
          );
          for (const there of all.values()) expect(there.length).toBeLessThanOrEqual(surge > 0 ? 2 : 1);
          const doubled = [...all.values()].filter((there) => there.length > 1).length;
          const ready = [...all.values()].filter((there) => there.some((pod) => isPodReady(pod))).length;
          if (surge > 0) expect(ready).toBe(nodes);
          else if (before === nodes) expect(ready).toBeGreaterThanOrEqual(nodes - 1);
          if (surge > 0) expect(doubled).toBeLessThanOrEqual(Math.max(surge, 0));
        }
        await world.converge();
        expect(images()).toEqual(Array.from({ length: nodes }, () => `v${version}`));
        expect(world.errors).toEqual([]);
        await world.close();
      },
    ),
    { numRuns: 25 },
  );
  await open(1);
});
