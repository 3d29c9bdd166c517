// The agent's core against the fake runtime and a played server, on a virtual clock.
import { RuntimeError } from '@podplane/agent/runtime/errors';
import { LABEL_CONTAINER } from '@podplane/agent/runtime/types';
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { Probe } from '@podplane/api/gen/podplane/core/v1/probe';
import { afterEach, describe, expect, it } from 'vitest';
import { condition, testPod, type World, world } from './harness.js';

let w: World;
afterEach(async () => {
  await w.agent.stop();
});

const uidOf = (pod: { metadata?: { uid?: string | undefined } | undefined }): string => pod.metadata?.uid ?? '';

async function ready(pod: ReturnType<typeof testPod>, ms = 5_000): Promise<boolean> {
  return w.system.advance(ms, () => condition(w.server.status(uidOf(pod)), 'Ready') === 'True');
}

async function running(
  pods = 1,
  change?: Parameters<typeof testPod>[1],
  containers?: readonly string[],
): Promise<ReturnType<typeof testPod>[]> {
  w = world();
  await w.system.advance(100);
  const list = Array.from({ length: pods }, (_, i) => testPod(`p${i}`, change, containers));
  for (const pod of list) w.server.assign(pod);
  for (const pod of list) expect(await ready(pod)).toBe(true);
  return list;
}

describe('a pod from assignment to its end', () => {
  it('runs with its containers, address and status', async () => {
    const [pod] = await running(1, undefined, ['a', 'b']);
    if (pod === undefined) throw new Error('unreachable');
    const status = w.server.status(uidOf(pod));
    expect(status?.phase).toBe('Running');
    expect(status?.podIP).toBe('10.244.1.2');
    expect(status?.hostIP).toBe('192.0.2.1');
    expect(status?.qosClass).toBe('BestEffort');
    expect(status?.containerStatuses.map(({ name, ready: is, started, restartCount }) => [name, is, started, restartCount])).toEqual([
      ['a', true, true, 0],
      ['b', true, true, 0],
    ]);
    expect(status?.containerStatuses[0]?.containerID).toBe(`docker://${w.runtime.running(uidOf(pod), 'a')?.info.id}`);
    await w.system.advance(1_000);
    const reasons = w.server.events.map(({ reason }) => reason);
    for (const reason of ['Pulled', 'Created', 'Started']) expect(reasons.filter((one) => one === reason)).toHaveLength(2);
  });

  it('creates the containers while the pause container starts', async () => {
    w = world();
    w.runtime.latency.start = 100;
    await w.system.advance(100);
    const pod = testPod('p');
    w.server.assign(pod);
    const begin = w.system.elapsed;
    expect(await ready(pod)).toBe(true);
    // pause start and app start follow each other, everything else hides behind them
    expect(w.system.elapsed - begin).toBeLessThan(212);
    const calls = w.runtime.calls.filter((call) => /^(create|start)/.test(call) && !call.startsWith('createVolume'));
    expect(calls.map((call) => call.replace(/_.*?_/, ' ').split(' ').slice(0, 2).join(' '))).toEqual([
      'createPause pp',
      'start pp',
      'createContainer pp',
      'start pp',
    ]);
  });

  it('ends on deletion: TERM, removal, address and volumes free, then the farewell', async () => {
    const [pod] = await running(1, (one) => {
      one.spec?.volumes.push({ name: 'v', emptyDir: {} });
    });
    if (pod === undefined) throw new Error('unreachable');
    expect(w.runtime.volumes.size).toBe(1);
    pod.metadata = { ...pod.metadata!, deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 };
    w.server.assign(pod);
    expect(await w.system.advance(1_000, () => w.server.reports.get(uidOf(pod))?.terminated === true)).toBe(true);
    expect(w.server.status(uidOf(pod))?.phase).toBe('Succeeded');
    expect(condition(w.server.status(uidOf(pod)), 'Ready')).toBe('False');
    expect([w.runtime.containers.size, w.runtime.volumes.size]).toEqual([0, 0]);
    // assigned once more by a confused server: it stays dead
    w.server.assign(pod);
    await w.system.advance(2_000);
    expect(w.runtime.containers.size).toBe(0);
  });

  it('kills after the grace what ignores SIGTERM, and earlier when the grace is shortened', async () => {
    w = world();
    w.runtime.addImage('app:1', { stopMs: undefined });
    await w.system.advance(100);
    const pod = testPod('p');
    w.server.assign(pod);
    await ready(pod);
    pod.metadata = { ...pod.metadata!, deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 };
    w.server.assign(pod);
    await w.system.advance(10_000);
    expect(w.runtime.runningApps(uidOf(pod))).toEqual(['a']);
    pod.metadata = { ...pod.metadata, deletionGracePeriodSeconds: 0 };
    w.server.assign(pod);
    expect(await w.system.advance(1_000, () => w.server.reports.get(uidOf(pod))?.terminated === true)).toBe(true);
    expect(w.server.status(uidOf(pod))?.containerStatuses[0]?.state?.terminated?.exitCode).toBe(137);
  });

  it('runs a pod to completion and keeps its containers for their logs', async () => {
    w = world();
    w.runtime.addImage('app:1', { exitAfterMs: 1_000, exitCode: 0 });
    await w.system.advance(100);
    const pod = testPod('job', (one) => {
      one.spec!.restartPolicy = 'Never';
    });
    w.server.assign(pod);
    await w.system.advance(3_000);
    const status = w.server.status(uidOf(pod));
    expect(status?.phase).toBe('Succeeded');
    expect(status?.containerStatuses[0]?.state?.terminated?.reason).toBe('Completed');
    expect([...w.runtime.containers.values()].map(({ info }) => info.labels[LABEL_CONTAINER])).toEqual(['a']);
  });
});

