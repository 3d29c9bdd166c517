// Jobs on a real store: parallelism, indexes, limits, policies, suspension, ends; and, from random interleavings, that every pod is
// counted exactly once, whoever deletes it and whenever the server restarts.
import type { Job } from '@podplane/api/gen/podplane/batch/v1/job';
import type { Obj } from '@podplane/api/kinds/kind-map';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { World } from '../testkit/world.js';
import { TRACKING } from './pods.js';

let world: World;
afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

async function open(spec: Record<string, unknown> = {}, podSpec: Record<string, unknown> = {}): Promise<void> {
  world = await World.open();
  world.addNode('n1');
  world.apply('Job', {
    metadata: { name: 'sum', namespace: 'default' },
    spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: 'v1' }], ...podSpec } }, ...spec },
  });
  await world.settle();
}

type Status = NonNullable<Obj<'Job'>['status']>;
const status = (): Status => world.get('Job', 'sum').status as Status;
const condition = (type: string): string | undefined =>
  status().conditions.find((one) => one.type === type && one.status === 'True')?.reason;
const active = (): Obj<'Pod'>[] => world.activePods();
const nameOf = (pod: Obj<'Pod'> | undefined): string => pod?.metadata?.name ?? '';
const indexOf = (pod: Obj<'Pod'>): string => pod.metadata?.annotations['batch.kubernetes.io/job-completion-index'] ?? '';
const change = (edit: (spec: NonNullable<Job['spec']>) => void): void =>
  world.edit('Job', 'sum', (draft) => draft.spec && edit(draft.spec));
const remove = (pod: Obj<'Pod'> | undefined, grace = 1): void =>
  void world.store.transact({ actor: 'user:test', reason: 'delete' }, (tx) => tx.markDeleted('Pod', 'default', nameOf(pod), grace));

async function end(pod: Obj<'Pod'> | undefined, phase: 'Succeeded' | 'Failed', code?: number): Promise<void> {
  world.end(nameOf(pod), phase, code);
  await world.settle();
}
/** Ends all that run, one after the other, until the job has ended. */
async function endAll(phase: 'Succeeded' | 'Failed', most = 50): Promise<number> {
  let ended = 0;
  while (ended < most && condition('Complete') === undefined && condition('Failed') === undefined) {
    const [pod] = active();
    if (pod === undefined) await world.pass(5000);
    else {
      await end(pod, phase);
      ended++;
    }
  }
  return ended;
}

