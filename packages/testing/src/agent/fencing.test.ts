// Fenced pods of an agent whose server falls silent, that hangs, or that is gone: dead before the lease is over, whatever happens, and back
// when there is one again. On a virtual clock, with a watchdog that outlives the agent.
import { EPOCH_ANNOTATION, EPOCH_VARIABLE, FENCING_ANNOTATION } from '@podplane/api/fencing';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeWatchdog } from '../fake-watchdog.js';
import { condition, testPod, type World, world } from './harness.js';

let w: World;
let watchdog: FakeWatchdog;
/** For how long the machine has slept, ms: only the clock of leases counts it. */
let slept: number;

/** A world whose agent has a watchdog. */
function fencedWorld(): void {
  const holder: { watchdog?: FakeWatchdog; system?: World['system'] } = {};
  slept = 0;
  // The watchdog is of the same world as the agent that needs it to begin with.
  w = world(1, {
    leaseClock: () => (holder.system?.clock.monotonic() ?? 0) + slept,
    watchdog: {
      last: () => holder.watchdog?.last(),
      tell: (word) => holder.watchdog?.tell(word),
      ensure: () => holder.watchdog?.ensure() ?? Promise.resolve(),
      is: (id) => holder.watchdog?.is(id) ?? false,
    },
  });
  const { system, runtime } = w;
  holder.system = system;
  watchdog = holder.watchdog = new FakeWatchdog({ system, kill: (id) => runtime.crash(id, 137) });
}

beforeEach(() => fencedWorld());
afterEach(async () => {
  watchdog.end();
  await w.agent.stop();
});

const uidOf = (pod: Pod): string => pod.metadata?.uid ?? '';
const strict = (name: string, change: (pod: Pod) => void = () => undefined): Pod =>
  testPod(name, (pod) => {
    if (pod.metadata !== undefined) pod.metadata.annotations = { [FENCING_ANNOTATION]: 'strict' };
    change(pod);
  });
const now = (): number => w.system.clock.monotonic();
const runs = (pod: Pod): boolean => w.runtime.running(uidOf(pod), 'a') !== undefined;

async function ready(...pods: readonly Pod[]): Promise<void> {
  await w.system.advance(100);
  for (const pod of pods) w.server.assign(pod);
  expect(await w.system.advance(10_000, () => pods.every((pod) => condition(w.server.status(uidOf(pod)), 'Ready') === 'True'))).toBe(true);
}

/** Ms before the end of the lease at which no process of the pod ran any more. */
async function deadBefore(pod: Pod): Promise<number> {
  expect(await w.system.advance(60_000, () => !runs(pod))).toBe(true);
  return (watchdog.last()?.until ?? 0) + 1000 - now();
}

