// Budgets on a real store: what is counted, what is told, which evictions go; and, from random states, that callers at once never go under.
import type { PodDisruptionBudget } from '@podplane/api/gen/podplane/policy/v1/pod_disruption_budget';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodReady, podCondition } from '@podplane/api/pod-state';
import fc from 'fast-check';
import { afterEach, describe, expect, it, test } from 'vitest';
import { barePod, cause, makeDeployment, World } from '../testkit/world.js';
import { type EvictionVerdict, evictPod, judgeEviction } from './eviction.js';

type Spec = Partial<NonNullable<PodDisruptionBudget['spec']>>;

let world: World;
afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

function budget(spec: Spec, name = 'b', labels: Record<string, string> | undefined = { app: 'web' }): void {
  const selector = labels === undefined ? {} : { selector: { matchLabels: labels } };
  world.apply('PodDisruptionBudget', { metadata: { name, namespace: 'default' }, spec: { ...selector, ...spec } });
}

async function web(replicas: number, spec: Spec): Promise<void> {
  world = await World.open();
  budget(spec);
  world.create('Deployment', makeDeployment('web', { replicas }));
  await world.converge();
}

const status = (name = 'b'): Obj<'PodDisruptionBudget'>['status'] => world.get('PodDisruptionBudget', name).status;
const counts = (name = 'b'): number[] => {
  const { expectedPods = -1, desiredHealthy = -1, currentHealthy = -1, disruptionsAllowed = -1 } = status(name) ?? {};
  return [expectedPods, desiredHealthy, currentHealthy, disruptionsAllowed];
};
const evict = (pod: Obj<'Pod'>): ReturnType<typeof evictPod> => {
  const namespace = pod.metadata?.namespace ?? '';
  return world.store.transact(cause, (tx) => evictPod(tx, tx.get('Pod', namespace, pod.metadata?.name ?? '') ?? pod, { message: 'test' }))
    .result;
};
const judge = (pod: Obj<'Pod'>): EvictionVerdict => judgeEviction(world.store, pod, world.system.clock.now());
const ready = (): Obj<'Pod'>[] => world.activePods().filter(isPodReady);
const first = (): Obj<'Pod'> => world.activePods()[0] as Obj<'Pod'>;

