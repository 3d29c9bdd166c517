// Init containers and sidecars, from assignment to status, against the fake runtime on a virtual clock.
import { LABEL_CONTAINER } from '@podplane/agent/runtime/types';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { Pod as PodMessage } from '@podplane/api/gen/podplane/core/v1/pod';
import { summarizePod } from '@podplane/api/kinds/pod-columns';
import { afterEach, describe, expect, it } from 'vitest';
import { condition, testPod, type World, world } from './harness.js';

let w: World;
afterEach(async () => {
  await w.agent.stop();
});

const uidOf = (pod: Pod): string => pod.metadata?.uid ?? '';

/** inits: names; those in upper case are sidecars and use the image "app:1", the others "init:1". */
function podWithInits(inits: readonly string[], change: (pod: Pod) => void = () => undefined): Pod {
  return testPod('p', (pod) => {
    const made = PodMessage.fromJSON({
      spec: {
        initContainers: inits.map((name) => {
          const sidecar = name === name.toUpperCase();
          return { name: name.toLowerCase(), image: sidecar ? 'app:1' : 'init:1', ...(sidecar ? { restartPolicy: 'Always' } : {}) };
        }),
      },
    });
    pod.spec!.initContainers = made.spec?.initContainers ?? [];
    change(pod);
  });
}

async function assigned(pod: Pod): Promise<void> {
  w = world();
  w.runtime.addImage('init:1', { exitAfterMs: 1_000, exitCode: 0 });
  w.runtime.addImage('bad:1', { exitAfterMs: 1_000, exitCode: 3 });
  await w.system.advance(100);
  w.server.assign(pod);
}

/** STATUS as the table shows it. */
function column(pod: Pod): string {
  return summarizePod({ ...pod, status: w.server.status(uidOf(pod)) }).status;
}

/** Names of the containers in the order in which they were started. */
function starts(): readonly string[] {
  return w.runtime.calls.filter((call) => call.startsWith('start pp_')).map((call) => call.split('_')[1] ?? '');
}

/** In the order in which they were told to stop. */
function stops(): readonly string[] {
  return w.runtime.calls.filter((call) => call.startsWith('stop pp_')).map((call) => call.split('_')[1] ?? '');
}

describe('init containers', () => {
  it('run one after the other, then the main ones; status and conditions tell how far it is', async () => {
    const pod = podWithInits(['i', 'j']);
    await assigned(pod);
    await w.system.advance(500);
    let status = w.server.status(uidOf(pod));
    expect([status?.phase, condition(status, 'Initialized'), column(pod)]).toEqual(['Pending', 'False', 'Init:0/2']);
    expect(status?.conditions.find(({ type }) => type === 'Initialized')).toMatchObject({
      reason: 'ContainersNotInitialized',
      message: 'containers with incomplete status: [i j]',
    });
    expect(status?.containerStatuses[0]?.state?.waiting?.reason).toBe('PodInitializing');
    expect(status?.initContainerStatuses[1]?.state?.waiting?.reason).toBe('PodInitializing');
    expect(w.runtime.runningApps(uidOf(pod))).toEqual(['i']);
    await w.system.advance(1_000);
    expect(column(pod)).toBe('Init:1/2');
    await w.system.advance(1_500);
    status = w.server.status(uidOf(pod));
    expect([status?.phase, condition(status, 'Initialized'), column(pod)]).toEqual(['Running', 'True', 'Running']);
    expect(status?.initContainerStatuses.map(({ ready, state }) => [ready, state?.terminated?.reason])).toEqual([
      [true, 'Completed'],
      [true, 'Completed'],
    ]);
    expect(starts()).toEqual(['POD', 'i', 'j', 'a']);
    expect(w.server.events.some(({ fieldPath, reason }) => fieldPath === 'spec.initContainers{i}' && reason === 'Started')).toBe(true);
  });

  it('are tried again with back-off, and the main ones wait', async () => {
    const pod = podWithInits(['i'], (one) => {
      one.spec!.initContainers[0]!.image = 'bad:1';
    });
    await assigned(pod);
    await w.system.advance(3_500);
    const status = w.server.status(uidOf(pod));
    expect(status?.initContainerStatuses[0]?.state?.waiting?.reason).toBe('CrashLoopBackOff');
    expect([status?.phase, column(pod)]).toEqual(['Pending', 'Init:CrashLoopBackOff']);
    w.runtime.addImage('bad:1', { exitAfterMs: 100, exitCode: 0 });
    await w.system.advance(12_000);
    expect(w.server.status(uidOf(pod))?.phase).toBe('Running');
    expect(w.server.status(uidOf(pod))?.initContainerStatuses[0]?.restartCount).toBe(2);
  });

  it('that fail end a pod that is not restarted', async () => {
    const pod = podWithInits(['S', 'i'], (one) => {
      one.spec!.restartPolicy = 'Never';
      one.spec!.initContainers[1]!.image = 'bad:1';
    });
    await assigned(pod);
    await w.system.advance(5_000);
    const status = w.server.status(uidOf(pod));
    expect([status?.phase, column(pod)]).toEqual(['Failed', 'Init:Error']);
    expect(status?.initContainerStatuses[1]?.state?.terminated?.exitCode).toBe(3);
    expect(starts()).not.toContain('a');
    expect(w.runtime.runningApps(uidOf(pod))).toEqual([]);
  });

  it('run again when the sandbox was made anew, but not when a main container restarts', async () => {
    const pod = podWithInits(['i']);
    await assigned(pod);
    await w.system.advance(3_000);
    w.runtime.crash(w.runtime.running(uidOf(pod), 'a')!.info.id);
    await w.system.advance(3_000);
    expect(starts()).toEqual(['POD', 'i', 'a', 'a']);
    w.runtime.crash(w.runtime.running(uidOf(pod), 'POD')!.info.id);
    await w.system.advance(40_000, () => starts().length === 7);
    expect(starts().slice(4)).toEqual(['POD', 'i', 'a']);
  });

  it('are not run again by an agent that was restarted', async () => {
    const pod = podWithInits(['i', 'S']);
    await assigned(pod);
    await w.system.advance(3_000);
    w.restart();
    await w.system.advance(10_000);
    expect(starts()).toEqual(['POD', 'i', 's', 'a']);
    expect(w.server.status(uidOf(pod))?.phase).toBe('Running');
  });
});