describe('successes', () => {
  it('runs at most parallelism pods until completions have succeeded', async () => {
    await open({ completions: 5, parallelism: 2 });
    expect(active()).toHaveLength(2);
    expect(status()).toMatchObject({ active: 2, succeeded: 0, failed: 0 });
    expect(active()[0]?.metadata?.finalizers).toEqual([TRACKING]);
    expect(active()[0]?.metadata?.labels).toMatchObject({ 'batch.kubernetes.io/job-name': 'sum', 'job-name': 'sum' });
    expect(await endAll('Succeeded')).toBe(5);
    expect(status()).toMatchObject({ active: 0, succeeded: 5, failed: 0, uncountedTerminatedPods: { succeeded: [], failed: [] } });
    expect(condition('Complete')).toBe('CompletionsReached');
    expect(status().completionTime).toBeDefined();
    expect(world.pods()).toHaveLength(5);
    expect(world.pods().every((pod) => pod.metadata?.finalizers.length === 0)).toBe(true);
    expect(world.events.map(({ reason }) => reason)).toContain('Completed');
  });

  it('without completions: done when one has succeeded and the others ended; no new ones after the first', async () => {
    await open({ parallelism: 3 });
    await end(active()[0], 'Succeeded');
    expect(active()).toHaveLength(2);
    expect(condition('Complete')).toBeUndefined();
    await end(active()[0], 'Succeeded');
    await end(active()[0], 'Failed');
    expect(status()).toMatchObject({ succeeded: 2, failed: 1 });
    expect(condition('Complete')).toBeDefined();
  });

  it('completions 0 is done at once; parallelism 0 waits; parallelism can change', async () => {
    await open({ completions: 0 });
    expect(condition('Complete')).toBeDefined();
    expect(world.pods()).toEqual([]);
    await world.close();
    await open({ completions: 4, parallelism: 0 });
    expect(world.pods()).toEqual([]);
    change((spec) => (spec.parallelism = 3));
    await world.settle();
    expect(active()).toHaveLength(3);
    change((spec) => (spec.parallelism = 1));
    await world.settle();
    expect(active()).toHaveLength(1);
    expect(status().failed).toBe(0);
  });

  it('Indexed: one success for each number, told by annotation, label, environment and host name', async () => {
    await open({ completions: 3, parallelism: 3, completionMode: 'Indexed' });
    expect(active().map(indexOf).sort()).toEqual(['0', '1', '2']);
    const pod = active().find((one) => indexOf(one) === '1');
    expect(pod?.spec?.hostname).toBe('sum-1');
    expect(nameOf(pod)).toMatch(/^sum-1-.{5}$/);
    expect(pod?.spec?.containers[0]?.env.find(({ name }) => name === 'JOB_COMPLETION_INDEX')?.valueFrom?.fieldRef?.fieldPath).toBe(
      "metadata.labels['batch.kubernetes.io/job-completion-index']",
    );
    await end(pod, 'Succeeded');
    expect(status().completedIndexes).toBe('1');
    await end(
      active().find((one) => indexOf(one) === '0'),
      'Failed',
    );
    await world.pass(11_000);
    expect(active().map(indexOf).sort()).toEqual(['0', '2']);
    await endAll('Succeeded');
    expect(status()).toMatchObject({ completedIndexes: '0-2', succeeded: 3, failed: 1 });
  });

  it('successPolicy ends the rest', async () => {
    await open({
      completions: 4,
      parallelism: 4,
      completionMode: 'Indexed',
      successPolicy: { rules: [{ succeededIndexes: '0,2', succeededCount: 1 }] },
    });
    await end(
      active().find((one) => indexOf(one) === '1'),
      'Succeeded',
    );
    expect(active()).toHaveLength(3);
    await end(
      active().find((one) => indexOf(one) === '2'),
      'Succeeded',
    );
    world.reap();
    await world.settle();
    expect(condition('SuccessCriteriaMet')).toBe('SuccessPolicy');
    expect(condition('Complete')).toBe('SuccessPolicy');
    expect(status()).toMatchObject({ succeeded: 2, failed: 0, active: 0 });
  });
});