describe('a node that the server does not answer', () => {
  it('stops its fenced pods 5 s before its lease is over, lets the others run, and starts them again with the next answer', async () => {
    const [fenced, other] = [strict('db'), testPod('web')];
    await ready(fenced, other);
    expect(watchdog.running).toBe(true);
    w.server.mode = 'silent';
    w.server.drop();
    const left = await deadBefore(fenced);
    expect(left).toBeGreaterThan(4_900);
    expect(left).toBeLessThanOrEqual(5_000);
    const before = w.runtime.calls.filter((call) => call.startsWith('start')).length;
    await w.system.advance(120_000);
    expect(runs(fenced)).toBe(false);
    expect(runs(other)).toBe(true);
    expect(w.runtime.running(uidOf(fenced), 'POD')).toBeDefined();
    expect(w.runtime.calls.filter((call) => call.startsWith('start'))).toHaveLength(before);
    w.server.mode = 'up';
    expect(await w.system.advance(20_000, () => runs(fenced))).toBe(true);
    expect(await w.system.advance(5_000, () => condition(w.server.status(uidOf(fenced)), 'Ready') === 'True')).toBe(true);
    const status = w.server.status(uidOf(fenced))?.containerStatuses[0];
    expect(status).toMatchObject({ restartCount: 1 });
    expect(w.server.events.filter(({ reason }) => reason === 'Killing')).toMatchObject([
      { podUid: uidOf(fenced), message: expect.stringContaining('lease') },
    ]);
  });

  it('kills what does not end by itself 2 s before, says so in its status, and does not count it for the back-off', async () => {
    w.runtime.addImage('app:1', { stopMs: undefined });
    const pod = strict('db');
    await ready(pod);
    for (let round = 1; round <= 4; round++) {
      w.server.mode = 'silent';
      w.server.drop();
      const left = await deadBefore(pod);
      expect(left).toBeGreaterThan(1_900);
      expect(left).toBeLessThanOrEqual(2_000);
      await w.system.advance(5_000);
      w.server.mode = 'up';
      expect(await w.system.advance(20_000, () => runs(pod)), `round ${round}`).toBe(true);
      expect(await w.system.advance(5_000, () => condition(w.server.status(uidOf(pod)), 'Ready') === 'True')).toBe(true);
      expect(w.server.status(uidOf(pod))?.containerStatuses[0]).toMatchObject({
        restartCount: round,
        lastState: { terminated: { reason: 'Fenced', exitCode: 137, message: expect.stringContaining('lease') } },
      });
    }
  });

  it('tells the watchdog when there is nobody left to watch, so that it does not look for them for ever', async () => {
    const pod = strict('db');
    await ready(pod);
    expect(watchdog.last()?.containerIds).toHaveLength(1);
    w.server.remove(uidOf(pod));
    expect(await w.system.advance(120_000, () => watchdog.last()?.containerIds.length === 0)).toBe(true);
    w.server.mode = 'silent';
    w.server.drop();
    await w.system.advance(120_000);
    expect(watchdog.kills).toBe(0);
  });

  it('does not wait for the grace of a pod that is on its way out', async () => {
    w.runtime.addImage('app:1', { stopMs: undefined });
    const pod = strict('db', (it) => {
      if (it.spec !== undefined) it.spec.terminationGracePeriodSeconds = 3600;
    });
    await ready(pod);
    pod.metadata = { ...pod.metadata!, deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 3600 };
    w.server.assign(pod);
    await w.system.advance(2_000);
    expect(runs(pod)).toBe(true);
    w.server.mode = 'silent';
    w.server.drop();
    expect(await deadBefore(pod)).toBeGreaterThan(1_900);
  });

  it('a pod that must not restart has failed', async () => {
    w.runtime.addImage('app:1', { stopMs: undefined });
    const pod = strict('job', (it) => {
      if (it.spec !== undefined) it.spec.restartPolicy = 'Never';
    });
    await ready(pod);
    w.server.mode = 'silent';
    w.server.drop();
    await deadBefore(pod);
    w.server.mode = 'up';
    expect(await w.system.advance(20_000, () => w.server.status(uidOf(pod))?.phase === 'Failed')).toBe(true);
    expect(runs(pod)).toBe(false);
  });

  it('starts a pod that came right after a sleep, when no timer had seen yet that the lease was over', async () => {
    const pod = strict('late');
    await w.system.advance(5_000);
    slept += 60_000;
    w.server.assign(pod);
    expect(await w.system.advance(20_000, () => runs(pod))).toBe(true);
  });

  it('an answer that comes just in time costs nothing', async () => {
    const pod = strict('db');
    await ready(pod);
    const id = w.runtime.running(uidOf(pod), 'a')?.info.id;
    for (let round = 0; round < 6; round++) {
      // Connections are refused, or hang.
      w.server.mode = round % 2 === 0 ? 'down' : 'silent';
      w.server.drop();
      await w.system.advance(round % 2 === 0 ? 8_000 : 4_000);
      w.server.mode = 'up';
      await w.system.advance(5_000);
      expect(w.runtime.running(uidOf(pod), 'a')?.info.id).toBe(id);
    }
  });
});

describe('a node that slept for longer than its lease', () => {
  it.each([
    ['its agent', 0],
    ['the watchdog, where the engine hangs', 3_600_000],
  ])('has its fenced pods killed by %s, though the server answers at once; they start anew under the next lease', async (_by, kill) => {
    w.runtime.addImage('app:1', { stopMs: undefined });
    const [fenced, other] = [strict('db'), testPod('web')];
    await ready(fenced, other);
    const [id, otherId] = [fenced, other].map((pod) => w.runtime.running(uidOf(pod), 'a')?.info.id);
    w.runtime.latency.kill = kill;
    slept = 60_000; // no timer of the agent has noticed, and the next heartbeat is answered
    expect(await w.system.advance(3_000, () => w.runtime.running(uidOf(fenced), 'a')?.info.id !== id)).toBe(true);
    expect(await w.system.advance(10_000, () => runs(fenced))).toBe(true);
    expect(await w.system.advance(5_000, () => condition(w.server.status(uidOf(fenced)), 'Ready') === 'True')).toBe(true);
    expect(w.server.status(uidOf(fenced))?.containerStatuses[0]).toMatchObject({
      restartCount: 1,
      lastState: { terminated: { reason: 'Fenced', exitCode: 137 } },
    });
    expect(w.runtime.running(uidOf(other), 'a')?.info.id).toBe(otherId);
    expect(watchdog.last()?.until).toBeGreaterThan(now() + slept);
  });
});

