// The rarer rules of Jobs on a real store, each as Kubernetes' controller has it: back-off of ignored failures, indexes that come and go,
// what is counted before which end, which pods stay.
import type { Job } from '@podplane/api/gen/podplane/batch/v1/job';
import { ContainerStatus } from '@podplane/api/gen/podplane/core/v1/container_status';
import type { KindMap, Obj } from '@podplane/api/kinds/kind-map';
import { afterEach, describe, expect, it } from 'vitest';
import { World } from '../testkit/world.js';

let world: World;
afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

async function open(spec: Record<string, unknown> = {}): Promise<void> {
  world = await World.open();
  world.addNode('n1');
  world.apply('Job', {
    metadata: { name: 'sum', namespace: 'default' },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'v1' }] } }, ...spec },
  });
  await world.settle();
}

type Pod = Obj<'Pod'>;
type Status = NonNullable<Obj<'Job'>['status']>;
const status = (): Status => world.get('Job', 'sum').status as Status;
const condition = (type: string): string | undefined =>
  status().conditions.find((one) => one.type === type && one.status === 'True')?.reason;
const active = (): Pod[] => world.activePods();
const nameOf = (pod: Pod | undefined): string => pod?.metadata?.name ?? '';
const indexOf = (pod: Pod): string => pod.metadata?.annotations['batch.kubernetes.io/job-completion-index'] ?? '';
const indexes = (): string[] => active().map(indexOf).sort();
const ofIndex = (index: string): Pod => active().find((pod) => indexOf(pod) === index) as Pod;
const note = (pod: Pod | undefined, name: string): string | undefined => pod?.metadata?.annotations[`batch.kubernetes.io/${name}`];
const change = (edit: (spec: NonNullable<Job['spec']>) => void): void =>
  world.edit('Job', 'sum', (draft) => draft.spec && edit(draft.spec));
const remove = (pod: Pod, grace = 30): void =>
  void world.store.transact({ actor: 'user:test', reason: 'delete' }, (tx) => tx.markDeleted('Pod', 'default', nameOf(pod), grace));
const told = (reason: string): string[] => world.events.filter((event) => event.reason === reason).map(({ message }) => message);

async function end(pod: Pod, phase: 'Succeeded' | 'Failed', code?: number): Promise<void> {
  world.end(nameOf(pod), phase, code);
  await world.settle();
}
/** A second pod of the job beside one that it has, as if somebody had made it. */
function copyOf(pod: Pod, name: string): void {
  const { uid: _uid, resourceVersion: _version, ...metadata } = pod.metadata ?? {};
  world.create('Pod', { ...pod, metadata: { ...metadata, name }, spec: { ...pod.spec, nodeName: '' } } as Pod as KindMap['Pod']);
}
const disrupt = (pod: Pod, reason: string): void =>
  world.edit('Pod', nameOf(pod), (draft) => draft.status?.conditions.push({ type: 'DisruptionTarget', status: 'True', reason }));

const exits = (action: string, ...values: number[]): Record<string, unknown> => ({
  podFailurePolicy: { rules: [{ action, onExitCodes: { operator: 'In', values } }] },
});
const indexed = { completions: 2, parallelism: 2, completionMode: 'Indexed' };

