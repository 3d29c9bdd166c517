// Drains on a real store: what goes, what stays, what waits for a budget, how one ends, and that it goes on after a restart of the server.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodReady } from '@podplane/api/pod-state';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { barePod, cause, makeDeployment, World } from '../testkit/world.js';
import { objectionsOf } from './pods.js';
import { DRAINED, type Drain, type DrainOptions, drainOf, withDrain } from './request.js';

let world: World;
afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

const plain: DrainOptions = {
  ignoreDaemonSets: false,
  force: false,
  deleteEmptyDirData: false,
  disableEviction: false,
  podSelector: '',
  gracePeriodSeconds: undefined,
  skipWaitForDeleteSeconds: undefined,
  onTimeout: 'Stop',
};

function drain(node: string, options: Partial<Drain> = {}): void {
  const { clock } = world.system;
  const asked: Drain = {
    ...plain,
    id: 'd1',
    by: 'user:test',
    startedAt: clock.now(),
    deadline: undefined,
    total: 2,
    outcome: undefined,
    ...options,
  };
  world.store.transact(cause, (tx) => {
    const marked = withDrain(world.node(node), asked);
    tx.update('Node', { ...marked, spec: { podCIDRs: [], taints: [], ...marked.spec, unschedulable: true } }, 'any');
  });
}

const condition = (node = 'n1'): string => {
  const found = world.node(node).status?.conditions.find(({ type }) => type === DRAINED);
  return found === undefined ? '' : `${found.status} ${found.reason}: ${found.message}`;
};
const outcome = (node = 'n1'): Drain['outcome'] => drainOf(world.node(node))?.outcome;
const on = (node: string): Obj<'Pod'>[] => world.pods().filter(({ spec }) => spec?.nodeName === node);
const reasons = (): string[] => world.events.filter(({ controller }) => controller === 'drain').map(({ reason }) => reason);
const uncordon = (node: string): void =>
  world.edit('Node', node, (draft) => {
    if (draft.spec !== undefined) draft.spec.unschedulable = undefined;
  });

/** Two nodes; a Deployment whose pods are all on n1. */
async function two(replicas: number, budget?: Record<string, unknown>): Promise<void> {
  world = await World.open();
  world.addNode('n1');
  world.addNode('n2');
  if (budget !== undefined) {
    world.apply('PodDisruptionBudget', {
      metadata: { name: 'web', namespace: 'default' },
      spec: { selector: { matchLabels: { app: 'web' } }, ...budget },
    });
  }
  world.create('Deployment', makeDeployment('web', { replicas }));
  await world.settle();
  for (const pod of world.activePods()) world.run(pod);
  await world.settle();
}

/** New pods start on n2; those that shall end are gone. */
async function work(): Promise<void> {
  world.reap();
  for (const pod of world.activePods()) if (!pod.spec?.nodeName) world.run(pod, true, 'n2');
  await world.settle();
}

