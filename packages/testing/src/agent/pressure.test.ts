// A node that runs short: conditions, room made without harm, and pods that have to leave, one at a time; on a virtual clock.
import { type HostReading, NO_READING } from '@podplane/agent/node/pressure';
import { parseThresholds } from '@podplane/agent/node/thresholds';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { afterEach, expect, it } from 'vitest';
import { condition, testPod, type World, world } from './harness.js';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const DISK = { totalBytes: 100 * GIB, availableBytes: 50 * GIB, inodesTotal: 0, inodesFree: 0 };

let w: World;
let reading: HostReading;
afterEach(async () => {
  await w.agent.stop();
});

function start(): void {
  reading = { ...NO_READING, memoryTotalBytes: 4 * GIB, memoryAvailableBytes: GIB, disk: DISK, imageDisk: DISK };
  w = world(1, {
    readHost: () => reading,
    care: {
      pressure: { thresholds: parseThresholds('memory.available<100Mi,nodefs.available<10%,imagefs.available<15%'), transitionMs: 60_000 },
      imageGc: { highPercent: 85, lowPercent: 80, minAgeMs: 30_000 },
    },
  });
}

const uid = (pod: Pod): string => pod.metadata?.uid ?? '';
const evicted = (...pods: readonly Pod[]): string[] =>
  pods.filter((pod) => w.server.status(uid(pod))?.reason === 'Evicted').map((pod) => pod.metadata?.name ?? '');

/** What the node last said about itself. */
function conditions(): Record<string, string> {
  const said = w.server.received.flatMap((message) =>
    message.$case === 'nodeStatus' ? [message.value.status] : message.$case === 'hello' ? [message.value.status] : [],
  );
  return Object.fromEntries((said.at(-1)?.conditions ?? []).map(({ type, status }) => [type, status]));
}

/** Pods of one container each, of the pod's name. */
async function running(...names: readonly string[]): Promise<Pod[]> {
  const pods = names.map((name) => testPod(name, undefined, [name]));
  await w.system.advance(100);
  for (const pod of pods) w.server.assign(pod);
  await w.system.advance(5_000, () => pods.every((pod) => condition(w.server.status(uid(pod)), 'Ready') === 'True'));
  return pods;
}

it('memory: who takes most beyond its request leaves first, and no one else while room comes back', async () => {
  start();
  const [small, big, middle] = await running('small', 'big', 'middle');
  if (small === undefined || big === undefined || middle === undefined) throw new Error('no pods');
  for (const [name, mib] of [
    ['small', 10],
    ['big', 500],
    ['middle', 100],
  ] as const) {
    w.runtime.uses.set(name, { memoryBytes: mib * MIB });
  }
  expect(conditions()).toMatchObject({ MemoryPressure: 'False', DiskPressure: 'False' });
  reading = { ...reading, memoryAvailableBytes: 50 * MIB };
  await w.system.advance(11_000);
  expect(conditions()).toMatchObject({ MemoryPressure: 'True', DiskPressure: 'False' });
  expect(evicted(small, big, middle)).toEqual(['big']);
  expect(w.server.status(uid(big))).toMatchObject({
    phase: 'Failed',
    message:
      'The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container big was using 500Mi, request is 0, has larger consumption of memory. ',
  });
  expect(condition(w.server.status(uid(big)), 'DisruptionTarget')).toBe('True');
  expect(w.runtime.runningApps(uid(big))).toEqual([]);
  // Still short: the next one.
  await w.system.advance(30_000, () => evicted(middle).length > 0);
  expect(evicted(small, big, middle)).toEqual(['big', 'middle']);
  // Room again: nobody else leaves, and the condition stays for its time.
  reading = { ...reading, memoryAvailableBytes: GIB };
  await w.system.advance(45_000);
  expect([evicted(small), conditions().MemoryPressure]).toEqual([[], 'True']);
  await w.system.advance(30_000);
  expect([evicted(small), conditions().MemoryPressure]).toEqual([[], 'False']);
  expect(w.runtime.runningApps(uid(small))).toEqual(['small']);
  expect(w.server.events.filter(({ podUid }) => podUid === '').map(({ reason }) => reason)).toContain('EvictionThresholdMet');
});

it('a critical pod stays, whatever it takes', async () => {
  start();
  const critical = testPod('critical', (pod) => void (pod.spec && (pod.spec.priority = 2_000_001_000)), ['critical']);
  const [other] = await running('other');
  w.server.assign(critical);
  await w.system.advance(5_000, () => condition(w.server.status(uid(critical)), 'Ready') === 'True');
  w.runtime.uses.set('critical', { memoryBytes: 900 * MIB });
  w.runtime.uses.set('other', { memoryBytes: 10 * MIB });
  reading = { ...reading, memoryAvailableBytes: 50 * MIB };
  await w.system.advance(60_000);
  expect(other === undefined ? [] : evicted(other)).toEqual(['other']);
  await w.system.advance(60_000);
  expect(evicted(critical)).toEqual([]);
  expect(w.runtime.runningApps(uid(critical))).toEqual(['critical']);
});