describe('failures', () => {
  it('are tried again ever later, until backoffLimit', async () => {
    await open({ backoffLimit: 2 });
    await end(active()[0], 'Failed');
    await world.pass(9000);
    expect(active()).toEqual([]);
    await world.pass(2000);
    await end(active()[0], 'Failed');
    await world.pass(18_000);
    expect(active()).toEqual([]);
    await world.pass(3000);
    await end(active()[0], 'Failed');
    expect(condition('Failed')).toBe('BackoffLimitExceeded');
    expect(status()).toMatchObject({ failed: 3, succeeded: 0, active: 0 });
    expect(status().completionTime).toBeUndefined();
    await world.pass(100_000);
    expect(world.pods()).toHaveLength(3);
  });

  it('end the others, which count as failed', async () => {
    await open({ backoffLimit: 0, completions: 3, parallelism: 3 });
    for (const pod of active()) world.run(pod);
    await end(active()[0], 'Failed');
    expect(condition('FailureTarget')).toBe('BackoffLimitExceeded');
    expect(condition('Failed')).toBeUndefined();
    world.reap();
    await world.settle();
    expect(condition('Failed')).toBe('BackoffLimitExceeded');
    expect(status()).toMatchObject({ failed: 3, active: 0, terminating: 0 });
  });

  it('restarts count where containers are restarted in place', async () => {
    await open({ backoffLimit: 3 }, { restartPolicy: 'OnFailure' });
    world.run(active()[0] as Obj<'Pod'>);
    world.edit('Pod', nameOf(active()[0]), (pod) => {
      if (pod.status !== undefined)
        pod.status.containerStatuses = [
          {
            name: 'c',
            ready: false,
            restartCount: 3,
            image: '',
            imageID: '',
            allocatedResources: {},
            volumeMounts: [],
            allocatedResourcesStatus: [],
          },
        ];
    });
    await world.settle();
    expect(condition('FailureTarget')).toBe('BackoffLimitExceeded');
  });

  it('activeDeadlineSeconds ends it', async () => {
    await open({ activeDeadlineSeconds: 30 });
    world.run(active()[0] as Obj<'Pod'>);
    await world.pass(29_000);
    expect(condition('FailureTarget')).toBeUndefined();
    await world.pass(2000);
    world.reap();
    await world.settle();
    expect(condition('Failed')).toBe('DeadlineExceeded');
  });

  it('backoffLimitPerIndex fails one index and goes on with the others; maxFailedIndexes ends it at once', async () => {
    const spec = { completions: 2, parallelism: 2, completionMode: 'Indexed', backoffLimitPerIndex: 1 };
    await open(spec);
    await end(
      active().find((one) => indexOf(one) === '0'),
      'Failed',
    );
    await world.pass(11_000);
    const second = active().find((one) => indexOf(one) === '0');
    expect(second?.metadata?.annotations['batch.kubernetes.io/job-index-failure-count']).toBe('1');
    expect(status().failed).toBe(1);
    await end(second, 'Failed');
    expect(status()).toMatchObject({ failedIndexes: '0', failed: 2 });
    expect(condition('Failed')).toBeUndefined();
    await end(active()[0], 'Succeeded');
    expect(condition('Failed')).toBe('FailedIndexes');
    expect(status()).toMatchObject({ completedIndexes: '1', succeeded: 1 });
    await world.close();
    await open({ ...spec, backoffLimitPerIndex: 0, maxFailedIndexes: 0 });
    await end(active()[0], 'Failed');
    world.reap();
    await world.settle();
    expect(condition('Failed')).toBe('MaxFailedIndexesExceeded');
    expect(status()).toMatchObject({ failedIndexes: '0' });
    await world.close();
    // The last ones end at once: none is forgotten because the job ends by it.
    await open({ ...spec, completions: 3, parallelism: 3, backoffLimitPerIndex: 0 });
    const [first, ...others] = active();
    for (const pod of others) world.end(pod.metadata?.name ?? '', 'Failed');
    await end(first, 'Succeeded');
    expect(condition('Failed')).toBe('FailedIndexes');
    expect(status()).toMatchObject({ failedIndexes: '1,2', completedIndexes: '0', failed: 2, succeeded: 1 });
  });

  it.each<[string, number, string | undefined, number]>([
    ['FailJob', 42, 'PodFailurePolicy', 1],
    ['Ignore', 42, undefined, 0],
    ['Count', 42, undefined, 1],
    ['FailJob', 1, undefined, 1],
  ])('podFailurePolicy %s for exit code 42: a pod that ends with %d', async (action, code, reason, failed) => {
    await open({ podFailurePolicy: { rules: [{ action, onExitCodes: { containerName: 'c', operator: 'In', values: [42] } }] } });
    await end(active()[0], 'Failed', code);
    expect(condition('Failed')).toBe(reason);
    expect(status().failed).toBe(failed);
    if (reason !== undefined) {
      expect(status().conditions.find(({ type }) => type === 'Failed')?.message).toMatch(
        /^Container c for pod default\/sum-.{5} failed with exit code 42 matching FailJob rule at index 0$/,
      );
    }
    await world.pass(21_000);
    expect(active()).toHaveLength(reason === undefined ? 1 : 0);
  });

  it('a pod that is being deleted is replaced at once, or with podReplacementPolicy Failed when it has ended', async () => {
    await open();
    world.run(active()[0] as Obj<'Pod'>);
    remove(active()[0]);
    await world.settle();
    expect(active()).toHaveLength(1);
    expect(status()).toMatchObject({ failed: 1, active: 1, terminating: 1 });
    await world.close();
    await open({ podReplacementPolicy: 'Failed' });
    world.run(active()[0] as Obj<'Pod'>);
    remove(active()[0]);
    await world.settle();
    expect(active()).toHaveLength(0);
    expect(status()).toMatchObject({ failed: 0, terminating: 1 });
    remove(world.pods()[0], 0);
    await world.settle();
    expect(status()).toMatchObject({ failed: 1, active: 1 });
  });
});

