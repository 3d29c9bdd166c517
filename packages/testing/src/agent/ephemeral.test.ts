// Ephemeral containers, from assignment to status, against the fake runtime on a virtual clock.
import type { ContainerSpec } from '@podplane/agent/runtime/types';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { afterEach, expect, it } from 'vitest';
import { condition, testPod, type World, world } from './harness.js';

let w: World;
afterEach(async () => {
  await w.agent.stop();
});

const uidOf = (pod: Pod): string => pod.metadata?.uid ?? '';

/** The pod with one more container to look around with. */
function withTools(pod: Pod, ...containers: object[]): Pod {
  const added = Pod.fromJSON({ spec: { containers: [], ephemeralContainers: containers } }).spec?.ephemeralContainers ?? [];
  const next = structuredClone(pod);
  next.spec?.ephemeralContainers.push(...added);
  return next;
}

async function running(change: (pod: Pod) => void = () => undefined): Promise<Pod> {
  w = world();
  w.runtime.addImage('tools:1', { exitAfterMs: 5_000, exitCode: 3 });
  w.runtime.addImage('stay:1');
  const pod = testPod('p', change);
  await w.system.advance(100);
  w.server.assign(pod);
  await w.system.advance(1_000);
  return pod;
}

const starts = (): readonly string[] =>
  w.runtime.calls.filter((call) => call.startsWith('start pp_')).map((call) => call.split('_')[1] ?? '');

it('start beside what runs, once, and change nothing about the pod', async () => {
  const pod = await running();
  w.server.assign(withTools(pod, { name: 'look', image: 'tools:1' }));
  await w.system.advance(1_000);
  let status = w.server.status(uidOf(pod));
  expect(status?.ephemeralContainerStatuses).toMatchObject([{ name: 'look', ready: false, restartCount: 0, state: { running: {} } }]);
  expect([status?.phase, condition(status, 'Ready')]).toEqual(['Running', 'True']);
  expect(w.server.events.some(({ fieldPath, reason }) => fieldPath === 'spec.ephemeralContainers{look}' && reason === 'Started')).toBe(
    true,
  );
  await w.system.advance(600_000);
  status = w.server.status(uidOf(pod));
  expect(status?.ephemeralContainerStatuses[0]?.state?.terminated).toMatchObject({ exitCode: 3, reason: 'Error' });
  expect([status?.phase, condition(status, 'Ready'), condition(status, 'ContainersReady')]).toEqual(['Running', 'True', 'True']);
  expect(starts()).toEqual(['POD', 'a', 'look']);
  // Nor does it run again because the agent was started anew.
  w.restart();
  await w.system.advance(60_000);
  expect(starts()).toEqual(['POD', 'a', 'look']);
  expect(w.server.status(uidOf(pod))?.ephemeralContainerStatuses[0]?.state?.terminated?.exitCode).toBe(3);
});

it('join the processes of the run of now, and wait for one', async () => {
  const pod = await running((one) => {
    one.spec!.containers[0]!.image = 'crash:1';
  });
  w.runtime.registry.set('crash:1', {});
  w.server.assign(withTools(pod, { name: 'look', image: 'stay:1', targetContainerName: 'a' }));
  await w.system.advance(2_000);
  expect(w.server.status(uidOf(pod))?.ephemeralContainerStatuses[0]?.state?.waiting?.reason).toBe('ContainerCreating');
  await w.system.advance(60_000); // the image comes after a back-off
  expect(w.server.status(uidOf(pod))?.ephemeralContainerStatuses[0]?.state?.running).toBeDefined();
  const target = w.runtime.running(uidOf(pod), 'a')?.info.id;
  const spec = w.runtime.running(uidOf(pod), 'look')?.spec as ContainerSpec;
  expect(target).toBeDefined();
  expect(spec.processes).toEqual({ of: target });
});

it('do not hold a pod that has done its work', async () => {
  const pod = await running((one) => {
    one.spec!.restartPolicy = 'Never';
    one.spec!.containers[0]!.image = 'job:1';
  });
  w.runtime.registry.set('job:1', { exitAfterMs: 20_000, exitCode: 0 });
  w.server.assign(withTools(pod, { name: 'look', image: 'stay:1' }));
  await w.system.advance(15_000);
  expect(w.runtime.runningApps(uidOf(pod))).toContain('look');
  await w.system.advance(60_000);
  expect(w.server.status(uidOf(pod))?.phase).toBe('Succeeded');
  expect(w.runtime.runningApps(uidOf(pod))).toEqual([]);
});

it('are ended with the pod', async () => {
  const pod = await running();
  w.server.assign(withTools(pod, { name: 'look', image: 'stay:1' }));
  await w.system.advance(1_000);
  w.server.remove(uidOf(pod));
  await w.system.advance(60_000);
  expect(w.server.reports.get(uidOf(pod))?.terminated).toBe(true);
  expect(w.runtime.containers.size).toBe(0);
});
