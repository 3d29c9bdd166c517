// StatefulSets on a real store: order, names, rollouts with partition, broken rollouts that mend; and, from random states, never two of
// one number.
import type { StatefulSet } from '@podplane/api/gen/podplane/apps/v1/stateful_set';
import { scaledValue } from '@podplane/api/kinds/int-or-string';
import { isBeingDeleted, isPodReady } from '@podplane/api/pod-state';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { barePod, World } from '../testkit/world.js';

let world: World;
afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

async function open(spec: Record<string, unknown> = {}): Promise<void> {
  world = await World.open();
  world.addNode('n1');
  world.apply('StatefulSet', {
    metadata: { name: 'db', namespace: 'default' },
    spec: {
      replicas: 3,
      serviceName: 'db',
      selector: { matchLabels: { app: 'db' } },
      template: { metadata: { labels: { app: 'db' } }, spec: { containers: [{ name: 'c', image: 'v1' }] } },
      ...spec,
    },
  });
  await world.settle();
}

const change = (edit: (spec: NonNullable<StatefulSet['spec']>) => void): void =>
  world.edit('StatefulSet', 'db', (draft) => draft.spec && edit(draft.spec));
const image = (name: string): void =>
  change((spec) => {
    const container = spec.template?.spec?.containers[0];
    if (container !== undefined) container.image = name;
  });
/** What the status says is what a look at all pods finds, whatever the controller looked at. */
function expectCounted(): void {
  const pods = world.pods();
  const ready = pods.filter((pod) => pod.status?.phase === 'Running' && isPodReady(pod) && !isBeingDeleted(pod));
  const of = (revision: string | undefined): number =>
    pods.filter((pod) => !isBeingDeleted(pod) && pod.metadata?.labels['controller-revision-hash'] === revision).length;
  expect(status()).toMatchObject({
    replicas: pods.length,
    readyReplicas: ready.length,
    availableReplicas: ready.length,
    currentReplicas: of(status().currentRevision),
    updatedReplicas: of(status().updateRevision),
    observedGeneration: world.get('StatefulSet', 'db').metadata?.generation,
  });
}
const names = (): (string | undefined)[] => world.pods().map((pod) => pod.metadata?.name);
const images = (): string[] => world.pods().map((pod) => pod.spec?.containers[0]?.image ?? '');
const status = (): NonNullable<StatefulSet['status']> => world.get('StatefulSet', 'db').status as never;
/** Makes one pod ready; the controller acts. */
async function ready(name: string): Promise<void> {
  world.run(world.get('Pod', name));
  await world.settle();
}

