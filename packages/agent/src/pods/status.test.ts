import { Pod, type PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import { describe, expect, it } from 'vitest';
import { type ContainerInfo, LABEL_ATTEMPT, LABEL_CONTAINER, PAUSE_CONTAINER } from '../runtime/types.js';
import type { ContainerMemory, PodMemory } from './planner/types.js';
import { FRESH_POD, memoryFor, noteObserved, withContainer } from './pod-memory.js';
import { isUrgent, podStatus, type StatusInput } from './status.js';
import { waitingEvents } from './status-events.js';

const NOW = { wall: 1_800_000_000_000, monotonic: 1_000_000 };

function podOf(restartPolicy: string, names: readonly string[] = ['a'], more: object = {}): Pod {
  const containers = names.map((name) => ({ name, image: 'i:1' }));
  return Pod.fromJSON({ metadata: { name: 'p', namespace: 'd', uid: 'u' }, spec: { restartPolicy, containers, ...more } });
}

function info(name: string, attempt: number, change: Partial<ContainerInfo>): ContainerInfo {
  return {
    id: `${name}-${attempt}`,
    name,
    labels: { [LABEL_CONTAINER]: name, [LABEL_ATTEMPT]: String(attempt) },
    state: 'running',
    image: 'i:1',
    imageId: 'sha256:1',
    createdAt: NOW.wall - 10_000,
    startedAt: NOW.wall - 9_000,
    finishedAt: undefined,
    exitCode: undefined,
    oomKilled: false,
    error: '',
    pid: 1,
    ...change,
  };
}
const ended = (name: string, attempt: number, exitCode: number, change: Partial<ContainerInfo> = {}): ContainerInfo =>
  info(name, attempt, { state: 'exited', exitCode, finishedAt: NOW.wall - 1_000, pid: 0, ...change });
const pause = info(PAUSE_CONTAINER, 0, {});

function statusOf(
  pod: Pod,
  observed: readonly ContainerInfo[],
  change: Partial<StatusInput> = {},
  memory: PodMemory = { ...FRESH_POD, ip: '10.0.0.2' },
): PodStatus {
  const noted = noteObserved(memory, observed, NOW, false);
  const running = new Set(observed.filter((one) => one.state === 'running').map((one) => one.id));
  const base = { hostIP: '192.0.2.1', previous: undefined, acceptedAt: NOW.wall, ended: false, now: NOW };
  return podStatus({ pod, memory: noted, observed, ready: running, started: running, ...base, ...change });
}

const first = (status: PodStatus): NonNullable<PodStatus['containerStatuses'][number]> => {
  const [one] = status.containerStatuses;
  if (one === undefined) throw new Error('no container status');
  return one;
};

describe('phase', () => {
  it.each([
    // policy, containers (exit code, or running, or none), phase
    ['Always', ['none'], 'Pending'],
    ['Always', ['running'], 'Running'],
    ['Always', ['running', 'none'], 'Pending'],
    ['Always', [0], 'Running'],
    ['Always', [1], 'Running'],
    ['OnFailure', [0], 'Succeeded'],
    ['OnFailure', [1], 'Running'],
    ['OnFailure', [0, 'running'], 'Running'],
    ['OnFailure', [0, 0], 'Succeeded'],
    ['Never', [0, 0], 'Succeeded'],
    ['Never', [0, 3], 'Failed'],
    ['Never', [3, 'running'], 'Running'],
  ] as const)('%s with %j: %s', (policy, states, phase) => {
    const names = ['a', 'b'].slice(0, states.length);
    const observed = states.flatMap((state, i) => {
      const name = names[i] ?? '';
      return state === 'none' ? [] : [state === 'running' ? info(name, 0, {}) : ended(name, 0, state)];
    });
    expect(statusOf(podOf(policy, names), [pause, ...observed]).phase).toBe(phase);
  });

  it('of a pod that was to end follows the exit codes', () => {
    const memory: PodMemory = { ...FRESH_POD, phase: 'terminating' };
    expect(statusOf(podOf('Always'), [ended('a', 0, 0)], { ended: true }, memory).phase).toBe('Succeeded');
    expect(statusOf(podOf('Always'), [ended('a', 0, 137)], { ended: true }, memory).phase).toBe('Failed');
    expect(statusOf(podOf('Always'), [], { ended: true }, memory).phase).toBe('Failed');
  });

  it('that the server has as terminal stays', () => {
    const pod = podOf('Always');
    pod.status = { ...memoryFreeStatus(), phase: 'Failed' };
    expect(statusOf(pod, [pause, info('a', 0, {})]).phase).toBe('Failed');
  });
});

function memoryFreeStatus(): PodStatus {
  return Pod.fromJSON({ status: {} }).status ?? (undefined as never);
}

describe('containers', () => {
  it('running, with the end of the run before', () => {
    const status = first(statusOf(podOf('Always'), [pause, info('a', 2, {}), ended('a', 1, 7)]));
    expect(status).toMatchObject({
      restartCount: 2,
      ready: true,
      started: true,
      containerID: 'docker://a-2',
      imageID: 'sha256:1',
      state: { running: { startedAt: '2027-01-15T07:59:51Z' } },
      lastState: { terminated: { exitCode: 7, reason: 'Error', containerID: 'docker://a-1', finishedAt: '2027-01-15T07:59:59Z' } },
    });
  });

  it.each([
    [ended('a', 0, 0), { exitCode: 0, reason: 'Completed' }],
    [ended('a', 0, 137), { exitCode: 137, reason: 'Error' }],
    [ended('a', 0, 137, { oomKilled: true }), { exitCode: 137, reason: 'OOMKilled' }],
    // cgroup v1: a bystander that ended by itself
    [ended('a', 0, 3, { oomKilled: true }), { exitCode: 3, reason: 'Error' }],
    [info('a', 0, { state: 'created', error: 'not found', exitCode: 127 }), { exitCode: 127, reason: 'StartError', message: 'not found' }],
  ])('terminated: %#', (one, expected) => {
    expect(first(statusOf(podOf('Never'), [pause, one])).state?.terminated).toMatchObject(expected);
  });

  const waiting = (memory: Partial<ContainerMemory>, observed: readonly ContainerInfo[] = []): unknown =>
    first(statusOf(podOf('Always'), [pause, ...observed], {}, withContainer(FRESH_POD, 'a', memory))).state?.waiting;

  it('waiting, and why', () => {
    expect(waiting({})).toEqual({ reason: 'ContainerCreating' });
    expect(waiting({ image: { state: 'unknown', progress: '1 MB of 2 MB' } })).toEqual({
      reason: 'ContainerCreating',
      message: '1 MB of 2 MB',
    });
    const failed = { state: 'failed', reason: 'ErrImagePull', message: 'nope', delayMs: 10_000 } as const;
    expect(waiting({ image: { ...failed, retryAt: NOW.monotonic + 9_500 } })).toEqual({ reason: 'ErrImagePull', message: 'nope' });
    expect(waiting({ image: { ...failed, retryAt: NOW.monotonic + 5_000 } })).toMatchObject({ reason: 'ImagePullBackOff' });
    expect(waiting({ image: { ...failed, reason: 'ErrImageNeverPull', retryAt: NOW.monotonic } })).toMatchObject({
      reason: 'ErrImageNeverPull',
    });
    expect(waiting({ failure: { reason: 'CreateContainerConfigError', message: 'no map', delayMs: 0, retryAt: undefined } })).toEqual({
      reason: 'CreateContainerConfigError',
      message: 'no map',
    });
    expect(waiting({ backOff: { delayMs: 80_000, updatedAt: NOW.monotonic - 5_000 } }, [ended('a', 4, 1)])).toEqual({
      reason: 'CrashLoopBackOff',
      message: 'back-off 1m20s restarting failed container=a pod=p_d(u)',
    });
    // just failed to start, about to be tried again
    expect(waiting({}, [info('a', 0, { state: 'created', error: 'no such command', exitCode: 127 })])).toEqual({
      reason: 'RunContainerError',
      message: 'no such command',
    });
  });

  it('one that vanished counts as killed', () => {
    const memory = withContainer(FRESH_POD, 'a', { started: 1 });
    expect(first(statusOf(podOf('Never'), [pause], {}, memory)).state?.terminated).toMatchObject({
      exitCode: 137,
      reason: 'ContainerStatusUnknown',
    });
  });

  it('one that was seen only while somebody removed it counts as killed, and is remembered beside the next run', () => {
    const running = noteObserved(FRESH_POD, [pause, info('a', 0, {})], NOW, false);
    const removed = noteObserved(running, [pause, info('a', 0, { state: 'removing', exitCode: 137 })], NOW, false);
    expect(removed.containers.get('a')?.lastRun).toMatchObject({ attempt: 0, exitCode: 137, reason: 'ContainerStatusUnknown' });
    const again = noteObserved(removed, [pause, info('a', 1, {}), info('a', 0, { state: 'removing' })], NOW, false);
    const status = first(statusOf(podOf('Always'), [pause, info('a', 1, {})], {}, again));
    expect(status.restartCount).toBe(1);
    expect(status.lastState?.terminated).toMatchObject({ exitCode: 137, reason: 'ContainerStatusUnknown' });
  });

  it('what the server knows of earlier runs is not forgotten', () => {
    const pod = podOf('Always');
    pod.status = statusOf(pod, [pause, info('a', 5, {}), ended('a', 4, 9)]);
    const memory = memoryFor(pod);
    expect(memory.containers.get('a')).toMatchObject({ started: 5, lastRun: { attempt: 4, exitCode: 9 } });
    expect(first(statusOf(pod, [], {}, memory)).restartCount).toBe(5);
  });
});

describe('conditions and addresses', () => {
  const verdict = (status: PodStatus, type: string): string | undefined => status.conditions.find((one) => one.type === type)?.status;

  it('Ready needs all containers; times of what did not change are kept', () => {
    const pod = podOf('Always', ['a', 'b']);
    const before = statusOf(pod, [pause, info('a', 0, {}), info('b', 0, {})]);
    expect(before.conditions.map(({ type, status }) => `${type}=${status}`).sort()).toEqual(
      ['ContainersReady=True', 'Initialized=True', 'PodReadyToStartContainers=True', 'PodScheduled=True', 'Ready=True'].sort(),
    );
    expect(before).toMatchObject({
      podIP: '10.0.0.2',
      podIPs: [{ ip: '10.0.0.2' }],
      hostIP: '192.0.2.1',
      qosClass: 'BestEffort',
      startTime: '2027-01-15T08:00:00Z',
    });
    const later = { wall: NOW.wall + 60_000, monotonic: NOW.monotonic + 60_000 };
    const after = statusOf(pod, [pause, info('a', 0, {}), info('b', 0, {})], { ready: new Set(['a-0']), previous: before, now: later });
    expect(after.conditions.find(({ type }) => type === 'Ready')).toMatchObject({
      status: 'False',
      reason: 'ContainersNotReady',
      message: 'containers with unready status: [b]',
      lastTransitionTime: '2027-01-15T08:01:00Z',
    });
    expect(after.conditions.find(({ type }) => type === 'Initialized')?.lastTransitionTime).toBe('2027-01-15T08:00:00Z');
    expect([isUrgent(undefined, before), isUrgent(before, before), isUrgent(before, after)]).toEqual([true, false, true]);
  });

  it('an ending pod is not Ready, and one that ended says so', () => {
    const ending = statusOf(podOf('Always'), [pause, info('a', 0, {})], {}, { ...FRESH_POD, phase: 'terminating' });
    expect(verdict(ending, 'Ready')).toBe('False');
    const done = statusOf(podOf('Never'), [ended('a', 0, 0)]);
    expect(done.conditions.find(({ type }) => type === 'Ready')).toMatchObject({ status: 'False', reason: 'PodCompleted' });
  });

  it('the address is shown when there is a sandbox, and stays', () => {
    const pod = podOf('Always');
    expect(statusOf(pod, []).podIP).toBeUndefined();
    const before = statusOf(pod, [pause]);
    expect(statusOf(pod, [], { previous: before }).podIP).toBe('10.0.0.2');
    expect(verdict(statusOf(pod, [], { previous: before }), 'PodReadyToStartContainers')).toBe('False');
  });

  it('foreign conditions are kept', () => {
    const pod = podOf('Always');
    pod.status = { ...memoryFreeStatus(), conditions: [{ type: 'DisruptionTarget', status: 'True' }] };
    expect(verdict(statusOf(pod, [pause]), 'DisruptionTarget')).toBe('True');
  });
});

it('events say when a back-off begins, once for each run', () => {
  const ref = { uid: 'u', namespace: 'd', name: 'p' };
  const loop = (attempt: number): PodStatus =>
    statusOf(
      podOf('Always'),
      [pause, ended('a', attempt, 1)],
      {},
      withContainer(FRESH_POD, 'a', { backOff: { delayMs: 10_000, updatedAt: NOW.monotonic } }),
    );
  expect(waitingEvents(ref, undefined, undefined, loop(1)).map(({ reason }) => reason)).toEqual(['BackOff']);
  expect(waitingEvents(ref, undefined, loop(1), loop(1))).toEqual([]);
  expect(waitingEvents(ref, undefined, loop(1), loop(2))).toHaveLength(1);
});