describe('restarts', () => {
  it('restarts at once, then backs off 10 s, 20 s, ... and says CrashLoopBackOff', async () => {
    w = world();
    w.runtime.addImage('app:1', { exitAfterMs: 100, exitCode: 3 });
    await w.system.advance(100);
    const pod = testPod('crash');
    w.server.assign(pod);
    const starts: number[] = [];
    let seen = 0;
    await w.system.advance(120_000, () => {
      const count = w.runtime.calls.filter((call) => call.startsWith('createContainer')).length;
      if (count > seen) {
        seen = count;
        starts.push(w.system.elapsed);
      }
      return false;
    });
    const gaps = starts.slice(1).map((at, i) => Math.round((at - (starts[i] ?? 0)) / 1000));
    expect(gaps.slice(0, 4)).toEqual([0, 10, 20, 40]);
    const status = w.server.status(uidOf(pod))?.containerStatuses[0];
    expect(status?.state?.waiting?.reason).toBe('CrashLoopBackOff');
    expect(status?.lastState?.terminated?.exitCode).toBe(3);
    expect(status?.restartCount).toBe(starts.length - 1);
    expect(w.server.events.some(({ reason }) => reason === 'BackOff')).toBe(true);
    // never more than the current and one ended run are kept
    expect([...w.runtime.containers.values()].length).toBeLessThanOrEqual(3);
  });

  it('says why a container cannot be started, with its code', async () => {
    w = world();
    w.runtime.addImage('app:1', { startError: { message: 'exec: "nope": not found', exitCode: 127 } });
    await w.system.advance(100);
    const pod = testPod('p', (one) => {
      one.spec!.restartPolicy = 'Never';
    });
    w.server.assign(pod);
    await w.system.advance(2_000);
    const status = w.server.status(uidOf(pod));
    expect(status?.phase).toBe('Failed');
    expect(status?.containerStatuses[0]?.state?.terminated).toMatchObject({
      exitCode: 127,
      reason: 'StartError',
      message: 'exec: "nope": not found',
    });
  });

  it('says OOMKilled', async () => {
    const [pod] = await running();
    if (pod === undefined) throw new Error('unreachable');
    w.runtime.crash(w.runtime.running(uidOf(pod), 'a')?.info.id ?? '', 137, true);
    await w.system.advance(1_000);
    expect(w.server.status(uidOf(pod))?.containerStatuses[0]?.lastState?.terminated?.reason).toBe('OOMKilled');
  });

  it('builds the sandbox anew when the pause container died; the address stays', async () => {
    const [pod] = await running();
    if (pod === undefined) throw new Error('unreachable');
    const before = w.runtime.running(uidOf(pod), 'POD')?.info.id ?? '';
    w.runtime.crash(before, 137);
    await w.system.advance(2_000);
    expect(w.runtime.running(uidOf(pod), 'POD')?.info.id).not.toBe(before);
    const status = w.server.status(uidOf(pod));
    expect(status?.podIP).toBe('10.244.1.2');
    expect(status?.containerStatuses[0]?.restartCount).toBe(1);
    expect(condition(status, 'Ready')).toBe('True');
  });

  it('notices without hints, by the slow list', async () => {
    const [pod] = await running();
    if (pod === undefined) throw new Error('unreachable');
    w.runtime.muted = true;
    w.runtime.crash(w.runtime.running(uidOf(pod), 'a')?.info.id ?? '', 1);
    await w.system.advance(60_000);
    expect(w.server.status(uidOf(pod))?.containerStatuses[0]?.restartCount).toBe(1);
  });

  it('makes a container again that somebody removed', async () => {
    const [pod] = await running();
    if (pod === undefined) throw new Error('unreachable');
    const id = w.runtime.running(uidOf(pod), 'a')?.info.id ?? '';
    void w.runtime.remove(id);
    await w.system.advance(2_000);
    expect(w.runtime.running(uidOf(pod), 'a')?.info.id).not.toBe(id);
    expect(w.server.status(uidOf(pod))?.containerStatuses[0]?.restartCount).toBe(1);
  });
});

