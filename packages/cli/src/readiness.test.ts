import { Deployment } from '@podplane/api/gen/podplane/apps/v1/deployment';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { describe, expect, it } from 'vitest';
import { deploymentVerdict, podVerdict } from './readiness.js';

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
