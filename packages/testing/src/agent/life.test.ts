// Hooks, deadlines and readiness gates of pods, against the fake runtime on a virtual clock.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TerminationMessages } from '@podplane/agent/pods/termination-messages';
import { RuntimeError } from '@podplane/agent/runtime/errors';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { condition, testPod, type World, world } from './harness.js';

let w: World;
afterEach(async () => {
  await w.agent.stop();
});

const uidOf = (pod: Pod): string => pod.metadata?.uid ?? '';

/** A pod of one container "a" with more said of it. */
function podOf(container: object, spec: object = {}): Pod {
  return testPod('p', (pod) => {
    const { initContainers: _, containers: __, ...rest } = Pod.fromJSON({ spec }).spec!;
    for (const [key, value] of Object.entries(rest)) if (value !== undefined && key in spec) Object.assign(pod.spec!, { [key]: value });
    pod.spec!.containers = Pod.fromJSON({ spec: { containers: [{ name: 'a', image: 'app:1', ...container }] } }).spec!.containers;
  });
}

type Answer = { readonly code: number; readonly output?: string; readonly afterMs?: number };

async function assigned(pod: Pod, exec: (command: readonly string[]) => Answer = () => ({ code: 0 })): Promise<void> {
  w = world();
  w.runtime.addImage('app:1', { exec });
  await w.system.advance(100);
  w.server.assign(pod);
}

const reasons = (): readonly string[] => w.server.events.map(({ reason }) => reason);

function remove(pod: Pod, graceSeconds: number): void {
  pod.metadata = { ...pod.metadata!, deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: graceSeconds };
  w.server.assign(pod);
}

describe('postStart', () => {
  const lifecycle = { postStart: { exec: { command: ['hook'] } } };

  it('ends before the container counts as ready', async () => {
    const pod = podOf({ lifecycle });
    await assigned(pod, () => ({ code: 0, afterMs: 5_000 }));
    await w.system.advance(4_000);
    expect(w.runtime.runningApps(uidOf(pod))).toEqual(['a']);
    expect(condition(w.server.status(uidOf(pod)), 'Ready')).toBe('False');
    expect(w.server.status(uidOf(pod))?.containerStatuses[0]?.started).toBe(false);
    expect(await w.system.advance(2_000, () => condition(w.server.status(uidOf(pod)), 'Ready') === 'True')).toBe(true);
  });

  it('that fails is told, and kills the container, which starts again with back-off', async () => {
    const pod = podOf({ lifecycle });
    await assigned(pod, () => ({ code: 1, output: 'no luck' }));
    await w.system.advance(3_000);
    const failed = w.server.events.find(({ reason }) => reason === 'FailedPostStartHook');
    expect(failed).toMatchObject({ type: 'Warning', message: 'PostStartHook failed: no luck', fieldPath: 'spec.containers{a}' });
    expect(w.server.events.filter(({ reason }) => reason === 'Killing').map(({ message }) => message)).toContain('FailedPostStartHook');
    const [status] = w.server.status(uidOf(pod))?.containerStatuses ?? [];
    expect([status?.restartCount, status?.state?.waiting?.reason]).toEqual([1, 'CrashLoopBackOff']);
  });

  it('does not hold up the end of the pod', async () => {
    const pod = podOf({ lifecycle });
    await assigned(pod, () => ({ code: 0, afterMs: 3_600_000 }));
    await w.system.advance(2_000);
    remove(pod, 30);
    expect(await w.system.advance(2_000, () => w.server.reports.get(uidOf(pod))?.terminated === true)).toBe(true);
  });
});

describe('preStop', () => {
  it('by sleep: SIGTERM comes afterwards', async () => {
    const pod = podOf({ lifecycle: { preStop: { sleep: { seconds: 5 } } } });
    await assigned(pod);
    await w.system.advance(1_000);
    remove(pod, 30);
    await w.system.advance(4_500);
    expect(w.runtime.calls.some((call) => call.startsWith('stop '))).toBe(false);
    expect(await w.system.advance(1_500, () => w.server.reports.get(uidOf(pod))?.terminated === true)).toBe(true);
    expect(reasons()).not.toContain('FailedPreStopHook');
  });

  it('by tcpSocket fails, as in Kubernetes', async () => {
    const pod = podOf({ lifecycle: { preStop: { tcpSocket: { port: 80 } } } });
    await assigned(pod);
    await w.system.advance(1_000);
    remove(pod, 30);
    expect(await w.system.advance(2_000, () => w.server.reports.get(uidOf(pod))?.terminated === true)).toBe(true);
    await w.system.advance(1_000);
    expect(reasons()).toContain('FailedPreStopHook');
  });
});

