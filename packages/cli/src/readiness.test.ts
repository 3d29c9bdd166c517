import { DaemonSet } from '@podplane/api/gen/podplane/apps/v1/daemon_set';
import { Deployment } from '@podplane/api/gen/podplane/apps/v1/deployment';
import { StatefulSet } from '@podplane/api/gen/podplane/apps/v1/stateful_set';
import { Job } from '@podplane/api/gen/podplane/batch/v1/job';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { describe, expect, it } from 'vitest';
import { daemonSetVerdict, deploymentVerdict, jobVerdict, podVerdict, statefulSetVerdict } from './readiness.js';

const wish = { metadata: { name: 'web', generation: 3 }, spec: { replicas: 4 } };

function deployment(
  status: Parameters<typeof Deployment.fromPartial>[0]['status'],
  spec: Parameters<typeof Deployment.fromPartial>[0]['spec'] = {},
): Deployment {
  return Deployment.fromPartial({ metadata: wish.metadata, spec: { ...wish.spec, ...spec }, status: { observedGeneration: 3, ...status } });
}

describe('deploymentVerdict', () => {
  it('waits for the controller to see the change', () => {
    expect(deploymentVerdict(deployment({ observedGeneration: 2, replicas: 4, updatedReplicas: 4, availableReplicas: 4 }))).toMatchObject({
      state: 'waiting',
    });
  });
  it('waits while new pods are missing', () => {
    expect(deploymentVerdict(deployment({ replicas: 4, updatedReplicas: 2, availableReplicas: 4, readyReplicas: 4 }))).toEqual({
      state: 'waiting',
      text: '2 of 4 new pods made, 4 of 4 pods ready',
    });
  });
  it('waits while old pods are there', () => {
    expect(deploymentVerdict(deployment({ replicas: 5, updatedReplicas: 4, availableReplicas: 5, readyReplicas: 5 })).text).toContain(
      '1 old pods still there',
    );
  });
  it('waits for pods to be available', () => {
    expect(deploymentVerdict(deployment({ replicas: 4, updatedReplicas: 4, availableReplicas: 3, readyReplicas: 3 }))).toEqual({
      state: 'waiting',
      text: '3 of 4 pods available',
    });
  });
  it('is done when all are new and available', () => {
    expect(deploymentVerdict(deployment({ replicas: 4, updatedReplicas: 4, availableReplicas: 4, readyReplicas: 4 }))).toEqual({
      state: 'done',
      text: 'is ready (4 of 4 pods)',
    });
  });
  it('is done without pods where none are wanted', () => {
    expect(deploymentVerdict(deployment({ replicas: 0 }, { replicas: 0 }))).toMatchObject({ state: 'done' });
  });
  it('fails when the deadline has passed, with the reason of a pod', () => {
    const pod = Pod.fromPartial({
      metadata: { name: 'web-1' },
      status: { containerStatuses: [{ name: 'web', state: { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } } }] },
    });
    const verdict = deploymentVerdict(
      deployment({
        replicas: 4,
        updatedReplicas: 4,
        conditions: [{ type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded' }],
      }),
      [pod],
    );
    expect(verdict).toEqual({
      state: 'failed',
      text: 'exceeded its progress deadline; web-1: container web: ImagePullBackOff (no such image)',
    });
  });
});

describe('podVerdict', () => {
  it('says why a pod has no node', () => {
    const pod = Pod.fromPartial({
      spec: { containers: [{ name: 'a' }] },
      status: {
        phase: 'Pending',
        conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message: '0/3 nodes are available' }],
      },
    });
    expect(podVerdict(pod)).toEqual({ state: 'waiting', text: 'not scheduled: 0/3 nodes are available' });
  });
  it('counts containers while they start', () => {
    const pod = Pod.fromPartial({
      spec: { nodeName: 'n1', containers: [{ name: 'a' }, { name: 'b' }] },
      status: {
        phase: 'Pending',
        containerStatuses: [
          { name: 'a', ready: true },
          { name: 'b', state: { waiting: { reason: 'ContainerCreating' } } },
        ],
      },
    });
    expect(podVerdict(pod)).toEqual({ state: 'waiting', text: '1 of 2 containers ready on n1' });
  });
  it('is ready, has succeeded, has failed', () => {
    expect(podVerdict(Pod.fromPartial({ status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] } })).state).toBe(
      'done',
    );
    expect(podVerdict(Pod.fromPartial({ status: { phase: 'Succeeded' } })).state).toBe('done');
    expect(
      podVerdict(
        Pod.fromPartial({ status: { phase: 'Failed', containerStatuses: [{ name: 'a', state: { terminated: { exitCode: 3 } } }] } }),
      ),
    ).toEqual({ state: 'failed', text: 'container a ended with exit code 3' });
  });
  it('does not count one that is leaving as ready', () => {
    const pod = Pod.fromPartial({
      metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' },
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    });
    expect(podVerdict(pod).state).toBe('waiting');
  });
});