describe('back-off', () => {
  it('ignored failures wait ever longer, too: a program that always ends so is not started in a loop', async () => {
    await open(exits('Ignore', 42));
    for (const wait of [10, 20, 40]) {
      await end(active()[0] as Pod, 'Failed', 42);
      await world.pass((wait - 1) * 1000);
      expect(active()).toEqual([]);
      await world.pass(2000);
      expect(active()).toHaveLength(1);
    }
    expect(status()).toMatchObject({ failed: 0, active: 1 });
  });

  it('ignored failures of an index are counted on its pods apart from the others, and wait as these do', async () => {
    await open({ ...indexed, backoffLimitPerIndex: 1, ...exits('Ignore', 42) });
    await end(ofIndex('0'), 'Failed', 42);
    expect(indexes()).toEqual(['1']);
    await world.pass(11_000);
    expect([note(ofIndex('0'), 'job-index-failure-count'), note(ofIndex('0'), 'job-index-ignored-failure-count')]).toEqual(['0', '1']);
    await end(ofIndex('0'), 'Failed', 1);
    await world.pass(19_000);
    expect(indexes()).toEqual(['1']);
    await world.pass(2000);
    expect([note(ofIndex('0'), 'job-index-failure-count'), note(ofIndex('0'), 'job-index-ignored-failure-count')]).toEqual(['1', '1']);
    expect([note(ofIndex('1'), 'job-index-failure-count'), note(ofIndex('1'), 'job-index-ignored-failure-count')]).toEqual([
      '0',
      undefined,
    ]);
    await end(ofIndex('0'), 'Failed', 42);
    expect(status()).toMatchObject({ failedIndexes: '', failed: 1 });
    await world.pass(41_000);
    await end(ofIndex('0'), 'Failed', 1);
    expect(status()).toMatchObject({ failedIndexes: '0', failed: 2 });
  });

  it.each<[string, string, number]>([
    ['its node was drained', '', 1],
    ['its node was short of memory', 'Evicted', 0],
  ])('a pod that ends because %s', async (_, reason, again) => {
    await open();
    const [pod] = active() as [Pod];
    world.run(pod);
    disrupt(pod, reason === '' ? 'EvictionByEvictionAPI' : 'TerminationByKubelet');
    world.edit('Pod', nameOf(pod), (draft) => draft.status && (draft.status.reason = reason));
    await end(pod, 'Failed', 137);
    expect(active()).toHaveLength(again);
    await world.pass(11_000);
    expect(active()).toHaveLength(1);
    expect(status().failed).toBe(1);
  });
});

describe('indexes', () => {
  it('reach containers by the label', async () => {
    await open(indexed);
    expect(ofIndex('1').metadata?.labels['batch.kubernetes.io/job-completion-index']).toBe('1');
    expect(ofIndex('1').spec?.containers[0]?.env).toMatchObject([
      {
        name: 'JOB_COMPLETION_INDEX',
        valueFrom: { fieldRef: { fieldPath: "metadata.labels['batch.kubernetes.io/job-completion-index']" } },
      },
    ]);
  });

  it('that are taken off an elastic job are forgotten, and run again when it grows', async () => {
    await open({ ...indexed, completions: 4, parallelism: 4 });
    await end(ofIndex('3'), 'Succeeded');
    await end(ofIndex('0'), 'Succeeded');
    expect(status()).toMatchObject({ completedIndexes: '0,3', succeeded: 2, active: 2 });
    change((spec) => Object.assign(spec, { completions: 2, parallelism: 2 }));
    await world.settle();
    expect(indexes()).toEqual(['1']);
    expect(status()).toMatchObject({ completedIndexes: '0', succeeded: 1, failed: 0, active: 1 });
    expect(condition('Complete')).toBeUndefined();
    change((spec) => Object.assign(spec, { completions: 5, parallelism: 5 }));
    await world.settle();
    expect(indexes()).toEqual(['1', '2', '3', '4']);
  });

  it('with podReplacementPolicy Failed are not run again before their pod has ended, whichever others are free', async () => {
    await open({ ...indexed, completions: 4, podReplacementPolicy: 'Failed' });
    for (const pod of active()) world.run(pod);
    remove(ofIndex('0'));
    await world.settle();
    expect(indexes()).toEqual(['1']);
    await end(ofIndex('1'), 'Succeeded');
    expect(indexes()).toEqual(['2']);
    world.reap();
    await world.pass(11_000);
    expect(indexes()).toEqual(['0', '2']);
  });

  it('of two pods of one index the one that is further stays', async () => {
    await open({ ...indexed, parallelism: 1 });
    const [first] = active() as [Pod];
    world.pump.stop();
    copyOf(first, 'twin');
    world.run(world.get('Pod', 'twin'));
    world.start();
    await world.settle();
    expect(active().map(nameOf)).toEqual(['twin']);
    expect(status()).toMatchObject({ active: 1, failed: 0 });
  });

  it('a success rule of no successes is met by the first one, not before', async () => {
    await open({ ...indexed, successPolicy: { rules: [{ succeededCount: 0 }] } });
    expect(active()).toHaveLength(2);
    await end(ofIndex('1'), 'Succeeded');
    expect(condition('SuccessCriteriaMet')).toBe('SuccessPolicy');
  });
});