describe('images and configuration', () => {
  it('backs off pulls: ErrImagePull, ImagePullBackOff, and goes on when the image is there', async () => {
    w = world();
    await w.system.advance(100);
    const pod = testPod('p', (one) => {
      one.spec!.containers[0]!.image = 'other:1';
    });
    w.server.assign(pod);
    await w.system.advance(500);
    expect(w.server.status(uidOf(pod))?.containerStatuses[0]?.state?.waiting?.reason).toBe('ErrImagePull');
    await w.system.advance(3_000);
    expect(w.server.status(uidOf(pod))?.containerStatuses[0]?.state?.waiting?.reason).toBe('ImagePullBackOff');
    expect(w.runtime.calls.filter((call) => call.startsWith('pullImage'))).toHaveLength(1);
    w.runtime.addImage('other:1');
    w.agent.imagesChanged();
    expect(await ready(pod)).toBe(true);
  });

  it('never pulls with policy Never', async () => {
    w = world();
    await w.system.advance(100);
    const pod = testPod('p', (one) => {
      one.spec!.containers[0]!.image = 'other:1';
      one.spec!.containers[0]!.imagePullPolicy = 'Never';
    });
    w.server.assign(pod);
    await w.system.advance(1_000);
    expect(w.server.status(uidOf(pod))?.containerStatuses[0]?.state?.waiting?.reason).toBe('ErrImageNeverPull');
    expect(w.runtime.calls.some((call) => call.startsWith('pullImage'))).toBe(false);
  });

  it('waits for a ConfigMap that is not there and goes on when it comes', async () => {
    w = world();
    await w.system.advance(100);
    const pod = testPod('p', (one) => {
      one.spec!.containers[0]!.env.push({ name: 'X', valueFrom: { configMapKeyRef: { name: 'c', key: 'k' } } });
    });
    w.server.assign(pod);
    await w.system.advance(1_000);
    const waiting = w.server.status(uidOf(pod))?.containerStatuses[0]?.state?.waiting;
    expect(waiting).toMatchObject({ reason: 'CreateContainerConfigError', message: 'configmap "c" not found' });
    w.server.difference({ configMaps: [ConfigMap.fromJSON({ metadata: { name: 'c', namespace: 'default' }, data: { k: 'v' } })] });
    expect(await ready(pod)).toBe(true);
    const spec = w.runtime.running(uidOf(pod), 'a')?.spec;
    expect(spec !== undefined && 'env' in spec ? spec.env : []).toContainEqual({ name: 'X', value: 'v' });
  });
});