describe('order', () => {
  it('OrderedReady makes one after the other, each with its name, number and host name', async () => {
    await open();
    expect(names()).toEqual(['db-0']);
    await ready('db-0');
    expect(names()).toEqual(['db-0', 'db-1']);
    await ready('db-1');
    await ready('db-2');
    expect(names()).toEqual(['db-0', 'db-1', 'db-2']);
    const pod = world.get('Pod', 'db-1');
    expect(pod.spec).toMatchObject({ hostname: 'db-1', subdomain: 'db' });
    expect(pod.metadata?.labels).toMatchObject({
      app: 'db',
      'statefulset.kubernetes.io/pod-name': 'db-1',
      'apps.kubernetes.io/pod-index': '1',
      'controller-revision-hash': status().currentRevision,
    });
    expect(status()).toMatchObject({ replicas: 3, readyReplicas: 3, availableReplicas: 3, currentReplicas: 3, updatedReplicas: 3 });
    expect(status().collisionCount).toBe(0);
  });

  it('a pod has the labels of its number, also after somebody took them from it or brought a pod of its name', async () => {
    await open({ replicas: 1 });
    await world.converge();
    for (const take of ['statefulset.kubernetes.io/pod-name', 'apps.kubernetes.io/pod-index']) {
      world.edit('Pod', 'db-0', (draft) => delete draft.metadata?.labels[take]);
      await world.settle();
      expect(world.get('Pod', 'db-0').metadata?.labels).toMatchObject({
        'statefulset.kubernetes.io/pod-name': 'db-0',
        'apps.kubernetes.io/pod-index': '0',
      });
    }
    expect(world.events.filter(({ reason }) => reason === 'SuccessfulUpdate').map(({ message }) => message)).toEqual([
      'update Pod db-0 in StatefulSet db successful',
      'update Pod db-0 in StatefulSet db successful',
    ]);
  });

  it('one that says Ready and does not run is not counted, also when all was at rest', async () => {
    await open({ replicas: 2 });
    await world.converge();
    world.edit('Pod', 'db-1', (draft) => draft.status && (draft.status.phase = 'Unknown'));
    await world.settle();
    expect(status()).toMatchObject({ readyReplicas: 1, availableReplicas: 1 });
    world.run(world.get('Pod', 'db-0'), false);
    await world.settle();
    expect(status()).toMatchObject({ readyReplicas: 0, availableReplicas: 0 });
    world.edit('Pod', 'db-1', (draft) => draft.status && (draft.status.phase = 'Running'));
    await world.settle();
    expect(status()).toMatchObject({ readyReplicas: 1, availableReplicas: 1 });
  });

  it('Parallel makes all at once, ordinals start where told, and what is below goes', async () => {
    await open({ podManagementPolicy: 'Parallel', ordinals: { start: 5 } });
    expect(names()).toEqual(['db-5', 'db-6', 'db-7']);
    await world.converge();
    change((spec) => (spec.ordinals = { start: 6 }));
    await world.converge();
    expect(names()).toEqual(['db-6', 'db-7', 'db-8']);
  });

  it('scales down from the highest number, waiting for each to be gone, and not while another is not ready', async () => {
    await open();
    await world.converge();
    world.run(world.get('Pod', 'db-0'), false);
    change((spec) => (spec.replicas = 1));
    await world.settle();
    expect(world.pods().filter((pod) => isBeingDeleted(pod))).toEqual([]);
    await ready('db-0');
    expect(
      world
        .pods()
        .filter((pod) => isBeingDeleted(pod))
        .map((pod) => pod.metadata?.name),
    ).toEqual(['db-2']);
    world.reap();
    await world.settle();
    expect(
      world
        .pods()
        .filter((pod) => isBeingDeleted(pod))
        .map((pod) => pod.metadata?.name),
    ).toEqual(['db-1']);
    world.reap();
    await world.converge();
    expect(names()).toEqual(['db-0']);
  });

  it('minReadySeconds holds the next one back', async () => {
    await open({ minReadySeconds: 5 });
    await ready('db-0');
    expect(names()).toEqual(['db-0']);
    await world.pass(5100);
    expect(names()).toEqual(['db-0', 'db-1']);
  });

  it('a pod that is being deleted keeps its number until it is gone; one that ended comes again', async () => {
    await open();
    await world.converge();
    const uid = world.get('Pod', 'db-1').metadata?.uid;
    world.store.transact({ actor: 'user:test', reason: 'delete' }, (tx) => tx.markDeleted('Pod', 'default', 'db-1', 30));
    await world.pass(120_000);
    expect(world.get('Pod', 'db-1').metadata?.uid).toBe(uid);
    world.reap();
    await world.settle();
    expect(world.get('Pod', 'db-1').metadata?.uid).not.toBe(uid);
    await world.converge();
    world.end('db-2', 'Failed');
    await world.converge();
    expect(names()).toEqual(['db-0', 'db-1', 'db-2']);
  });

  it('one that is deleted after its pods says how many are left', async () => {
    await open({ podManagementPolicy: 'Parallel' });
    await world.converge();
    world.edit('StatefulSet', 'db', (draft) => draft.metadata && (draft.metadata.finalizers = ['foregroundDeletion']));
    world.store.transact({ actor: 'user:test', reason: 'delete' }, (tx) => tx.markDeleted('StatefulSet', 'default', 'db', 0));
    await world.settle();
    expect(status()).toMatchObject({ replicas: 3, readyReplicas: 0, currentReplicas: 0 });
    world.store.transact({ actor: 'user:test', reason: 'end' }, (tx) => tx.remove('Pod', 'default', 'db-2'));
    await world.settle();
    expect(status()).toMatchObject({ replicas: 2 });
    world.reap();
    await world.settle();
    expect(world.store.get('StatefulSet', 'default', 'db')).toBeUndefined();
    expect(names()).toEqual([]);
  });

  it('a foreign pod of its name is left alone, and told', async () => {
    world = await World.open();
    world.create('Pod', barePod('db-0', { other: 'x' }));
    world.apply('StatefulSet', {
      metadata: { name: 'db', namespace: 'default' },
      spec: {
        selector: { matchLabels: { app: 'db' } },
        template: { metadata: { labels: { app: 'db' } }, spec: { containers: [{ name: 'c', image: 'v1' }] } },
      },
    });
    await world.settle();
    expect(world.events.some(({ reason }) => reason === 'FailedCreate')).toBe(true);
    world.store.transact({ actor: 'user:test', reason: 'delete' }, (tx) => tx.remove('Pod', 'default', 'db-0'));
    await world.converge();
    expect(world.get('Pod', 'db-0').metadata?.labels['app']).toBe('db');
  });
});