describe('which end it is', () => {
  it('failed indexes come before a success rule that is met in the same moment', async () => {
    await open({ ...indexed, backoffLimitPerIndex: 0, successPolicy: { rules: [{ succeededIndexes: '0' }] } });
    world.end(nameOf(ofIndex('1')), 'Failed');
    await end(ofIndex('0'), 'Succeeded');
    expect(condition('Failed')).toBe('FailedIndexes');
    expect(status().conditions.map(({ type }) => type)).toEqual(['FailureTarget', 'Failed']);
    expect(status()).toMatchObject({ failedIndexes: '1', completedIndexes: '0', failed: 1, succeeded: 1 });
  });

  it('backoffLimit counts failures of indexes that wait for their next try', async () => {
    await open({ ...indexed, backoffLimitPerIndex: 3, backoffLimit: 0 });
    await end(ofIndex('0'), 'Failed');
    world.reap();
    await world.settle();
    expect(condition('Failed')).toBe('BackoffLimitExceeded');
    expect(status()).toMatchObject({ failedIndexes: '', active: 0, failed: 2 });
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    [
      'exit code of an app container before that of an init container',
      { operator: 'In', values: [3, 4] },
      /^Container c for pod default\/sum-.{5} failed with exit code 4 /,
    ],
    ['NotIn', { operator: 'NotIn', values: [4] }, /^Container setup for pod default\/sum-.{5} failed with exit code 3 /],
  ])('podFailurePolicy: %s', async (_, onExitCodes, message) => {
    await open({ podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes }] } });
    const [pod] = active() as [Pod];
    world.end(nameOf(pod), 'Failed', 4);
    const setup = { name: 'setup', state: { terminated: { exitCode: 3 } } };
    world.edit('Pod', nameOf(pod), (draft) => draft.status && (draft.status.initContainerStatuses = [ContainerStatus.fromPartial(setup)]));
    await world.settle();
    expect(status().conditions.find(({ type }) => type === 'Failed')).toMatchObject({
      reason: 'PodFailurePolicy',
      message: expect.stringMatching(message) as unknown,
    });
  });

  it.each<[string, string, string | undefined]>([
    ['FailJob', 'True', 'PodFailurePolicy'],
    ['FailJob', 'False', undefined],
    ['Ignore', 'True', undefined],
  ])('podFailurePolicy: %s for the condition DisruptionTarget %s', async (action, pattern, reason) => {
    await open({ podFailurePolicy: { rules: [{ action, onPodConditions: [{ type: 'DisruptionTarget', status: pattern }] }] } });
    const [pod] = active() as [Pod];
    disrupt(pod, 'PreemptionByScheduler');
    await end(pod, 'Failed', 137);
    expect(condition('Failed')).toBe(reason);
    expect(status().failed).toBe(action === 'Ignore' ? 0 : 1);
    if (reason !== undefined) {
      const message = status().conditions.find(({ type }) => type === 'Failed')?.message;
      expect(message).toMatch(/^Pod default\/sum-.{5} has condition DisruptionTarget matching FailJob rule at index 0$/);
    }
  });

  it('more successes than asked for are told', async () => {
    await open({ completions: 1 });
    const [first] = active() as [Pod];
    world.pump.stop();
    copyOf(first, 'twin');
    world.end('twin', 'Succeeded');
    world.end(nameOf(first), 'Succeeded');
    world.start();
    await world.settle();
    expect(status()).toMatchObject({ succeeded: 2 });
    expect(told('TooManySucceededPods')).toEqual(['Too many succeeded pods running after completion count reached']);
    expect(status().conditions.map(({ type }) => type)).toEqual(['SuccessCriteriaMet', 'Complete']);
  });
});