describe('the watchdog', () => {
  it('kills before the lease is over where the engine does not answer', async () => {
    w.runtime.addImage('app:1', { stopMs: undefined });
    const pod = strict('db');
    await ready(pod);
    w.runtime.latency.stop = 3_600_000;
    w.runtime.latency.kill = 3_600_000;
    w.server.mode = 'silent';
    w.server.drop();
    const left = await deadBefore(pod);
    expect(left).toBeGreaterThan(900);
    expect(left).toBeLessThanOrEqual(1_000);
  });

  it('kills before the lease is over where the agent is gone; the next one leaves the pod alone until it has a lease', async () => {
    const [fenced, other] = [strict('db'), testPod('web')];
    await ready(fenced, other);
    await w.agent.stop();
    expect(await deadBefore(fenced)).toBeGreaterThan(900);
    await w.system.advance(30_000);
    expect(runs(other)).toBe(true);
    w.server.mode = 'down';
    w.restart();
    await w.system.advance(60_000);
    expect(runs(fenced)).toBe(false);
    w.server.mode = 'up';
    expect(await w.system.advance(10_000, () => runs(fenced))).toBe(true);
    await w.system.advance(2_000);
    expect(w.server.status(uidOf(fenced))?.containerStatuses[0]?.lastState?.terminated).toMatchObject({ reason: 'Fenced', exitCode: 137 });
  });

  it('lets pods run over a restart of the agent within the lease', async () => {
    const pod = strict('db');
    await ready(pod);
    const id = w.runtime.running(uidOf(pod), 'a')?.info.id;
    for (let round = 0; round < 3; round++) {
      await w.agent.stop();
      await w.system.advance(8_000);
      w.restart();
      await w.system.advance(5_000);
    }
    expect(w.runtime.running(uidOf(pod), 'a')?.info.id).toBe(id);
    expect(watchdog.starts).toBe(1);
  });

  it('is there before a fenced pod starts, and started again when it ends', async () => {
    watchdog.broken = new Error('no such image');
    const pod = strict('db');
    await w.system.advance(100);
    w.server.assign(pod);
    await w.system.advance(20_000);
    expect(runs(pod)).toBe(false);
    expect(w.server.events.find(({ reason }) => reason === 'FailedFencing')?.message).toMatch(/if this agent were gone: no such image$/);
    watchdog.broken = undefined;
    expect(await w.system.advance(5_000, () => runs(pod))).toBe(true);
    watchdog.end();
    expect(await w.system.advance(11_000, () => watchdog.running)).toBe(true);
  });

  it('has nothing to do with pods that are not fenced', async () => {
    await ready(
      testPod('web'),
      strict('none', (pod) => (pod.metadata!.annotations[FENCING_ANNOTATION] = 'none')),
    );
    expect(watchdog.starts).toBe(0);
    w.server.mode = 'silent';
    w.server.drop();
    await w.system.advance(300_000);
    expect(w.runtime.calls.some((call) => call.startsWith('stop') || call.startsWith('kill'))).toBe(false);
  });
});

describe('a server on an older copy of its data', () => {
  /** The server is stopped, and another one takes its place. */
  async function next(term: number, previousTerm: number, pods: readonly Pod[]): Promise<void> {
    w.server.mode = 'down';
    w.server.drop();
    Object.assign(w.server, { term, previousTerm });
    w.server.pods.clear();
    for (const pod of pods) w.server.pods.set(uidOf(pod), pod);
    await w.system.advance(1_000);
    w.server.mode = 'up';
  }

  it.each([['the same agent', false] as const, ['an agent that was started again', true] as const])(
    'has nothing fenced started here before all leases are over, and what it does not know ended at once (%s)',
    async (_who, restarted) => {
      w.runtime.addImage('app:1', { stopMs: undefined });
      Object.assign(w.server, { term: 9, previousTerm: 8 });
      w.server.drop();
      const [stays, unknown, back, other] = [strict('stays'), strict('unknown'), strict('back'), testPod('other')];
      await ready(stays, unknown);
      await next(11, 7, [stays, back, other]);
      if (restarted) w.restart();
      const began = now();
      expect(await w.system.advance(10_000, () => !runs(unknown))).toBe(true);
      expect(now() - began).toBeLessThan(5_000);
      expect(await w.system.advance(10_000, () => runs(other))).toBe(true);
      expect(await w.system.advance(30_000, () => runs(back))).toBe(true);
      expect(now() - began).toBeGreaterThan(17_000);
      expect(runs(stays)).toBe(true);
      expect(w.server.status(uidOf(stays))?.containerStatuses[0]?.restartCount).toBe(0);
    },
  );

  it('is not taken for one that only followed, nor for the first', async () => {
    for (const [term, previousTerm] of [
      [9, 0],
      [10, 9],
      [12, 11],
    ] as const) {
      const pod = strict(`p${term}`);
      await next(term, previousTerm, [pod]);
      const began = now();
      expect(await w.system.advance(10_000, () => runs(pod))).toBe(true);
      expect(now() - began).toBeLessThan(6_000);
    }
  });
});

