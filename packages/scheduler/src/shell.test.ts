// The scheduler on a real store: bindings and refusals in the objects, and what happens when the store stops taking writes.

import type { Obj } from '@podplane/api/kinds/kind-map';
import { podCondition } from '@podplane/api/pod-state';
import { catalogueCodecs as codecs } from '@podplane/store/catalogue-codecs';
import { type MemoryJournal, memoryJournal } from '@podplane/store/journals/memory';
import { createStore, type ObjectStore } from '@podplane/store/store';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Scheduler, type SchedulerEvent } from './shell.js';
import { makeNode, makePod, type PodShape } from './testkit/fixtures.js';

let system: HandSystem;
let journal: MemoryJournal;
let store: ObjectStore;
let scheduler: Scheduler;
let events: SchedulerEvent[];
let errors: unknown[];

beforeEach(async () => {
  system = new HandSystem();
  journal = memoryJournal();
  store = await createStore({ system, journal, codecs });
  events = [];
  errors = [];
  scheduler = new Scheduler({ store, system, event: (event) => events.push(event), onError: (error) => errors.push(error) });
});

afterEach(async () => {
  scheduler.stop();
  const closing = store.close();
  await system.advance(1000);
  await closing;
  expect(errors).toEqual([]);
});

const cause = { actor: 'user:test', reason: 'test' };

function addNode(name: string, cpu = '4'): void {
  store.transact(cause, (tx) => void tx.create('Node', makeNode(name, { cpu })));
}

function addPod(name: string, shape: PodShape = {}): void {
  store.transact(cause, (tx) => void tx.create('Pod', makePod(name, shape)));
}

const pod = (name: string): Obj<'Pod'> => store.get('Pod', 'default', name) ?? expect.fail(`no pod ${name}`);

describe('the scheduler on a store', () => {
  it('binds what was there at the start and what comes later, with cause, condition and event', async () => {
    addNode('n1');
    addPod('early');
    scheduler.start();
    await system.advance(0);
    addPod('late');
    await system.advance(0);
    expect([pod('early'), pod('late')].map((p) => p.spec?.nodeName)).toEqual(['n1', 'n1']);
    expect(podCondition(pod('late'), 'PodScheduled')).toMatchObject({ status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' });
    const revision = Number(pod('late').metadata?.resourceVersion);
    expect(store.causes({ kind: 'Pod', namespace: 'default', name: 'late' }, 1)).toMatchObject([
      { revision, cause: { actor: 'scheduler', reason: 'to n1, the only node', becauseOf: revision - 1 } },
    ]);
    expect(events.map((e) => [e.regarding.name, e.reason])).toEqual([
      ['early', 'Scheduled'],
      ['late', 'Scheduled'],
    ]);
    expect(scheduler.stats).toMatchObject({ bound: 2, refused: 0, outdated: 0 });
  });

  it('keeps the condition of pods bound in one second once, and says the time of each', async () => {
    addNode('n1');
    scheduler.start();
    for (const name of ['a', 'b']) addPod(name);
    await system.advance(1500);
    addPod('c');
    await system.advance(0);
    const [a, b, c] = ['a', 'b', 'c'].map((name) => podCondition(pod(name), 'PodScheduled'));
    expect(a).toBe(b);
    expect([a, c].map((one) => one?.lastTransitionTime)).toEqual(['2026-01-01T00:00:00Z', '2026-01-01T00:00:01Z']);
  });

  it('commits many bindings at once', async () => {
    addNode('n1', '64');
    store.transact(cause, (tx) => {
      for (let i = 0; i < 100; i++) tx.create('Pod', makePod(`p${i}`));
    });
    scheduler.start();
    const before = store.revision;
    await system.advance(0);
    expect(store.revision).toBe(before + 1);
    expect([...store.index('Pod', 'node', 'n1')]).toHaveLength(100);
  });

  it('tells why a pod fits nowhere once, and binds it when there is room', async () => {
    addNode('n1', '1');
    addPod('x', { cpu: '800m' });
    scheduler.start();
    await system.advance(0);
    addPod('p', { cpu: '500m' });
    await system.advance(0);
    const message = '0/1 nodes are available: 1 Insufficient cpu (wants 500m, free 200m of 1000m).';
    expect(podCondition(pod('p'), 'PodScheduled')).toMatchObject({
      status: 'False',
      reason: 'Unschedulable',
      message: `${message}\nn1: Insufficient cpu (wants 500m, free 200m of 1000m)`,
    });
    expect(events.at(-1)).toMatchObject({ type: 'Warning', reason: 'FailedScheduling', message, regarding: { name: 'p' } });
    const revision = store.revision;
    await system.advance(200_000);
    expect(store.revision).toBe(revision);
    store.transact(cause, (tx) => tx.remove('Pod', 'default', 'x'));
    await system.advance(0);
    expect(pod('p').spec?.nodeName).toBe('n1');
    expect(podCondition(pod('p'), 'PodScheduled')?.status).toBe('True');
  });

  it('loses nothing and doubles nothing when the journal fails in the middle', async () => {
    addNode('n1', '64');
    scheduler.start();
    await system.advance(0);
    journal.failNext('lost');
    for (let i = 0; i < 10; i++) addPod(`a${i}`, { cpu: '1' });
    await system.advance(60_000);
    expect(store.health.state).toBe('ok');
    for (let i = 0; i < 10; i++) addPod(`b${i}`, { cpu: '1' });
    await system.advance(60_000);
    for (const one of store.list('Pod')) expect(one.spec?.nodeName).toBe('n1');
    expect([...store.list('Pod')].filter((p) => p.metadata?.name?.startsWith('b'))).toHaveLength(10);
    expect(scheduler.waiting).toMatchObject({ active: 0, taken: 0, waiting: 0, backoff: 0 });
  });

  it('stops when told, and goes on from the store when started again', async () => {
    addNode('n1');
    scheduler.start();
    await system.advance(0);
    scheduler.stop();
    addPod('p');
    await system.advance(1000);
    expect(pod('p').spec?.nodeName).toBeUndefined();
    scheduler.start();
    await system.advance(0);
    expect(pod('p').spec?.nodeName).toBe('n1');
  });
});