it('disk: ended containers and images that were pulled here go before any pod does', async () => {
  start();
  w.runtime.registry.set('pulled:1', {});
  w.runtime.addImage('mine:1');
  const puller = testPod('puller', (pod) => {
    const [container] = pod.spec?.containers ?? [];
    if (container !== undefined) container.image = 'pulled:1';
    if (pod.spec !== undefined) pod.spec.restartPolicy = 'Never';
  });
  const [keeper] = await running('keeper');
  w.server.assign(puller);
  await w.system.advance(5_000, () => condition(w.server.status(uid(puller)), 'Ready') === 'True');
  w.runtime.crash(w.runtime.running(uid(puller), 'a')?.info.id ?? '', 0);
  await w.system.advance(60_000);
  expect(w.server.status(uid(puller))?.phase).toBe('Succeeded');
  const ended = (): number => [...w.runtime.containers.values()].filter(({ info }) => info.state === 'exited').length;
  expect(ended()).toBeGreaterThan(0);
  reading = { ...reading, imageDisk: { ...DISK, availableBytes: GIB } };
  // The disk has room again as soon as the image is gone.
  const images = w.runtime.images;
  const before = images.delete.bind(images);
  images.delete = (name) => {
    reading = { ...reading, imageDisk: DISK };
    return before(name);
  };
  await w.system.advance(30_000);
  expect([...images.keys()].sort()).toEqual(['app:1', 'mine:1']);
  expect(ended()).toBe(0);
  expect(keeper === undefined ? [] : evicted(keeper)).toEqual([]);
  expect(conditions().DiskPressure).toBe('True');
  expect(w.server.status(uid(puller))?.phase).toBe('Succeeded'); // it is still what it was
});

it('disk: images are freed above the high mark without any pressure, and only after their time', async () => {
  start();
  w.runtime.registry.set('pulled:1', {});
  const puller = testPod('puller', (pod) => {
    const [container] = pod.spec?.containers ?? [];
    if (container !== undefined) container.image = 'pulled:1';
  });
  await w.system.advance(100);
  w.server.assign(puller);
  await w.system.advance(5_000, () => condition(w.server.status(uid(puller)), 'Ready') === 'True');
  // 86 % full: more than the high mark; the thresholds of eviction ask for 15 % that are free.
  w.server.remove(uid(puller));
  reading = { ...reading, imageDisk: { ...DISK, availableBytes: 15 * GIB } };
  await w.system.advance(12_000);
  expect(w.runtime.images.has('pulled:1')).toBe(true); // too young
  w.restart(); // what was pulled is known to the next agent, too
  await w.system.advance(60_000);
  expect(w.runtime.images.has('pulled:1')).toBe(false);
  expect(conditions().DiskPressure).toBe('False');
  expect(w.server.events.map(({ reason }) => reason)).toContain('FreeDiskSpaceFailed');
});

it('a node that is short takes no new pods, but for those that Kubernetes would let in', async () => {
  start();
  const requests = (pod: Pod): void => {
    const [container] = pod.spec?.containers ?? [];
    if (container !== undefined) container.resources = { claims: [], limits: {}, requests: { memory: '1Mi' } };
  };
  const [bestEffort, burstable, later] = [testPod('best-effort'), testPod('burstable', requests), testPod('later', requests)];
  w.runtime.uses.set('a', { memoryBytes: 1 });
  reading = { ...reading, memoryAvailableBytes: 0 };
  await w.system.advance(1_000);
  reading = { ...reading, memoryAvailableBytes: GIB }; // over, but the condition is still there
  for (const pod of [bestEffort, burstable]) w.server.assign(pod);
  await w.system.advance(5_000);
  expect(evicted(bestEffort, burstable)).toEqual(['best-effort']);
  expect(w.server.status(uid(bestEffort))?.message).toBe('Pod was rejected: The node had condition: [MemoryPressure]. ');
  expect(condition(w.server.status(uid(burstable)), 'Ready')).toBe('True');
  reading = { ...reading, disk: { ...DISK, availableBytes: 0 } };
  await w.system.advance(11_000);
  w.server.assign(later);
  await w.system.advance(1_000);
  expect(w.server.status(uid(later))?.message).toBe('Pod was rejected: The node had condition: [MemoryPressure DiskPressure]. ');
});

it('an agent that starts on a node that is short says so with its first word', async () => {
  start();
  const small = { ...DISK, availableBytes: 0 };
  reading = { ...reading, disk: small, imageDisk: small };
  await w.system.advance(1_000);
  const hello = w.server.received.find((message) => message.$case === 'hello');
  const status = hello?.$case === 'hello' ? hello.value.status : undefined;
  expect(status?.conditions.find(({ type }) => type === 'DiskPressure')?.status).toBe('True');
});