describe('probes', () => {
  const http = (more: object = {}): Probe =>
    Probe.fromJSON({ httpGet: { path: '/', port: 80 }, periodSeconds: 10, failureThreshold: 2, ...more });

  it('is ready soon after the application is, and not before', async () => {
    w = world();
    w.probes.set('a', 'failure');
    await w.system.advance(100);
    const pod = testPod('p', (one) => {
      one.spec!.containers[0]!.readinessProbe = http();
    });
    w.server.assign(pod);
    expect(await ready(pod, 3_000)).toBe(false);
    expect(w.server.status(uidOf(pod))?.phase).toBe('Running');
    w.probes.set('a', 'success');
    expect(await ready(pod, 1_100)).toBe(true);
    w.probes.set('a', 'failure');
    await w.system.advance(9_000);
    expect(condition(w.server.status(uidOf(pod)), 'Ready')).toBe('True');
    await w.system.advance(21_000);
    expect(condition(w.server.status(uidOf(pod)), 'Ready')).toBe('False');
    expect(w.server.status(uidOf(pod))?.containerStatuses[0]?.restartCount).toBe(0);
  });

  it('restarts a container whose liveness probe fails', async () => {
    const [pod] = await running(1, (one) => {
      one.spec!.containers[0]!.livenessProbe = http();
    });
    if (pod === undefined) throw new Error('unreachable');
    w.probes.set('a', 'failure');
    await w.system.advance(25_000, () => (w.server.status(uidOf(pod))?.containerStatuses[0]?.restartCount ?? 0) > 0);
    w.probes.set('a', 'success');
    await w.system.advance(1_000);
    expect(w.server.status(uidOf(pod))?.containerStatuses[0]?.restartCount).toBe(1);
    expect(w.server.events.map(({ reason }) => reason)).toEqual(expect.arrayContaining(['Unhealthy', 'Killing']));
  });

  it('waits with liveness and readiness until start-up is over', async () => {
    w = world();
    w.probes.set('a', 'failure');
    await w.system.advance(100);
    const pod = testPod('p', (one) => {
      one.spec!.containers[0]!.startupProbe = http({ failureThreshold: 30 });
      one.spec!.containers[0]!.livenessProbe = http({ failureThreshold: 1, periodSeconds: 1 });
    });
    w.server.assign(pod);
    await w.system.advance(20_000);
    const status = w.server.status(uidOf(pod))?.containerStatuses[0];
    expect([status?.started, status?.ready, status?.restartCount]).toEqual([false, false, 0]);
    w.probes.set('a', 'success');
    expect(await ready(pod, 1_100)).toBe(true);
  });
});