describe('activeDeadlineSeconds', () => {
  it('ends the pod as failed when its time is over', async () => {
    const pod = podOf({}, { activeDeadlineSeconds: 20 });
    await assigned(pod);
    await w.system.advance(15_000);
    expect(w.server.status(uidOf(pod))?.phase).toBe('Running');
    await w.system.advance(10_000);
    const status = w.server.status(uidOf(pod));
    expect([status?.phase, status?.reason]).toEqual(['Failed', 'DeadlineExceeded']);
    expect(status?.message).toBe('Pod was active on the node longer than the specified deadline');
    expect(w.runtime.runningApps(uidOf(pod))).toEqual([]);
    expect(reasons()).toContain('DeadlineExceeded');
    // and it stays so, also for an agent that was restarted
    w.restart();
    await w.system.advance(10_000);
    expect(w.server.status(uidOf(pod))?.reason).toBe('DeadlineExceeded');
    expect(w.runtime.runningApps(uidOf(pod))).toEqual([]);
  });

  it('counts from the start of the pod, over a restart of the agent', async () => {
    const pod = podOf({}, { activeDeadlineSeconds: 20 });
    await assigned(pod);
    await w.system.advance(12_000);
    w.restart();
    await w.system.advance(6_000);
    expect(w.server.status(uidOf(pod))?.phase).toBe('Running');
    expect(await w.system.advance(4_000, () => w.server.status(uidOf(pod))?.phase === 'Failed')).toBe(true);
  });

  it('says nothing of a pod that has done its work', async () => {
    const pod = podOf({ image: 'short:1' }, { activeDeadlineSeconds: 20, restartPolicy: 'Never' });
    await assigned(pod);
    w.runtime.addImage('short:1', { exitAfterMs: 1_000, exitCode: 0 });
    await w.system.advance(30_000);
    expect(w.server.status(uidOf(pod))?.phase).toBe('Succeeded');
    expect(reasons()).not.toContain('DeadlineExceeded');
  });
});

it('readinessGates: Ready waits for the conditions that others set', async () => {
  const pod = podOf({}, { readinessGates: [{ conditionType: 'example.com/lb' }] });
  await assigned(pod);
  await w.system.advance(2_000);
  let ready = w.server.status(uidOf(pod))?.conditions.find(({ type }) => type === 'Ready');
  expect(ready).toMatchObject({ status: 'False', reason: 'ReadinessGatesNotReady' });
  expect(ready?.message).toBe('corresponding condition of pod readiness gate "example.com/lb" does not exist.');
  expect(condition(w.server.status(uidOf(pod)), 'ContainersReady')).toBe('True');
  const set = (status: string): void => {
    const current = w.server.status(uidOf(pod))!;
    const others = current.conditions.filter(({ type }) => type !== 'example.com/lb');
    w.server.assign({ ...pod, status: { ...current, conditions: [...others, { type: 'example.com/lb', status }] } });
  };
  set('False');
  await w.system.advance(1_000);
  ready = w.server.status(uidOf(pod))?.conditions.find(({ type }) => type === 'Ready');
  expect(ready?.message).toBe('the status of pod readiness gate "example.com/lb" is not "True", but False');
  set('True');
  await w.system.advance(1_000);
  expect(condition(w.server.status(uidOf(pod)), 'Ready')).toBe('True');
});

it('terminationGracePeriodSeconds of a probe: what fails it has that long', async () => {
  const pod = podOf({ livenessProbe: { tcpSocket: { port: 1 }, periodSeconds: 1, failureThreshold: 1, terminationGracePeriodSeconds: 3 } });
  await assigned(pod);
  w.runtime.addImage('app:1', { stopMs: undefined });
  await w.system.advance(500);
  w.probes.set('a', 'failure');
  expect(await w.system.advance(3_000, () => reasons().includes('Unhealthy'))).toBe(true);
  w.probes.set('a', 'success');
  await w.system.advance(2_500);
  expect(w.server.status(uidOf(pod))?.containerStatuses[0]?.restartCount).toBe(0);
  expect(await w.system.advance(2_000, () => w.server.status(uidOf(pod))?.containerStatuses[0]?.lastState !== undefined)).toBe(true);
});

describe('termination messages', () => {
  const folder = mkdtempSync(join(tmpdir(), 'podplane-messages-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function withMessages(refuse: boolean): Promise<Pod> {
    const engine = {
      inspect: (id: string) => w.runtime.inspect(id),
      listContainers: (node: string) => w.runtime.listContainers(node),
      logs: (...args: Parameters<World['runtime']['logs']>) => w.runtime.logs(...args),
    };
    w = world(1, { messages: new TerminationMessages(folder, engine) });
    w.runtime.addImage('app:1', { exitAfterMs: 1_000, exitCode: 2 });
    if (refuse) w.runtime.fail('createContainer', new RuntimeError('invalid', 'bind source path does not exist'));
    await w.system.advance(100);
    const said = { terminationMessagePath: '/dev/termination-log', terminationMessagePolicy: 'FallbackToLogsOnError' };
    const pod = podOf(said, { restartPolicy: 'Never' });
    w.server.assign(pod);
    return pod;
  }

  it('come from the file that is mounted, and are gone with the pod', async () => {
    const pod = await withMessages(false);
    await w.system.advance(500);
    const spec = w.runtime.running(uidOf(pod), 'a')?.spec;
    const mount = spec?.mounts?.find(({ target }) => target === '/dev/termination-log');
    expect(mount).toMatchObject({ type: 'bind', readOnly: false });
    writeFileSync(mount?.source ?? '', 'because');
    await w.system.advance(2_000);
    expect(w.server.status(uidOf(pod))?.containerStatuses[0]?.state?.terminated?.message).toBe('because');
    remove(pod, 0);
    expect(await w.system.advance(2_000, () => w.server.reports.get(uidOf(pod))?.terminated === true)).toBe(true);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('come from the log where the engine does not see the files of the agent', async () => {
    const pod = await withMessages(true);
    await w.system.advance(3_000);
    expect(w.server.status(uidOf(pod))?.containerStatuses[0]?.state?.terminated).toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('log of pp_a_p'),
    });
    expect(w.runtime.calls.filter((call) => call.startsWith('createContainer'))).toHaveLength(2);
  });
});