const sick = Pod.fromPartial({
  metadata: { name: 'p-1' },
  status: { containerStatuses: [{ name: 'c', state: { waiting: { reason: 'ImagePullBackOff' } } }] },
});

describe('daemonSetVerdict', () => {
  const at = { desiredNumberScheduled: 3, observedGeneration: 1 };
  it.each<[Parameters<typeof DaemonSet.fromPartial>[0], string, string]>([
    [{ status: { observedGeneration: 0 } }, 'waiting', 'waiting for the change to be observed'],
    [
      { status: { ...at, updatedNumberScheduled: 1, numberAvailable: 2 } },
      'waiting',
      'new pods on 1 of 3 nodes, 2 available; p-1: container c: ImagePullBackOff',
    ],
    [
      { status: { ...at, updatedNumberScheduled: 3, numberAvailable: 2 } },
      'waiting',
      'available on 2 of 3 nodes; p-1: container c: ImagePullBackOff',
    ],
    [{ status: { ...at, updatedNumberScheduled: 3, numberAvailable: 3 } }, 'done', 'is ready (on 3 of 3 nodes)'],
    [
      { spec: { updateStrategy: { type: 'OnDelete' } }, status: { ...at, currentNumberScheduled: 3, numberAvailable: 3 } },
      'done',
      'is ready (on 3 of 3 nodes)',
    ],
    [{ status: { observedGeneration: 1 } }, 'done', 'has no pods, as no node fits'],
  ])('%j: %s', (partial, state, text) => {
    expect(daemonSetVerdict(DaemonSet.fromPartial({ metadata: { generation: 1 }, ...partial }), [sick])).toEqual({ state, text });
  });
});

describe('statefulSetVerdict', () => {
  const at = { observedGeneration: 1, replicas: 3, readyReplicas: 3, availableReplicas: 3, currentRevision: 'a', updateRevision: 'b' };
  it.each<[Parameters<typeof StatefulSet.fromPartial>[0], string, string]>([
    [{ status: { ...at, observedGeneration: 0 } }, 'waiting', 'waiting for the change to be observed'],
    [{ status: { ...at, availableReplicas: 2 } }, 'waiting', '2 of 3 pods available; p-1: container c: ImagePullBackOff'],
    [{ status: { ...at, updatedReplicas: 1 } }, 'waiting', '1 of 3 pods updated; p-1: container c: ImagePullBackOff'],
    [{ status: { ...at, replicas: 4, updatedReplicas: 3 } }, 'waiting', '1 pods more than wanted still there'],
    [
      {
        spec: { replicas: 3, updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 2 } } },
        status: { ...at, updatedReplicas: 1 },
      },
      'done',
      'is ready (3 of 3 pods)',
    ],
    [{ spec: { replicas: 3, updateStrategy: { type: 'OnDelete' } }, status: at }, 'done', 'is ready (3 of 3 pods)'],
    [{ status: { ...at, currentRevision: 'b', updatedReplicas: 3 } }, 'done', 'is ready (3 of 3 pods)'],
  ])('%j: %s', (partial, state, text) => {
    expect(statefulSetVerdict(StatefulSet.fromPartial({ metadata: { generation: 1 }, spec: { replicas: 3 }, ...partial }), [sick])).toEqual(
      { state, text },
    );
  });
});

describe('jobVerdict', () => {
  const condition = (type: string): object => ({ conditions: [{ type, status: 'True', message: 'too bad' }], succeeded: 2 });
  it.each<[Parameters<typeof Job.fromPartial>[0], string, string]>([
    [{}, 'waiting', 'waiting for its first pod; p-1: container c: ImagePullBackOff'],
    [{ status: { active: 1, ready: 1 } }, 'done', 'is running (0 of 5 succeeded)'],
    [{ status: condition('Complete') }, 'done', 'is complete (2 of 5 succeeded)'],
    [{ status: condition('Failed') }, 'failed', 'has failed: too bad; p-1: container c: ImagePullBackOff'],
    [{ spec: { completions: 5, suspend: true } }, 'done', 'is suspended'],
  ])('%j: %s', (partial, state, text) => {
    expect(jobVerdict(Job.fromPartial({ spec: { completions: 5 }, ...partial }), [sick])).toEqual({ state, text });
  });
});
