// That the store's changes carry the very objects that its writes gave back, by which a controller knows its own; and what that saves.
import { Node } from '@podplane/api/gen/podplane/core/v1/node';
import type { Kind } from '@podplane/api/kinds/kind-map';
import type { Change } from '@podplane/store/types';
import { afterEach, expect, it, test } from 'vitest';
import { DaemonSetController } from '../daemonset/controller.js';
import { targetOf } from '../daemonset/placement.js';
import { StatefulSetController } from '../statefulset/controller.js';
import { barePod, cause, World } from '../testkit/world.js';
import { OwnWrites } from './own-writes.js';

let world: World;
afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

it('knows what it wrote, and nothing that somebody made of it later', async () => {
  world = await World.open(() => []);
  const own = new OwnWrites();
  const kinds: readonly Kind[] = ['Pod'];
  const { cursor } = world.store.snapshotAndWatch({ kinds }, 'head', () => undefined);
  const told = (): boolean[] => cursor.drain(10).flatMap(({ changes }) => changes.map((change: Change) => own.has(change)));
  world.store.transact(cause, (tx) => own.add(tx.create('Pod', barePod('a', {}, 'n1'))));
  expect(told()).toEqual([true]);
  world.store.transact(cause, (tx) => own.add(tx.markDeleted('Pod', 'default', 'a', 30)));
  world.edit('Pod', 'a', (draft) => draft.metadata && (draft.metadata.labels = { b: 'c' }));
  expect(told()).toEqual([true, false]);
  // What is gone at once has left nothing to know it by.
  expect(world.store.transact(cause, (tx) => own.add(tx.markDeleted('Pod', 'default', 'a', 0))).result).toBeUndefined();
  expect(told()).toEqual([false]);
});

const PODS = 12;
const template = (image: string): object => ({ metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image }] } });

test.each<[string, 'DaemonSet' | 'StatefulSet', object]>([
  ['DaemonSet', 'DaemonSet', { updateStrategy: { rollingUpdate: { maxUnavailable: 3 } } }],
  ['StatefulSet', 'StatefulSet', { serviceName: 'a', replicas: PODS }],
  ['StatefulSet, Parallel', 'StatefulSet', { serviceName: 'a', replicas: PODS, podManagementPolicy: 'Parallel' }],
])(
  'a rollout of a %s looks at its pods twice for each: when the old one is gone and when the new one is ready',
  async (_what, kind, more) => {
    world = await World.open(() => [new DaemonSetController(), new StatefulSetController()]);
    if (kind === 'DaemonSet')
      for (let i = 0; i < PODS; i++)
        world.create('Node', Node.fromPartial({ apiVersion: 'v1', kind: 'Node', metadata: { name: `n${i}` }, spec: {} }));
    world.apply(kind, {
      metadata: { name: 'a', namespace: 'default' },
      spec: { selector: { matchLabels: { app: 'a' } }, template: template('v1'), ...more },
    });
    await world.converge();
    const looks = (): number => world.pump.stats.get(kind.toLowerCase())?.reconciles ?? 0;
    const before = looks();
    world.edit(kind, 'a', (draft) => {
      const [container] = draft.spec?.template?.spec?.containers ?? [];
      if (container !== undefined) container.image = 'v2';
    });
    for (let i = 0, written = -1; i < 10 * PODS && written !== world.store.revision; i++) {
      written = world.store.revision;
      await world.settle();
      world.reap();
      await world.settle();
      for (const pod of world.activePods()) {
        if (pod.spec?.containers[0]?.image !== 'v2' || pod.status?.phase === 'Running') continue;
        const name = pod.metadata?.name ?? '';
        // As an agent tells of a start: bit by bit.
        const steps: ((draft: ReturnType<typeof barePod>) => void)[] = [
          (draft) => draft.spec && (draft.spec.nodeName = targetOf(pod) || 'n1'),
          (draft) => draft.status && (draft.status.podIP = '10.0.0.1'),
          (draft) => draft.status?.conditions.push({ type: 'Initialized', status: 'True' }),
        ];
        for (const step of steps) {
          world.edit('Pod', name, step);
          await world.settle();
        }
        world.run(world.get('Pod', name));
        await world.settle();
      }
    }
    expect(world.activePods().map((pod) => pod.spec?.containers[0]?.image)).toEqual(Array.from({ length: PODS }, () => 'v2'));
    // And once for the change of the template.
    expect(looks() - before).toBeLessThanOrEqual(2 * PODS + 2);
  },
);