describe('rollouts', () => {
  it('goes from the highest number down, one at a time', async () => {
    await open();
    await world.converge();
    image('v2');
    const order: (string | undefined)[] = [];
    for (let i = 0; i < 3; i++) {
      await world.settle();
      const leaving = world.pods().filter((pod) => isBeingDeleted(pod));
      expect(leaving).toHaveLength(1);
      order.push(leaving[0]?.metadata?.name);
      world.reap();
      await world.settle();
      for (const pod of world.activePods()) if (!isPodReady(pod)) world.run(pod);
      await world.settle();
    }
    expect(order).toEqual(['db-2', 'db-1', 'db-0']);
    expect(images()).toEqual(['v2', 'v2', 'v2']);
    expect(status().currentRevision).toBe(status().updateRevision);
  });

  it.each([
    [
      'OrderedReady',
      2,
      4,
      [
        ['db-3', 'db-2'],
        ['db-1', 'db-0'],
      ],
    ],
    ['Parallel', '75%', 4, [['db-3', 'db-2', 'db-1'], ['db-0']]],
    ['Parallel', '10%', 2, [['db-1'], ['db-0']]],
  ])('maxUnavailable lets several go at once (%s, %s of %d)', async (podManagementPolicy, maxUnavailable, replicas, waves) => {
    await open({ podManagementPolicy, replicas, updateStrategy: { rollingUpdate: { maxUnavailable } } });
    await world.converge();
    image('v2');
    for (const wave of waves) {
      await world.settle();
      const leaving = world
        .pods()
        .filter(isBeingDeleted)
        .map((pod) => pod.metadata?.name);
      expect(leaving.sort().reverse()).toEqual(wave);
      world.reap();
      // Ordered ones come back one after the other.
      for (let i = 0; i < wave.length; i++) {
        await world.settle();
        for (const pod of world.activePods()) if (!isPodReady(pod)) world.run(pod);
      }
    }
    await world.converge();
    expect(new Set(images())).toEqual(new Set(['v2']));
  });

  it('maxUnavailable counts what is missing already', async () => {
    await open({
      podManagementPolicy: 'Parallel',
      replicas: 4,
      updateStrategy: { rollingUpdate: { maxUnavailable: 2 } },
      minReadySeconds: 10,
    });
    await world.converge();
    await world.pass(11_000);
    world.run(world.get('Pod', 'db-0'), false);
    image('v2');
    await world.settle();
    // db-0 is not ready and of the old template: replacing it costs nothing, and one more may go.
    expect(
      world
        .pods()
        .filter(isBeingDeleted)
        .map((pod) => pod.metadata?.name)
        .sort(),
    ).toEqual(['db-0', 'db-3']);
  });

  it('a partition keeps the lower numbers at the old template, also when they are made anew', async () => {
    await open();
    await world.converge();
    change((spec) => spec.updateStrategy && (spec.updateStrategy.rollingUpdate = { partition: 2 }));
    image('v2');
    await world.converge();
    expect(images()).toEqual(['v1', 'v1', 'v2']);
    world.store.transact({ actor: 'user:test', reason: 'delete' }, (tx) => tx.markDeleted('Pod', 'default', 'db-0', 1));
    await world.converge();
    expect(images()).toEqual(['v1', 'v1', 'v2']);
    expect(status()).toMatchObject({ currentReplicas: 2, updatedReplicas: 1 });
    change((spec) => spec.updateStrategy && (spec.updateStrategy.rollingUpdate = { partition: 0 }));
    await world.converge();
    expect(images()).toEqual(['v2', 'v2', 'v2']);
  });

  it('OnDelete replaces nothing by itself', async () => {
    await open({ updateStrategy: { type: 'OnDelete' } });
    await world.converge();
    image('v2');
    await world.converge();
    expect(images()).toEqual(['v1', 'v1', 'v1']);
    world.store.transact({ actor: 'user:test', reason: 'delete' }, (tx) => tx.markDeleted('Pod', 'default', 'db-1', 1));
    await world.converge();
    expect(images()).toEqual(['v1', 'v2', 'v1']);
  });

  it.each(['OrderedReady', 'Parallel'])(
    'a broken rollout stops at its first pod and recovers when the template is mended (%s)',
    async (podManagementPolicy) => {
      await open({ podManagementPolicy });
      await world.converge();
      image('broken');
      await world.settle();
      world.reap();
      await world.settle();
      world.run(world.get('Pod', 'db-2'), false);
      await world.pass(600_000);
      expect(images()).toEqual(['v1', 'v1', 'broken']);
      image('v3');
      await world.converge();
      expect(images()).toEqual(['v3', 'v3', 'v3']);
      expect(status().currentRevision).toBe(status().updateRevision);
    },
  );

  it('one that was broken from its first pod on recovers too; the history is cleared', async () => {
    await open({ revisionHistoryLimit: 1 });
    world.run(world.get('Pod', 'db-0'), false);
    await world.settle();
    for (const next of ['v2', 'v3', 'v4']) {
      image(next);
      await world.converge();
      expect(images()).toEqual([next, next, next]);
    }
    expect([...world.store.list('ControllerRevision')].map(({ revision }) => revision).sort()).toEqual([3, 4]);
  });

  it('a limit below nothing keeps the whole history', async () => {
    await open({ revisionHistoryLimit: -1 });
    for (const next of ['v2', 'v3', 'v4']) {
      image(next);
      await world.converge();
    }
    expect([...world.store.list('ControllerRevision')].map(({ revision }) => revision).sort()).toEqual([1, 2, 3, 4]);
  });
});