describe('sidecars', () => {
  it('are started when their startup probe says so, and only then the next', async () => {
    const pod = podWithInits(['S', 'i'], (one) => {
      one.spec!.initContainers[0] = PodMessage.fromJSON({
        spec: {
          initContainers: [
            {
              name: 's',
              image: 'app:1',
              restartPolicy: 'Always',
              startupProbe: { tcpSocket: { port: 1 }, periodSeconds: 1, failureThreshold: 100 },
            },
          ],
        },
      }).spec!.initContainers[0]!;
    });
    await assigned(pod);
    w.probes.set('s', 'failure');
    await w.system.advance(10_000);
    expect(starts()).toEqual(['POD', 's']);
    expect(column(pod)).toBe('Init:0/2');
    w.probes.set('s', 'success');
    await w.system.advance(5_000);
    expect(starts()).toEqual(['POD', 's', 'i', 'a']);
    const { readyContainers, totalContainers } = summarizePod({ ...pod, status: w.server.status(uidOf(pod)) });
    expect([readyContainers, totalContainers]).toEqual([2, 2]);
  });

  it('are restarted alone, also in a pod that is not', async () => {
    const pod = podWithInits(['S'], (one) => {
      one.spec!.restartPolicy = 'Never';
    });
    await assigned(pod);
    await w.system.advance(1_000);
    w.runtime.crash(w.runtime.running(uidOf(pod), 's')!.info.id, 0);
    await w.system.advance(1_000);
    expect(starts()).toEqual(['POD', 's', 'a', 's']);
    expect(w.server.status(uidOf(pod))?.phase).toBe('Running');
  });

  it('do not hold a pod open: they stop after the main containers, in reverse order, then it has succeeded', async () => {
    const pod = podWithInits(['S', 'T'], (one) => {
      one.spec!.restartPolicy = 'Never';
      one.spec!.containers[0]!.image = 'init:1';
    });
    await assigned(pod);
    await w.system.advance(4_000);
    expect(stops()).toEqual(['t', 's']);
    expect(w.server.history.filter(({ status }) => status?.phase === 'Succeeded').length).toBeGreaterThan(0);
    expect(w.server.status(uidOf(pod))?.phase).toBe('Succeeded');
    // not told before the last of them has ended
    for (const { status } of w.server.history) {
      if (status?.phase === 'Succeeded')
        expect(status.initContainerStatuses.every(({ state }) => state?.terminated !== undefined)).toBe(true);
    }
    expect([...w.runtime.containers.values()].map(({ info }) => info.labels[LABEL_CONTAINER]).toSorted()).toEqual(['a', 's', 't']);
  });

  it('end last when the pod is deleted, and at the end of the grace at the latest', async () => {
    const pod = podWithInits(['S', 'T']);
    await assigned(pod);
    await w.system.advance(1_000);
    pod.metadata = { ...pod.metadata!, deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 30 };
    w.server.assign(pod);
    expect(await w.system.advance(2_000, () => w.server.reports.get(uidOf(pod))?.terminated === true)).toBe(true);
    expect(stops()).toEqual(['a', 't', 's']);

    await w.agent.stop();
    const stubborn = podWithInits(['S'], (one) => {
      one.spec!.containers[0]!.image = 'stubborn:1';
    });
    await assigned(stubborn);
    w.runtime.addImage('stubborn:1', { stopMs: undefined });
    await w.system.advance(1_000);
    stubborn.metadata = { ...stubborn.metadata!, deletionTimestamp: '2026-01-01T00:00:30Z', deletionGracePeriodSeconds: 3 };
    w.server.assign(stubborn);
    await w.system.advance(2_500);
    expect(w.runtime.runningApps(uidOf(stubborn)).toSorted()).toEqual(['a', 's']);
    expect(await w.system.advance(2_000, () => w.server.reports.get(uidOf(stubborn))?.terminated === true)).toBe(true);
  });
});
