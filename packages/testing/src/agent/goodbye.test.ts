// An agent that is told to stop, on a virtual clock: a restart says nothing and leaves the pods; a host that shuts down says so, and its pods
// end in order, told apart from pods that ended by themselves.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { expect, it } from 'vitest';
import { condition, testPod, world } from './harness.js';

const goodbyes = (w: ReturnType<typeof world>): number => w.server.received.filter((message) => message.$case === 'goodbye').length;

it('a mere restart says nothing', async () => {
  const w = world();
  await w.system.advance(1_000);
  let ended = false;
  const stopping = w.agent.stop().then(() => (ended = true));
  expect(await w.system.advance(2_000, () => ended)).toBe(true);
  await stopping;
  expect(goodbyes(w)).toBe(0);
});

const uidOf = (one: Pod): string => one.metadata?.uid ?? '';
const limits = { totalMs: 30_000, criticalMs: 10_000 };

function daemon(name: string): Pod {
  return testPod(name, ({ metadata }) => {
    if (metadata !== undefined)
      metadata.ownerReferences = [
        { apiVersion: 'apps/v1', kind: 'DaemonSet', name: 'd', uid: 'd', controller: true, blockOwnerDeletion: true },
      ];
  });
}

async function running(pods: readonly Pod[]): Promise<ReturnType<typeof world>> {
  const w = world();
  await w.system.advance(100);
  for (const one of pods) w.server.assign(one);
  const ready = (): boolean => pods.every((one) => condition(w.server.status(uidOf(one)), 'Ready') === 'True');
  expect(await w.system.advance(10_000, ready)).toBe(true);
  return w;
}

it('a host that shuts down: goodbye at once, pods of DaemonSets after the others, all Failed with the reason, nothing starts again', async () => {
  const [web, also, log] = [testPod('web'), testPod('also'), daemon('log')];
  const w = await running([web, also, log]);
  // The server replaces them at once and wants them gone, the pod of the DaemonSet too: it has its turn all the same.
  w.server.onReceive = () => {
    const last = w.server.received.at(-1);
    if (last?.$case !== 'goodbye') return;
    for (const one of [also, log]) {
      one.metadata = { ...one.metadata!, deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 };
      w.server.assign(one);
    }
  };
  let ended = false;
  const ending = w.agent.ending.run(limits).then(() => (ended = true));
  const order: string[] = [];
  const seen = (): boolean => {
    for (const one of [web, also, log])
      if (w.runtime.runningApps(uidOf(one)).length === 0 && !order.includes(one.metadata!.name!)) order.push(one.metadata!.name!);
    return ended;
  };
  expect(await w.system.advance(60_000, seen)).toBe(true);
  await ending;
  expect(goodbyes(w)).toBe(1);
  expect(order.at(-1)).toBe('log');
  expect(w.server.status(uidOf(web))).toMatchObject({
    phase: 'Failed',
    reason: 'Terminated',
    message: 'Pod was terminated in response to imminent node shutdown.',
  });
  expect(w.server.status(uidOf(web))?.conditions.find(({ type }) => type === 'DisruptionTarget')).toMatchObject({
    status: 'True',
    reason: 'TerminationByKubelet',
  });
  expect([also, log].map((one) => w.server.reports.get(uidOf(one))?.terminated)).toEqual([true, true]);
  expect(w.server.events.filter(({ reason }) => reason === 'Terminated')).toHaveLength(3);
  // One that comes now is refused.
  const late = testPod('late');
  w.server.assign(late);
  expect(await w.system.advance(5_000, () => w.server.status(uidOf(late))?.phase === 'Failed')).toBe(true);
  expect(w.server.status(uidOf(late))).toMatchObject({
    reason: 'NodeShutdown',
    message: 'Pod was rejected: Pod was rejected as the node is shutting down.',
  });
  await w.agent.stop();
  // After the boot they stay what they became.
  w.restart();
  await w.system.advance(5_000);
  expect(w.runtime.runningApps(uidOf(web))).toEqual([]);
  expect(w.server.status(uidOf(web))).toMatchObject({ phase: 'Failed', reason: 'Terminated' });
  await w.agent.stop();
});