it('from any interleaving: one pod a number at most, by a rollout no more missing than allowed, and at last all as wanted', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('OrderedReady', 'Parallel'),
      fc.constantFrom(undefined, 1, 2, '50%', '100%'),
      fc.array(fc.nat({ max: 999 }), { minLength: 10, maxLength: 80 }),
      async (podManagementPolicy, maxUnavailable, dice) => {
        await open({ podManagementPolicy, updateStrategy: { rollingUpdate: { maxUnavailable } } });
        let version = 1;
        let replicas = 3;
        for (const die of dice) {
          const kind = die % 10;
          if (kind === 0) image(`v${++version}`);
          else if (kind === 1) {
            replicas = die % 6;
            change((spec) => (spec.replicas = replicas));
          } else if (kind === 2) {
            const pod = world.pods()[die % Math.max(1, world.pods().length)];
            if (pod !== undefined)
              world.store.transact({ actor: 'user:test', reason: 'delete' }, (tx) =>
                tx.markDeleted('Pod', 'default', pod.metadata?.name ?? '', 1),
              );
          } else if (kind < 5) world.reap();
          else {
            const pod = world.activePods()[die % Math.max(1, world.activePods().length)];
            if (pod !== undefined) world.run(pod, kind !== 5);
          }
          // Of the numbers that there shall be: others may go at any time.
          const serving = (): number =>
            world.activePods().filter((pod) => isPodReady(pod) && Number(pod.metadata?.name?.slice(3)) < replicas).length;
          const before = serving();
          await world.settle();
          const needed = replicas - Math.max(1, scaledValue(maxUnavailable ?? 1, replicas, 'down') ?? 1);
          expect(serving()).toBeGreaterThanOrEqual(Math.min(before, needed));
          expect(new Set(names()).size).toBe(names().length);
          expectCounted();
        }
        await world.converge();
        expectCounted();
        expect(names()).toEqual(Array.from({ length: replicas }, (_, i) => `db-${i}`));
        expect(images()).toEqual(Array.from({ length: replicas }, () => `v${version}`));
        expect(world.errors).toEqual([]);
        await world.close();
      },
    ),
    { numRuns: 60 },
  );
  await open();
});