describe('life', () => {
  it('suspended it has no pods, and its time starts anew when it is resumed', async () => {
    await open({ suspend: true, parallelism: 2, completions: 2 });
    expect(world.pods()).toEqual([]);
    expect(condition('Suspended')).toBe('JobSuspended');
    expect(status().startTime).toBeUndefined();
    change((spec) => (spec.suspend = false));
    await world.settle();
    expect(active()).toHaveLength(2);
    const { startTime } = status();
    for (const pod of active()) world.run(pod);
    await world.pass(2000);
    change((spec) => (spec.suspend = true));
    await world.settle();
    expect(active()).toEqual([]);
    world.reap();
    await world.pass(2000);
    expect(status()).toMatchObject({ active: 0, failed: 0 });
    change((spec) => (spec.suspend = false));
    await world.settle();
    expect(active()).toHaveLength(2);
    expect(Date.parse(status().startTime ?? '')).toBeGreaterThan(Date.parse(startTime ?? ''));
  });

  it('ttlSecondsAfterFinished deletes it with its pods', async () => {
    await open({ ttlSecondsAfterFinished: 60 });
    await end(active()[0], 'Succeeded');
    await world.pass(59_000);
    expect(status().succeeded).toBe(1);
    await world.pass(3000);
    expect(world.store.get('Job', 'default', 'sum')).toBeUndefined();
    expect(world.pods()).toEqual([]);
  });

  it('deleted, it lets all its pods go, whatever state they are in', async () => {
    await open({ completions: 4, parallelism: 3 });
    world.run(active()[0] as Obj<'Pod'>);
    await end(active()[1], 'Succeeded');
    world.store.transact({ actor: 'user:test', reason: 'delete' }, (tx) => tx.markDeleted('Job', 'default', 'sum', 0));
    await world.settle();
    world.reap();
    await world.settle();
    expect(world.pods()).toEqual([]);
  });

  it('a node that is gone takes its pods, which are counted and replaced', async () => {
    await open({ completions: 2, parallelism: 2 });
    for (const pod of active()) world.run(pod);
    world.store.transact({ actor: 'user:test', reason: 'node gone' }, (tx) => tx.remove('Node', '', 'n1'));
    await world.pass(6000);
    expect(status().failed).toBe(2);
    // It was not their fault: they come again at once, and wait for a node.
    expect(active().map((pod) => pod.spec?.nodeName ?? '')).toEqual(['', '']);
  });
});

it('from any interleaving: every pod is counted exactly once, through deletions, restarts and suspension', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom('NonIndexed', 'Indexed'),
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.nat({ max: 999 }), { minLength: 5, maxLength: 60 }),
      async (completionMode, completions, parallelism, dice) => {
        await open({ completionMode, completions, parallelism, backoffLimit: 1000 });
        const ends = { succeeded: new Set<string>(), failed: new Set<string>() };
        const indexes = new Set<string>();
        const note = (pod: Obj<'Pod'>, phase: 'succeeded' | 'failed'): void => {
          const uid = pod.metadata?.uid ?? '';
          if (!ends.succeeded.has(uid) && !ends.failed.has(uid)) ends[phase].add(uid);
          if (phase === 'succeeded') indexes.add(indexOf(pod));
        };
        for (const die of dice) {
          const running = active();
          const pod = running[die % Math.max(1, running.length)];
          const kind = die % 8;
          if (kind < 3 && pod !== undefined) {
            note(pod, 'succeeded');
            world.end(nameOf(pod), 'Succeeded');
            // Somebody deletes it before it can be counted.
            if (kind === 0) remove(pod, 0);
          } else if (kind === 3 && pod !== undefined) {
            note(pod, 'failed');
            world.end(nameOf(pod), 'Failed');
          } else if (kind === 4 && pod !== undefined) {
            note(pod, 'failed');
            world.run(pod);
            remove(pod);
          } else if (kind === 5) world.reap();
          else if (kind === 6) world.start();
          else await world.pass(30_000);
          await world.settle();
          const now = status();
          expect(now.active ?? 0).toBeLessThanOrEqual(parallelism);
          expect(now.succeeded).toBe(completionMode === 'Indexed' ? indexes.size : ends.succeeded.size);
          expect(now.failed).toBe(ends.failed.size);
          expect(now.succeeded ?? 0).toBeLessThanOrEqual(completions);
        }
        for (let i = 0; i < 100 && condition('Complete') === undefined; i++) {
          for (const pod of active()) world.end(nameOf(pod), 'Succeeded');
          world.reap();
          await world.pass(20_000);
        }
        expect(condition('Complete')).toBe('CompletionsReached');
        expect(status().succeeded).toBe(completions);
        expect(world.pods().filter((pod) => pod.metadata?.finalizers.includes(TRACKING))).toEqual([]);
        expect(world.errors).toEqual([]);
        await world.close();
      },
    ),
    { numRuns: 20 },
  );
  await open();
}, 60_000);