describe('a drain', () => {
  it('sends all pods away at once where no budget is, and ends when the last one has gone', async () => {
    await two(3);
    drain('n1', { total: 3 });
    await world.settle();
    expect(on('n1').every(isBeingDeleted)).toBe(true);
    expect(condition()).toBe('False Draining: 3 of 3 pods left');
    await work();
    expect(condition()).toBe('True Drained: 3 pods left the node');
    expect(outcome()).toBe('Drained');
    expect(world.node('n1').spec?.unschedulable).toBe(true);
    expect(reasons()).toEqual(['NodeDrained']);
  });

  it('keeps a budget at every moment, and says what it waits for', async () => {
    await two(3, { minAvailable: 2 });
    drain('n1', { total: 3 });
    for (let i = 0; i < 3; i++) {
      await world.settle();
      expect(on('n1').filter(isBeingDeleted)).toHaveLength(1);
      expect(world.activePods().filter(isPodReady).length).toBe(2);
      if (i < 2) expect(condition()).toContain('waiting: default/web-');
      if (i < 2) expect(condition()).toContain('The disruption budget web needs 2 healthy pods and has 2 currently');
      await work();
    }
    expect(condition()).toBe('True Drained: 3 pods left the node');
  });

  it('goes on with a new server where the old one left off', async () => {
    await two(2, { minAvailable: 1 });
    drain('n1');
    await world.settle();
    world.start();
    await work();
    world.start();
    await work();
    await work();
    expect(outcome()).toBe('Drained');
  });

  it('stops when its time is over, and says which pods and budgets were in the way', async () => {
    await two(2, { minAvailable: 2 });
    drain('n1', { deadline: world.system.clock.now() + 20_000 });
    await world.settle();
    expect(condition()).toMatch(
      /^False Blocked: 2 of 2 pods left; waiting: default\/web-\S+ \(The disruption budget web needs 2 healthy pods and has 2/,
    );
    await world.pass(19_000);
    expect(outcome()).toBeUndefined();
    await world.pass(2_000);
    expect(outcome()).toBe('TimedOut');
    expect(condition()).toMatch(/^False TimedOut: the time is over and 2 pods are left: default\/web-/);
    expect(on('n1').some(isBeingDeleted)).toBe(false);
    expect(reasons()).toEqual(['DrainBlocked', 'DrainTimedOut']);
  });

  it('deletes what is left when its time is over and that was asked for; what its options do not allow stays all the same', async () => {
    await two(2, { minAvailable: 2 });
    drain('n1', { deadline: world.system.clock.now() + 5_000, onTimeout: 'Delete' });
    world.run(world.create('Pod', barePod('bare', {}, 'n1')));
    await world.pass(6_000);
    expect(on('n1').filter(isBeingDeleted)).toHaveLength(2);
    expect(reasons()).toEqual(['DrainBlocked', 'DrainForced']);
    await work();
    expect(on('n1').map(({ metadata }) => metadata?.name)).toEqual(['bare']);
    expect(condition()).toBe(
      'False TimedOut: the time is over and 1 pods are left: default/bare (cannot delete Pods that declare no controller (use --force to override))',
    );
  });

  it('ends when the node is uncordoned, by whomever', async () => {
    await two(2, { minAvailable: 2 });
    drain('n1');
    await world.settle();
    uncordon('n1');
    await world.settle();
    expect(drainOf(world.node('n1'))).toBeUndefined();
    expect(condition()).toBe('');
    expect(reasons()).toEqual(['DrainBlocked', 'DrainCancelled']);
  });

  it('leaves alone what its selector does not choose, and waits no longer than asked for what does not end', async () => {
    await two(1);
    world.run(world.create('Pod', barePod('other', { app: 'other' }, 'n1')));
    drain('n1', { podSelector: 'app=web', skipWaitForDeleteSeconds: 10, total: 1, gracePeriodSeconds: 3 });
    await world.settle();
    expect(
      on('n1')
        .filter(isBeingDeleted)
        .map(({ metadata }) => metadata?.deletionGracePeriodSeconds),
    ).toEqual([3]);
    // 3 s of grace, and 10 s more.
    await world.pass(12_000);
    expect(outcome()).toBeUndefined();
    await world.pass(8_000);
    expect(outcome()).toBe('Drained');
  });

  it('deletes without asking budgets where that was asked for', async () => {
    await two(2, { minAvailable: 2 });
    drain('n1', { disableEviction: true });
    await world.settle();
    expect(on('n1').every(isBeingDeleted)).toBe(true);
  });

  it('keeps what it says of a node that falls silent and returns', async () => {
    await two(1, { minAvailable: 1 });
    drain('n1');
    await world.settle();
    world.liveness.sessions.delete('n1');
    await world.pass(5_000);
    expect(world.node('n1').status?.conditions.find(({ type }) => type === 'Ready')?.status).toBe('Unknown');
    expect(condition()).toContain('False Blocked:');
    world.liveness.sessions.add('n1');
    world.beat('n1');
    world.pump.poke('node-lifecycle', 'n1');
    await world.pass(3_000);
    expect(
      world
        .node('n1')
        .status?.conditions.map(({ type, status }) => `${type}=${status}`)
        .sort(),
    ).toEqual(['Drained=False', 'Ready=True']);
  });

  it('survives an annotation that is none', async () => {
    await two(1);
    for (const text of ['{', '[]', '{"id":"x","podSelector":"=="}', '7']) {
      world.edit('Node', 'n1', (draft) => void (draft.metadata && (draft.metadata.annotations['podplane.dev/drain'] = text)));
      await world.settle();
      expect(on('n1').some(isBeingDeleted)).toBe(false);
    }
  });
});

describe('what forbids a drain', () => {
  const objections = (options: Partial<DrainOptions> = {}): string[] =>
    objectionsOf(world.store, 'n1', { ...plain, ...options }).map(({ message }) => message);

  it('bare pods, pods of DaemonSets, pods with emptyDir: by the option that would allow it; what is over or goes forbids nothing', async () => {
    world = await World.open();
    world.addNode('n1');
    world.apply('DaemonSet', {
      metadata: { name: 'agent', namespace: 'default' },
      spec: {
        selector: { matchLabels: { app: 'agent' } },
        template: { metadata: { labels: { app: 'agent' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
      },
    });
    await world.converge();
    const scratch = makeDeployment('scratch', { replicas: 1 });
    const spec = scratch.spec?.template?.spec;
    if (spec !== undefined) spec.volumes = [{ name: 'tmp', emptyDir: {} } as never];
    world.create('Deployment', scratch);
    await world.converge();
    for (const name of ['bare', 'over']) world.run(world.create('Pod', barePod(name, { app: name }, 'n1')));
    world.end('over', 'Failed');
    expect(objections().map((text) => text.replaceAll(/(agent|scratch)-[-\w]+/g, '$1'))).toEqual([
      'cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): default/agent',
      'cannot delete Pods that declare no controller (use --force to override): default/bare',
      'cannot delete Pods with local storage (use --delete-emptydir-data to override): default/scratch',
    ]);
    expect(objections({ ignoreDaemonSets: true, force: true, deleteEmptyDirData: true })).toEqual([]);
    expect(objections({ podSelector: 'app=over' })).toEqual([]);
    drain('n1', { ignoreDaemonSets: true, force: true, deleteEmptyDirData: true, total: 3 });
    await work();
    await work();
    expect(on('n1').map(({ metadata }) => metadata?.labels['app'])).toEqual(['agent']);
    expect(outcome()).toBe('Drained');
  });
});

it('does not wait for a daemon pod that goes: its set makes another', async () => {
  world = await World.open();
  world.addNode('n1');
  world.apply('DaemonSet', {
    metadata: { name: 'agent', namespace: 'default' },
    spec: {
      selector: { matchLabels: { app: 'agent' } },
      template: { metadata: { labels: { app: 'agent' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
    },
  });
  await world.converge();
  const [pod] = on('n1');
  world.store.transact(cause, (tx) => tx.markDeleted('Pod', 'default', pod?.metadata?.name ?? '', 600));
  expect(objectionsOf(world.store, 'n1', plain)).toHaveLength(1);
  drain('n1', { ignoreDaemonSets: true, total: 0 });
  await world.settle();
  expect(on('n1').some(isBeingDeleted)).toBe(true);
  expect(outcome()).toBe('Drained');
});

it('drains of several nodes at once under one budget, with pods that fail meanwhile: never fewer than it keeps by our doing, and all end', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 6 }),
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.record({ fail: fc.boolean(), at: fc.nat(5) }), { maxLength: 10 }),
      async (replicas, keep, steps) => {
        const minAvailable = Math.min(keep, replicas - 1);
        await two(replicas, { minAvailable });
        world.addNode('n3');
        // Some of them on n2 already.
        for (const pod of world.activePods().slice(0, Math.floor(replicas / 2)))
          world.edit('Pod', pod.metadata?.name ?? '', (draft) => void (draft.spec && (draft.spec.nodeName = 'n2')));
        drain('n1', { total: replicas });
        drain('n2', { total: replicas });
        for (const { fail, at } of [...steps, ...Array.from({ length: 2 * replicas + 2 }, () => ({ fail: false, at: 0 }))]) {
          const before = world.activePods().filter(isPodReady).length;
          const victim = world.activePods()[at];
          if (fail && victim !== undefined && isPodReady(victim)) world.run(victim, false);
          const afterFailure = world.activePods().filter(isPodReady).length;
          await world.settle();
          const after = world.activePods().filter(isPodReady).length;
          expect(after).toBeGreaterThanOrEqual(Math.min(minAvailable, afterFailure));
          expect(before).toBeGreaterThanOrEqual(afterFailure);
          world.reap();
          for (const pod of world.activePods()) if (!isPodReady(pod)) world.run(pod, true, 'n3');
          await world.settle();
        }
        expect([outcome('n1'), outcome('n2')]).toEqual(['Drained', 'Drained']);
        expect(world.errors).toEqual([]);
        await world.close();
      },
    ),
    { numRuns: 40 },
  );
  world = await World.open();
});