describe('the agent restarted', () => {
  it('adopts the same containers and keeps readiness, also without the server', async () => {
    const pods = await running(3, (one) => {
      one.spec!.containers[0]!.readinessProbe = Probe.fromJSON({ httpGet: { path: '/', port: 80 } });
    });
    await w.system.advance(1_000);
    const ids = [...w.runtime.containers.keys()].sort();
    w.server.mode = 'down';
    const calls = w.runtime.calls.length;
    w.probes.set('a', 'failure');
    w.restart();
    await w.system.advance(2_000);
    expect([...w.runtime.containers.keys()].sort()).toEqual(ids);
    expect(
      w.runtime.calls.slice(calls).filter((call) => /^(create|start|stop|remove|kill)/.test(call) && !call.startsWith('createVolume')),
    ).toEqual([]);
    w.probes.set('a', 'success');
    w.server.reports.clear();
    w.server.history.length = 0;
    w.server.mode = 'up';
    await w.system.advance(20_000);
    expect(w.server.history.map(({ status }) => condition(status, 'Ready'))).not.toContain('False');
    for (const pod of pods) {
      expect(condition(w.server.status(uidOf(pod)), 'Ready')).toBe('True');
      expect(w.server.status(uidOf(pod))?.containerStatuses[0]?.restartCount).toBe(0);
    }
    expect([...w.runtime.containers.keys()].sort()).toEqual(ids);
  });

  it('adopts by labels when the state file is lost', async () => {
    const [pod] = await running();
    if (pod === undefined) throw new Error('unreachable');
    const ids = [...w.runtime.containers.keys()].sort();
    pod.status = w.server.status(uidOf(pod));
    w.restart();
    w.state.text = undefined;
    w.restart();
    await w.system.advance(5_000);
    expect([...w.runtime.containers.keys()].sort()).toEqual(ids);
    expect(w.server.status(uidOf(pod))?.podIP).toBe('10.244.1.2');
  });

  it('removes what is no longer its own, and only after the server said so', async () => {
    const [pod] = await running();
    if (pod === undefined) throw new Error('unreachable');
    await w.system.advance(1_000);
    w.server.mode = 'down';
    w.server.pods.clear();
    w.restart();
    await w.system.advance(5_000);
    expect(w.runtime.runningApps(uidOf(pod))).toEqual(['a']);
    w.server.mode = 'up';
    await w.system.advance(10_000);
    expect(w.runtime.containers.size).toBe(0);
  });

  it('does not start what it is about to lose, and starts it all the same where the server does not answer', async () => {
    const [lost] = await running();
    if (lost === undefined) throw new Error('unreachable');
    await w.system.advance(1_000);
    // The node was killed the hard way; its pod was replaced elsewhere meanwhile.
    for (const { info } of [...w.runtime.containers.values()]) w.runtime.crash(info.id, 137);
    w.server.pods.clear();
    const calls = w.runtime.calls.length;
    w.restart();
    await w.system.advance(10_000);
    expect(w.runtime.calls.slice(calls).filter((call) => /^(create|start)/.test(call))).toEqual([]);
    expect(w.runtime.containers.size).toBe(0);

    const pod = testPod('q');
    w.server.assign(pod);
    expect(await ready(pod)).toBe(true);
    await w.system.advance(1_000);
    for (const { info } of [...w.runtime.containers.values()]) w.runtime.crash(info.id, 137);
    w.server.mode = 'down';
    w.restart();
    await w.system.advance(6_000);
    expect(w.runtime.runningApps(uidOf(pod))).toEqual(['a']);
  });

  it('does not start a pod again that it had just ended when it was killed, though its state does not say so yet', async () => {
    const [pod] = await running();
    if (pod === undefined) throw new Error('unreachable');
    await w.system.advance(1_000);
    w.state.save = () => Promise.resolve();
    pod.metadata = { ...pod.metadata!, deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 1 };
    w.server.assign(pod);
    expect(await w.system.advance(10_000, () => w.server.reports.get(uidOf(pod))?.terminated === true)).toBe(true);
    w.server.pods.clear();
    w.server.mode = 'down';
    const calls = w.runtime.calls.length;
    w.restart();
    await w.system.advance(10_000);
    w.server.mode = 'up';
    await w.system.advance(10_000);
    expect(w.runtime.calls.slice(calls).filter((call) => /^(create|start)/.test(call))).toEqual([]);
  });

  it('stays a Ready node over a restart', async () => {
    await running();
    await w.system.advance(1_000);
    const before = w.server.received.length;
    w.restart();
    await w.system.advance(2_000);
    const statuses = w.server.received
      .slice(before)
      .flatMap((message) => (message.$case === 'hello' || message.$case === 'nodeStatus' ? [message.value.status] : []));
    expect(statuses.length).toBeGreaterThan(0);
    for (const status of statuses) expect(status?.conditions.find((one) => one.type === 'Ready')?.status).toBe('True');
  });

  it('removes orphans of which nothing is known but their labels', async () => {
    const [pod] = await running();
    if (pod === undefined) throw new Error('unreachable');
    w.server.pods.clear();
    w.server.mode = 'down';
    w.restart();
    w.state.text = undefined;
    w.restart();
    w.server.mode = 'up';
    await w.system.advance(10_000);
    expect(w.runtime.containers.size).toBe(0);
    expect(w.server.reports.get(uidOf(pod))?.terminated).toBe(true);
  });

  it('goes on with the end of a pod', async () => {
    w = world();
    w.runtime.addImage('app:1', { stopMs: undefined });
    await w.system.advance(100);
    const pod = testPod('p');
    w.server.assign(pod);
    await ready(pod);
    pod.metadata = { ...pod.metadata!, deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 10 };
    w.server.assign(pod);
    await w.system.advance(2_000);
    w.restart();
    expect(await w.system.advance(20_000, () => w.server.reports.get(uidOf(pod))?.terminated === true)).toBe(true);
    expect(w.runtime.containers.size).toBe(0);
  });
});