describe('a server that does not know yet what runs elsewhere', () => {
  it('has nothing fenced started before it says so; what runs goes on, and is told to it', async () => {
    const [runs1, waits, other] = [strict('runs'), strict('waits'), testPod('other')];
    await ready(runs1);
    w.server.startsHeld = true;
    w.server.drop();
    await w.system.advance(5_000);
    w.server.assign(waits);
    w.server.assign(other);
    await w.system.advance(60_000);
    expect([runs(runs1), runs(waits), runs(other)]).toEqual([true, false, true]);
    const hello = w.server.received.findLast((message) => message.$case === 'hello');
    expect(hello?.value.inventory.map(({ uid, guarded }) => [uid, guarded])).toEqual([[uidOf(runs1), true]]);
    w.server.startsHeld = false;
    expect(await w.system.advance(5_000, () => runs(waits))).toBe(true);
    expect(w.server.status(uidOf(runs1))?.containerStatuses[0]?.restartCount).toBe(0);
  });

  it('has nothing fenced started by an agent that was started again and has not heard it', async () => {
    const pod = strict('db');
    await ready(pod);
    w.server.mode = 'silent';
    w.restart();
    await w.system.advance(1_000);
    w.runtime.crash(w.runtime.running(uidOf(pod), 'a')?.info.id ?? '', 1);
    await w.system.advance(8_000);
    expect(runs(pod)).toBe(false);
    w.server.mode = 'up';
    expect(await w.system.advance(10_000, () => runs(pod))).toBe(true);
  });
});

describe('the epoch of a fenced pod', () => {
  const withEpoch = (pod: Pod, epoch: string): Pod => {
    if (pod.metadata !== undefined) pod.metadata.annotations = { ...pod.metadata.annotations, [EPOCH_ANNOTATION]: epoch };
    return pod;
  };
  const envOf = (pod: Pod): string | undefined => {
    const spec = w.runtime.running(uidOf(pod), 'a')?.spec;
    return spec !== undefined && 'env' in spec ? spec.env.find(({ name }) => name === EPOCH_VARIABLE)?.value : undefined;
  };

  it('is the newest when a container starts, also of one that was made before', async () => {
    w.server.startsHeld = true;
    const pod = withEpoch(strict('db'), '100');
    await w.system.advance(100);
    w.server.assign(pod);
    await w.system.advance(10_000);
    expect(w.runtime.calls.some((call) => call.startsWith('createContainer'))).toBe(true);
    w.server.assign(withEpoch(structuredClone(pod), '200'));
    w.server.startsHeld = false;
    expect(await w.system.advance(10_000, () => runs(pod))).toBe(true);
    expect(envOf(pod)).toBe('200');
    expect(w.server.status(uidOf(pod))?.containerStatuses[0]?.restartCount).toBe(0);
  });

  it('is remembered, with the term of the server, over restarts of the agent: the highest that was told', async () => {
    const said = (): unknown => {
      const hello = w.server.received.findLast((message) => message.$case === 'hello');
      return { epoch: hello?.value.epoch, term: hello?.value.term };
    };
    w.server.epoch = 500;
    await ready(withEpoch(strict('db'), '400'));
    w.server.epoch = 90;
    w.server.drop();
    await w.system.advance(3_000);
    expect(said()).toEqual({ epoch: 500, term: 1 });
    w.server.assign(withEpoch(strict('db2'), '700'));
    await w.system.advance(5_000);
    w.restart();
    await w.system.advance(5_000);
    expect(said()).toEqual({ epoch: 700, term: 1 });
  });
});