it('a job of another controller is left alone, its pods and their finalizers too, until its time is up', async () => {
  await open({ managedBy: 'example.com/queue', ttlSecondsAfterFinished: 5, suspend: true });
  expect(world.pods()).toEqual([]);
  expect(status().conditions).toEqual([]);
  const { uid = '' } = world.get('Job', 'sum').metadata ?? {};
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name: 'sum', uid, controller: true };
  const pod = world.apply('Pod', {
    metadata: { name: 'theirs', namespace: 'default', ownerReferences: [owner], finalizers: ['batch.kubernetes.io/job-tracking'] },
    spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'v1' }] },
  });
  await end(pod, 'Succeeded');
  world.start();
  await world.settle();
  expect(status().succeeded ?? 0).toBe(0);
  expect(world.pods()[0]?.metadata?.finalizers).toEqual(['batch.kubernetes.io/job-tracking']);
  const time = new Date(world.system.clock.now()).toISOString();
  const over = { type: 'Complete', status: 'True', lastProbeTime: time, lastTransitionTime: time };
  world.edit('Job', 'sum', (draft) => draft.status?.conditions.push(over));
  await world.pass(4000);
  expect(world.get('Job', 'sum').metadata?.deletionTimestamp).toBeUndefined();
  await world.pass(3000);
  expect(world.store.get('Job', 'default', 'sum')).toBeUndefined();
  expect(world.pods()).toEqual([]);
});

describe('what stays', () => {
  it('a job whose time is up, until its pods are gone', async () => {
    await open({ ttlSecondsAfterFinished: 5 });
    const [pod] = active() as [Pod];
    world.edit('Pod', nameOf(pod), (draft) => draft.metadata?.finalizers.push('example.com/hold'));
    await end(pod, 'Succeeded');
    await world.pass(7000);
    expect(world.get('Job', 'sum').metadata).toMatchObject({
      deletionTimestamp: expect.any(String) as unknown,
      finalizers: ['foregroundDeletion'],
    });
    world.edit('Pod', nameOf(pod), (draft) => draft.metadata && (draft.metadata.finalizers = []));
    await world.pass(2000);
    expect(world.store.get('Job', 'default', 'sum')).toBeUndefined();
    expect(world.pods()).toEqual([]);
  });

  it('without completions, after the first success: whatever runs, also when parallelism falls', async () => {
    await open({ parallelism: 3 });
    for (const pod of active()) world.run(pod);
    await end(active()[0] as Pod, 'Succeeded');
    change((spec) => (spec.parallelism = 1));
    await world.settle();
    expect(active()).toHaveLength(2);
  });

  it('with podReplacementPolicy Failed a pod whose init containers run is waited for', async () => {
    await open({ podReplacementPolicy: 'Failed' });
    const [pod] = active() as [Pod];
    world.edit('Pod', nameOf(pod), (draft) => draft.spec && (draft.spec.nodeName = 'n1'));
    remove(pod);
    await world.settle();
    expect(active()).toEqual([]);
    expect(status()).toMatchObject({ failed: 0, terminating: 1, active: 0 });
    remove(pod, 0);
    await world.settle();
    expect(status()).toMatchObject({ failed: 1, active: 1 });
  });

  it('a job that is over is not said to be suspended; one that is resumed has all its time again', async () => {
    await open({ activeDeadlineSeconds: 20, completions: 1 });
    await world.pass(15_000);
    change((spec) => (spec.suspend = true));
    await world.pass(60_000);
    change((spec) => (spec.suspend = false));
    await world.pass(15_000);
    expect(status().conditions.map(({ type, status: is }) => `${type} ${is}`)).toEqual(['Suspended False']);
    world.end(nameOf(active()[0]), 'Succeeded');
    change((spec) => (spec.suspend = true));
    await world.settle();
    expect(status().conditions.map(({ type, status: is }) => `${type} ${is}`)).toEqual([
      'Suspended False',
      'SuccessCriteriaMet True',
      'Complete True',
    ]);
  });
});