describe('the engine', () => {
  it('may be down at the start: NotReady, then Ready', async () => {
    w = world();
    w.runtime.stopEngine();
    w.restart();
    await w.system.advance(1_000);
    const hello = w.server.received.findLast((message) => message.$case === 'hello');
    expect(hello?.value.status?.conditions.find((one) => one.type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ContainerEngineNotReachable',
    });
    w.runtime.startEngine();
    const pod = testPod('p');
    w.server.assign(pod);
    expect(await ready(pod, 10_000)).toBe(true);
    const status = w.server.received.findLast((message) => message.$case === 'nodeStatus');
    expect(status?.value.status?.conditions.find((one) => one.type === 'Ready')?.status).toBe('True');
  });

  it('may be restarted: pods come back with one more restart and the same address', async () => {
    const [pod] = await running(1, undefined, ['a', 'b']);
    if (pod === undefined) throw new Error('unreachable');
    w.runtime.stopEngine('end');
    await w.system.advance(3_000);
    expect(
      w.server.received.findLast((message) => message.$case === 'nodeStatus')?.value.status?.conditions.find((one) => one.type === 'Ready')
        ?.status,
    ).toBe('False');
    w.runtime.startEngine();
    await w.system.advance(10_000);
    const status = w.server.status(uidOf(pod));
    expect(condition(status, 'Ready')).toBe('True');
    expect(status?.podIP).toBe('10.244.1.2');
    expect(status?.containerStatuses.map(({ restartCount }) => restartCount)).toEqual([1, 1]);
  });

  it('keeps what runs through a restart with live-restore', async () => {
    const [pod] = await running();
    if (pod === undefined) throw new Error('unreachable');
    const ids = [...w.runtime.containers.keys()].sort();
    w.runtime.stopEngine('live');
    await w.system.advance(3_000);
    w.runtime.startEngine();
    await w.system.advance(10_000);
    expect([...w.runtime.containers.keys()].sort()).toEqual(ids);
    expect(condition(w.server.status(uidOf(pod)), 'Ready')).toBe('True');
  });

  it('tries a sandbox again whose address is taken, with another one', async () => {
    w = world();
    await w.system.advance(100);
    w.runtime.fail('start', new RuntimeError('address-in-use', 'Address already in use'), 1, (name) => name.includes('POD'));
    const pod = testPod('p');
    w.server.assign(pod);
    expect(await ready(pod, 10_000)).toBe(true);
    expect(w.server.status(uidOf(pod))?.podIP).toBe('10.244.1.3');
    await w.system.advance(1_000);
    expect(w.server.events.some(({ reason }) => reason === 'FailedCreatePodSandBox')).toBe(true);
  });
});

describe('the session', () => {
  it('notices silence within about three seconds and dials again', async () => {
    await running();
    const dials = w.server.dials;
    const before = w.system.elapsed;
    w.server.mode = 'silent';
    expect(await w.system.advance(10_000, () => w.server.dials > dials)).toBe(true);
    expect(w.system.elapsed - before).toBeLessThan(5_500);
    w.server.mode = 'up';
    await w.system.advance(15_000);
    expect(w.agent.session.connected).toBe(true);
  });

  it('reports everything again in a new session, and what was not acknowledged', async () => {
    const pods = await running(2);
    w.server.acknowledging = false;
    w.runtime.crash(w.runtime.running(uidOf(pods[0]!), 'a')?.info.id ?? '', 1);
    await w.system.advance(1_000);
    w.server.reports.clear();
    w.server.acknowledging = true;
    w.server.drop();
    await w.system.advance(2_000);
    expect([...w.server.reports.keys()].sort()).toEqual(pods.map(uidOf).sort());
    expect(w.server.status(uidOf(pods[0]!))?.containerStatuses[0]?.restartCount).toBe(1);
  });

  it('asks for everything when a difference is missing', async () => {
    await running();
    w.server.difference({ from: 77, to: 78 });
    await w.system.advance(500);
    expect(w.server.received.some((message) => message.$case === 'resync')).toBe(true);
  });

  it('counts the lease from the moment the acknowledged heartbeat was sent', async () => {
    await running();
    await w.system.advance(5_000);
    const left = w.agent.session.leaseUntil - w.system.clock.monotonic();
    expect(left).toBeGreaterThan(13_900);
    expect(left).toBeLessThanOrEqual(15_000);
    w.server.mode = 'silent';
    await w.system.advance(20_000);
    expect(w.agent.session.leaseUntil).toBeLessThan(w.system.clock.monotonic());
  });
});

it('does nothing while nothing happens', async () => {
  await running(5);
  await w.system.advance(5_000);
  const calls = w.runtime.calls.length;
  const fired = w.system.fired;
  await w.system.advance(20_000);
  expect(w.runtime.calls.slice(calls)).toEqual([]);
  // heartbeats, their answers and the watch for death
  expect(w.system.fired - fired).toBeLessThan(100);
});
