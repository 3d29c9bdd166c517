// Pods that come to a node that has no room for them, or not for them: they fail with the kubelet's words, and nothing of them is made. The
// words themselves are tested with the agent's fit.ts.
import { RuntimeError } from '@podplane/agent/runtime/errors';
import { Node } from '@podplane/api/gen/podplane/core/v1/node';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { condition, testPod, type World, world } from './harness.js';

let w: World;
beforeEach(() => {
  w = world();
});
afterEach(async () => {
  await w.agent.stop();
});

const uid = (pod: Pod): string => pod.metadata?.uid ?? '';
const status = (pod: Pod) => w.server.status(uid(pod));

function asking(name: string, cpu: string, madeAt?: string): Pod {
  return testPod(name, (pod) => {
    const [container] = pod.spec?.containers ?? [];
    if (container === undefined) throw new Error('no container');
    container.resources = { requests: { cpu }, limits: {}, claims: [] };
    if (pod.metadata !== undefined && madeAt !== undefined) pod.metadata.creationTimestamp = madeAt;
  });
}

const ready = (...pods: readonly Pod[]): Promise<unknown> =>
  w.system.advance(10_000, () => pods.every((pod) => condition(status(pod), 'Ready') === 'True'));

it('one that is too much fails, takes no address, and is never made; those that are there go on', async () => {
  const [first, second] = [asking('first', '3500m'), asking('second', '600m')];
  w.server.assign(first);
  await ready(first);
  const before = w.agent.addresses.allocate('somebody');
  w.server.assign(second);
  await w.system.advance(2_000);
  expect(status(second)).toMatchObject({
    phase: 'Failed',
    reason: 'OutOfcpu',
    message: "Pod was rejected: Node didn't have enough resource: cpu, requested: 600, used: 3500, capacity: 4000",
    containerStatuses: [],
    podIPs: [],
  });
  expect(w.server.events.find(({ reason }) => reason === 'OutOfcpu')).toMatchObject({
    type: 'Warning',
    message: "Node didn't have enough resource: cpu, requested: 600, used: 3500, capacity: 4000",
  });
  expect([w.runtime.runningApps(uid(first)).length, w.runtime.runningApps(uid(second)).length]).toEqual([1, 0]);
  const next = (address: string | undefined): number => Number(address?.split('.').at(-1));
  expect(next(w.agent.addresses.allocate('another'))).toBe(next(before) + 1);
});

it('of those that come together the oldest are taken, whatever order they are told in', async () => {
  w.server.mode = 'down';
  const pods = [
    asking('c', '1900m', '2026-01-03T00:00:00Z'),
    asking('a', '1900m', '2026-01-01T00:00:00Z'),
    asking('b', '1900m', '2026-01-02T00:00:00Z'),
  ];
  for (const pod of pods) w.server.pods.set(uid(pod), pod);
  await w.system.advance(1_000);
  w.server.mode = 'up';
  await w.system.advance(20_000, () => pods.every((pod) => status(pod)?.phase === 'Failed' || condition(status(pod), 'Ready') === 'True'));
  expect(pods.map((pod) => status(pod)?.reason)).toEqual(['OutOfcpu', undefined, undefined]);
});

it('what ends, has ended or is forgotten gives its room away: not before it has ended, but at once where the server asks no more', async () => {
  const [long, next, late] = [asking('long', '4'), asking('next', '4'), asking('late', '4')];
  w.runtime.addImage('app:1', { stopMs: undefined });
  w.server.assign(long);
  await ready(long);
  w.server.assign({
    ...long,
    metadata: { ...testPod('long').metadata, deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 30 } as Pod['metadata'],
  });
  await w.system.advance(1_000);
  w.server.assign(next);
  await w.system.advance(1_000);
  expect(status(next)?.reason).toBe('OutOfcpu');
  w.server.remove(uid(long));
  w.server.assign(late);
  await ready(late);
  expect(condition(status(late), 'Ready')).toBe('True');
});

it('one whose end was told has given its room away, though remains of it are still there', async () => {
  const [over, next] = [asking('over', '4'), asking('next', '4')];
  w.server.assign(over);
  await ready(over);
  w.runtime.fail('remove', new RuntimeError('conflict', 'device or resource busy'), 1000, (name) => !name.includes('POD'));
  w.server.assign({
    ...over,
    metadata: { ...testPod('over').metadata, deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 0 } as Pod['metadata'],
  });
  expect(await w.system.advance(10_000, () => ['Failed', 'Succeeded'].includes(status(over)?.phase ?? ''))).toBe(true);
  w.server.assign(next);
  await ready(next);
  expect(condition(status(next), 'Ready')).toBe('True');
});

it('once taken it stays, whatever the node becomes, also over a restart of the agent', async () => {
  const pod = testPod('chosen', ({ spec }) => void Object.assign(spec ?? {}, { nodeSelector: { disk: 'fast' } }));
  const node = (disk: string): Node => Node.fromPartial({ metadata: { name: 'n1', labels: { disk } }, spec: {} });
  w.server.difference({ node: node('fast') });
  w.server.assign(pod);
  await ready(pod);
  w.server.difference({ node: node('slow') });
  w.restart();
  await w.system.advance(10_000);
  expect([status(pod)?.phase, w.runtime.runningApps(uid(pod)).length]).toEqual(['Running', 1]);
  const second = testPod('second', ({ spec }) => void Object.assign(spec ?? {}, { nodeSelector: { disk: 'fast' } }));
  w.server.difference({ node: node('slow') });
  w.server.assign(second);
  await w.system.advance(2_000);
  expect(status(second)).toMatchObject({ phase: 'Failed', reason: 'NodeAffinity' });
});