describe('what is counted: expected, desired, healthy, allowed', () => {
  test.each<[number, Spec, number[]]>([
    [3, { minAvailable: 2 }, [3, 2, 3, 1]],
    [3, { minAvailable: 5 }, [3, 5, 3, 0]],
    [3, { minAvailable: 0 }, [3, 0, 3, 3]],
    [7, { minAvailable: '50%' }, [7, 4, 7, 3]],
    [7, { minAvailable: '100%' }, [7, 7, 7, 0]],
    [7, { maxUnavailable: 1 }, [7, 6, 7, 1]],
    [7, { maxUnavailable: '30%' }, [7, 4, 7, 3]],
    [3, { maxUnavailable: 9 }, [3, 0, 3, 3]],
    [3, { maxUnavailable: 0 }, [3, 3, 3, 0]],
    [3, {}, [0, 0, 3, 0]],
  ])('%i pods of a Deployment under %j: %j', async (replicas, spec, expected) => {
    await web(replicas, spec);
    expect(counts()).toEqual(expected);
    expect(status()?.conditions).toMatchObject([
      expected[3] === 0
        ? { type: 'DisruptionAllowed', status: 'False', reason: 'InsufficientPods', observedGeneration: 1 }
        : { type: 'DisruptionAllowed', status: 'True', reason: 'SufficientPods', observedGeneration: 1 },
    ]);
  });

  it('pods that fail, come and go; a Deployment that is scaled; a budget that is changed', async () => {
    await web(4, { minAvailable: '50%' });
    world.run(first(), false);
    await world.settle();
    expect(counts()).toEqual([4, 2, 3, 1]);
    world.run(first());
    world.edit('Deployment', 'web', (draft) => draft.spec && (draft.spec.replicas = 8));
    await world.settle();
    expect(counts()).toEqual([8, 4, 4, 0]);
    await world.converge();
    expect(counts()).toEqual([8, 4, 8, 4]);
    world.edit('PodDisruptionBudget', 'b', (draft) => draft.spec && (draft.spec.minAvailable = 7));
    await world.settle();
    expect(counts()).toEqual([8, 7, 8, 1]);
    expect(status()?.observedGeneration).toBe(2);
  });

  it('pods of one budget under several owners: their scales are added, a ReplicaSet of its own and a StatefulSet among them', async () => {
    world = await World.open();
    budget({ maxUnavailable: '25%' });
    const labels = { app: 'web' };
    const spec = (replicas: number, own: string): Record<string, unknown> => ({
      replicas,
      selector: { matchLabels: { own } },
      template: { metadata: { labels: { ...labels, own } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    });
    world.apply('ReplicaSet', { metadata: { name: 'rs', namespace: 'default' }, spec: spec(3, 'rs') });
    world.apply('StatefulSet', {
      metadata: { name: 'sts', namespace: 'default' },
      spec: { ...spec(5, 'sts'), podManagementPolicy: 'Parallel' },
    });
    await world.converge();
    expect(counts()).toEqual([8, 6, 8, 2]);
  });

  it('no selector is about no pod, an empty one about every pod of the namespace', async () => {
    world = await World.open();
    budget({ minAvailable: 1 }, 'none', undefined);
    world.apply('PodDisruptionBudget', { metadata: { name: 'all', namespace: 'default' }, spec: { minAvailable: 1, selector: {} } });
    for (const name of ['a', 'b']) world.run(world.create('Pod', barePod(name, { own: name })));
    await world.settle();
    expect(counts('none')).toEqual([0, 1, 0, 0]);
    expect(counts('all')).toEqual([2, 1, 2, 1]);
    expect(world.events.map(({ reason, regarding }) => `${reason} ${regarding.name}`)).toEqual(['NoPods none']);
  });

  it('owners without a number of pods cannot be counted: it says so, and nothing may go; a plain minAvailable does not need them', async () => {
    world = await World.open();
    world.addNode('n1');
    budget({ maxUnavailable: 1 }, 'b', { app: 'agent' });
    budget({ minAvailable: 0 }, 'plain', { app: 'agent' });
    world.apply('DaemonSet', {
      metadata: { name: 'agent', namespace: 'default' },
      spec: {
        selector: { matchLabels: { app: 'agent' } },
        template: { metadata: { labels: { app: 'agent' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    });
    await world.converge();
    expect(counts()).toEqual([0, 0, 1, 0]);
    expect(status()?.conditions).toMatchObject([
      { status: 'False', reason: 'SyncFailed', message: 'daemonsets.apps does not implement the scale subresource' },
    ]);
    expect(counts('plain')).toEqual([1, 0, 1, 1]);
    expect(world.events.find(({ reason }) => reason === 'CalculateExpectedPodCountFailed')?.message).toBe(
      'Failed to calculate the number of expected pods: daemonsets.apps does not implement the scale subresource',
    );
  });

  it('bare pods do not count among the expected ones of a percentage: told once', async () => {
    world = await World.open();
    budget({ minAvailable: '50%' });
    for (const name of ['a', 'b']) world.run(world.create('Pod', barePod(name, { app: 'web' })));
    await world.settle();
    expect(counts()).toEqual([0, 0, 2, 0]);
    expect(world.events.filter(({ reason }) => reason === 'UnmanagedPods')).toHaveLength(1);
    expect(judge(first())).toMatchObject({ why: 'The disruption budget b does not allow evicting pods currently' });
  });

  it('pods that somebody named as disrupted count as gone for two minutes, then again, with a warning', async () => {
    await web(3, { minAvailable: 2 });
    world.addNode('n1');
    const name = first().metadata?.name ?? '';
    world.edit('PodDisruptionBudget', 'b', (draft) => {
      if (draft.status !== undefined)
        draft.status.disruptedPods = { [name]: new Date(world.system.clock.now()).toISOString(), gone: '2026-01-01T00:00:00Z' };
    });
    await world.settle();
    expect(counts()).toEqual([3, 2, 2, 0]);
    expect(Object.keys(status()?.disruptedPods ?? {})).toEqual([name]);
    await world.pass(121_000);
    expect(counts()).toEqual([3, 2, 3, 1]);
    expect(status()?.disruptedPods).toEqual({});
    expect(world.events.filter(({ reason }) => reason === 'NotDeleted')).toMatchObject([
      { type: 'Warning', message: "Pod was expected by PDB default/b to be deleted but it wasn't" },
    ]);
  });
});

describe('an eviction', () => {
  it('goes where the budget lets it: counted off in the same transaction, the next one is refused with what it needs and has', async () => {
    await web(3, { minAvailable: 2 });
    const [one, two] = world.activePods() as [Obj<'Pod'>, Obj<'Pod'>];
    expect(evict(one)).toMatchObject({ kind: 'evicted' });
    expect(counts()).toEqual([3, 2, 2, 0]);
    const gone = world.get('Pod', one.metadata?.name ?? '');
    expect(isBeingDeleted(gone)).toBe(true);
    expect(podCondition(gone, 'DisruptionTarget')).toMatchObject({ status: 'True', reason: 'EvictionByEvictionAPI', message: 'test' });
    expect(evict(two)).toEqual({
      kind: 'blocked',
      budget: 'b',
      why: 'The disruption budget b needs 2 healthy pods and has 2 currently',
    });
    expect(isBeingDeleted(world.get('Pod', two.metadata?.name ?? ''))).toBe(false);
    await world.converge();
    expect(judge(two)).toMatchObject({ kind: 'allowed' });
  });

  it('does not go by a status that is out of date', async () => {
    await web(3, { minAvailable: 2 });
    world.pump.stop();
    const [one, two] = world.activePods() as [Obj<'Pod'>, Obj<'Pod'>];
    world.run(one, false);
    expect(counts()).toEqual([3, 2, 3, 1]);
    expect(judge(two)).toMatchObject({ kind: 'blocked' });
  });

  it.each<[string, Spec, number, EvictionVerdict['kind']]>([
    ['as many as needed are healthy', { minAvailable: 2 }, 1, 'allowed'],
    ['too few are healthy', { minAvailable: 2 }, 2, 'blocked'],
    ['too few are healthy, IfHealthyBudget', { minAvailable: 2, unhealthyPodEvictionPolicy: 'IfHealthyBudget' }, 2, 'blocked'],
    ['too few are healthy, AlwaysAllow', { minAvailable: 2, unhealthyPodEvictionPolicy: 'AlwaysAllow' }, 2, 'allowed'],
  ])('of a pod that is not ready, %s', async (_, spec, unready, expected) => {
    await web(3, spec);
    const pods = world.activePods();
    for (const pod of pods.slice(0, unready)) world.run(pod, false);
    await world.settle();
    expect(judge(world.get('Pod', pods[0]?.metadata?.name ?? '')).kind).toBe(expected);
    expect(judge(world.get('Pod', pods[2]?.metadata?.name ?? '')).kind).toBe('blocked');
  });

  it('asks no budget about pods that are pending, over, or on their way out', async () => {
    await web(3, { minAvailable: 3 });
    const pending = world.create('Pod', barePod('pending', { app: 'web' }));
    const over = world.create('Pod', barePod('over', { app: 'web' }));
    world.end('over', 'Succeeded');
    expect(judge(pending)).toEqual({ kind: 'allowed', budget: undefined });
    expect(judge(world.get('Pod', over.metadata?.name ?? ''))).toEqual({ kind: 'allowed', budget: undefined });
    expect(evict(world.get('Pod', 'over'))).toEqual({ kind: 'evicted', pod: undefined });
  });

  it('is refused under two budgets', async () => {
    await web(3, { minAvailable: 1 });
    budget({ minAvailable: 1 }, 'a');
    expect(judge(first())).toEqual({ kind: 'ambiguous', budgets: ['a', 'b'] });
    expect(evict(first())).toEqual({ kind: 'ambiguous', budgets: ['a', 'b'] });
  });
});

it('evictions by many callers, pods that fail and return, scaling and budgets that change: no eviction ever leaves too few', async () => {
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ do: fc.constant('evict' as const), at: fc.nat(9) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('fail' as const, 'recover' as const), at: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('scale' as const), at: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('budget' as const), at: fc.nat(9) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('settle' as const, 'converge' as const), at: fc.constant(0) }) },
  );
  const spec = fc.oneof(
    fc.record({ minAvailable: fc.oneof(fc.nat(8), fc.constantFrom('20%', '50%', '90%')) }),
    fc.record({ maxUnavailable: fc.oneof(fc.nat(4), fc.constantFrom('10%', '40%')) }),
  );
  let [allowed, refused] = [0, 0];
  await fc.assert(
    fc.asyncProperty(spec, fc.integer({ min: 1, max: 8 }), fc.array(step, { maxLength: 25 }), async (rule, replicas, steps) => {
      await web(replicas, rule);
      for (const { do: what, at } of steps) {
        const pods = world.activePods();
        const pod = pods[at % Math.max(1, pods.length)];
        if (what === 'settle') await world.settle();
        else if (what === 'converge') await world.converge();
        else if (what === 'scale') world.edit('Deployment', 'web', (draft) => draft.spec && (draft.spec.replicas = 1 + (at % 8)));
        else if (what === 'budget')
          world.edit('PodDisruptionBudget', 'b', (draft) => {
            if (draft.spec?.minAvailable !== undefined) draft.spec.minAvailable = at % 5;
          });
        else if (pod === undefined) continue;
        else if (what === 'fail') world.run(pod, false);
        else if (what === 'recover') world.run(pod);
        else {
          const wasReady = isPodReady(pod);
          const before = ready().length;
          if (evict(pod).kind !== 'evicted') {
            refused++;
            continue;
          }
          allowed++;
          expect(ready().length).toBe(before - Number(wasReady));
          // What has to stay, counted anew and by hand.
          const wanted = world.deployment().spec?.replicas ?? 0;
          const { minAvailable, maxUnavailable } = world.get('PodDisruptionBudget', 'b').spec ?? {};
          const part = (value: unknown): number =>
            typeof value === 'number' ? value : Math.ceil((Number.parseInt(String(value), 10) * wanted) / 100);
          const floor = maxUnavailable === undefined ? part(minAvailable) : wanted - part(maxUnavailable);
          if (wasReady) expect(ready().length).toBeGreaterThanOrEqual(floor);
        }
      }
      await world.converge();
      const [, , currentHealthy] = counts();
      expect(currentHealthy).toBe(ready().length);
      expect(world.errors).toEqual([]);
      await world.close();
    }),
    { numRuns: 60 },
  );
  expect(allowed).toBeGreaterThan(20);
  expect(refused).toBeGreaterThan(20);
  world = await World.open();
});
