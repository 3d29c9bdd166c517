// What a server that starts does before anything fenced may start: on data that may be older than what nodes know. Time moves only by hand.
import { EPOCH_ANNOTATION, epochOf, FENCING_ANNOTATION } from '@podplane/api/fencing';
import { Node } from '@podplane/api/gen/podplane/core/v1/node';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { Hello, type RunningPod } from '@podplane/api/gen/podplane/node/v1/session';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { createDefaultNamespaces } from '@podplane/controllers/namespace/bootstrap';
import { createPod } from '@podplane/controllers/shared/create-pod';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { epochAt } from '@podplane/store/epochs';
import { MemoryJournal } from '@podplane/store/journals/memory';
import { createStore, type ObjectStore } from '@podplane/store/store';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FencedStarts, raiseEpochs } from './fenced-starts.js';
import { LeaseGrants } from './leases.js';

let system: HandSystem;
let store: ObjectStore;
let leases: LeaseGrants;
let starts: FencedStarts;
let told: string[];
let again: string[];
/** How far the server's clock is off, ms. */
let wrongMs: number;

const cause = { actor: 'test', reason: 'test' };
const clock = { now: (): number => system.clock.now() + wrongMs, monotonic: (): number => system.clock.monotonic() };

/** A server starts on these data: as after a restart, as what it held in memory is made anew. */
async function start(): Promise<void> {
  const own = { clock, timers: system.timers, random: system.random };
  const opening = Promise.all([raiseEpochs(store, own), LeaseGrants.open(store.meta, own, 15_000)]);
  await system.advance(0);
  const [found, granted] = await opening;
  leases = granted;
  told = [];
  again = [];
  starts = new FencedStarts({
    store,
    system: own,
    leases,
    found,
    again: (except) => void again.push(except),
    tell: (node, message) => void told.push(`${node} ${message}`),
  });
}

beforeEach(async () => {
  system = new HandSystem();
  wrongMs = 0;
  store = await createStore({ system, journal: new MemoryJournal(), codecs: catalogueCodecs });
  store.transact(cause, (tx) => createDefaultNamespaces(tx));
  store.transact(cause, (tx) => {
    for (const name of ['n1', 'n2']) tx.create('Node', Node.fromPartial({ metadata: { name } }));
  });
  await start();
});
afterEach(() => store.close());

const made = (name: string, nodeName: string | undefined, fencing = 'strict'): Obj<'Pod'> =>
  store.transact(cause, (tx) => {
    const metadata = { name, namespace: 'default', annotations: { [FENCING_ANNOTATION]: fencing } };
    return createPod(tx, Pod.fromPartial({ metadata, spec: { nodeName, containers: [{ name: 'c', image: 'i' }] } }));
  }).result;
const epoch = (name: string): number => epochOf(store.get('Pod', 'default', name) ?? {}) ?? 0;
const uid = (name: string): string => store.get('Pod', 'default', name)?.metadata?.uid ?? '';
const guards = (one: string): RunningPod => ({ uid: one, namespace: 'default', name: 'x', guarded: true });

async function hello(nodeName: string, said: Partial<Hello> = {}, isNew = false): Promise<void> {
  const ready = starts.greet(Hello.fromPartial({ nodeName, ...said }), isNew);
  await system.advance(0);
  await ready;
}

/** And the heartbeat that follows. */
async function comes(nodeName: string, said: Partial<Hello> = {}): Promise<void> {
  await hello(nodeName, said);
  leases.grant(nodeName, 15_000);
  starts.beaten(nodeName);
}

describe('epochs', () => {
  it('grow with each pod, over restarts, and over data that forget, as far as the clock tells', async () => {
    const first = Number(made('a', 'n1').metadata?.annotations[EPOCH_ANNOTATION]);
    made('b', 'n1');
    expect(epoch('b')).toBeGreaterThan(first);
    expect(Number.isSafeInteger(first)).toBe(true);
    await system.advance(1_000);
    await start();
    // As many as the store may have given in that second, had it been other data.
    expect(Number(made('c', 'n1').metadata?.annotations[EPOCH_ANNOTATION])).toBeGreaterThanOrEqual(first + 1_000_000);
    expect(made('d', 'n1', 'none').metadata?.annotations[EPOCH_ANNOTATION]).toBeUndefined();
  });

  it('never go back with the clock', async () => {
    made('a', 'n1');
    wrongMs = -86_400_000;
    await start();
    made('b', 'n1');
    expect(epoch('b')).toBeGreaterThan(epoch('a'));
  });

  it('are above what a node knows that comes, and a clock that is wrong for ever takes no more than half of them', async () => {
    await start();
    const high = epochAt(store.meta, store.revision) + 5_000_000_000;
    await comes('n1', { epoch: high });
    made('a', 'n1');
    expect(epoch('a')).toBeGreaterThan(high);
    expect(starts.epoch).toBeGreaterThanOrEqual(high);
    await comes('n2', { epoch: Number.MAX_SAFE_INTEGER });
    wrongMs = 9e14;
    await start();
    made('b', 'n1');
    expect(epoch('b')).toBeGreaterThan(epoch('a'));
    expect(epoch('b')).toBeLessThan(2 ** 52 + 1000);
  });

  it('are new for fenced pods that do not run when their node comes, and stay for those that do', async () => {
    for (const name of ['runs', 'waits']) made(name, 'n1');
    made('free', 'n1', 'none');
    const before = { runs: epoch('runs'), waits: epoch('waits') };
    await start();
    await comes('n1', { inventory: [guards(uid('runs')), { ...guards(uid('waits')), guarded: false }] });
    expect(epoch('runs')).toBe(before.runs);
    const renewed = epoch('waits');
    expect(renewed).toBeGreaterThan(before.waits);
    expect(store.get('Pod', 'default', 'free')?.metadata?.annotations[EPOCH_ANNOTATION]).toBeUndefined();
    // It was given by this server.
    await comes('n1');
    expect(epoch('waits')).toBe(renewed);
  });

  it('are new where another machine takes the name', async () => {
    await comes('n1');
    await comes('n2');
    expect(starts.held).toBe(false);
    made('a', 'n1');
    const before = epoch('a');
    await comes('n1');
    expect(epoch('a')).toBe(before);
    await hello('n1', {}, true);
    expect(epoch('a')).toBeGreaterThan(before);
  });

  it('are new for all that have not started when somebody comes who knows of higher ones; others come again', async () => {
    await start();
    await comes('n1');
    made('unbound', undefined);
    made('bound', 'n1');
    const before = { unbound: epoch('unbound'), bound: epoch('bound') };
    const high = starts.epoch + 1_000_000;
    await comes('n2', { epoch: high });
    expect(again).toEqual(['n2']);
    expect(epoch('unbound')).toBeGreaterThan(high);
    expect(epoch('bound')).toBe(before.bound);
    await comes('n1');
    expect(epoch('bound')).toBeGreaterThan(high);
    expect(told).toEqual(['n2 knows more than these data do: an older copy of them was put back']);
  });
});

describe('fenced pods', () => {
  it('start at once under the first server there ever was', () => {
    expect(starts.held).toBe(false);
  });

  it('start as soon as all nodes were heard, where none knows more than the data do', async () => {
    const known = starts.epoch;
    await start();
    await comes('n1', { epoch: known });
    expect(starts.held).toBe(true);
    await hello('n2', { epoch: known });
    expect(starts.held).toBe(true); // whether the answer came is not known
    starts.beaten('n2');
    expect(starts.held).toBe(false);
    expect(told).toEqual([]);
  });

  it('start when all leases of before are over, where a node stays away or knows more', async () => {
    for (const nodes of [['n1'], ['n1', 'n2']]) {
      await system.advance(100_000);
      const before = epochAt(store.meta, store.revision);
      await start();
      for (const node of nodes) await comes(node, { epoch: before + 1 });
      await system.advance(16_999);
      expect(starts.held).toBe(true);
      await system.advance(1);
      expect(starts.held).toBe(false);
      expect(told).toHaveLength(1);
    }
  });

  it('wait for the end of those that run and are not known, or of their node’s lease', async () => {
    await start();
    await comes('n1', { inventory: [guards('lost'), guards('gone')] });
    await comes('n2');
    const say = (one: string, terminated: boolean): void =>
      starts.ended('n1', [{ uid: one, namespace: 'default', name: 'x', status: undefined, terminated }]);
    say('lost', false);
    say('lost', true);
    expect(starts.held).toBe(true);
    say('gone', true);
    expect(starts.held).toBe(false);

    await start();
    await comes('n2');
    await system.advance(10_000);
    await comes('n1', { inventory: [guards('lost')] });
    await system.advance(16_000);
    expect(starts.held).toBe(true);
    leases.grant('n1', 15_000);
    await system.advance(16_999);
    expect(starts.held).toBe(true);
    await system.advance(1);
    expect(starts.held).toBe(false);
  });

  it('wait anew when a memory of the server is older than what nodes know', async () => {
    await start();
    await comes('n1');
    await comes('n2');
    expect(starts.held).toBe(false);
    await comes('n1', { epoch: starts.epoch + 1_000 });
    expect(starts.held).toBe(true);
    await system.advance(17_000);
    expect(starts.held).toBe(false);
  });
});

it('a server whose term is lower than what nodes know takes a higher one', async () => {
  const { term } = leases;
  await comes('n1', { term });
  expect(leases.term).toBe(term);
  await comes('n1', { term: term + 10 });
  expect(leases.term).toBe(term + 11);
  expect(store.meta.get('fencing/term')).toBe(String(term + 11));
  await comes('n1', { term: Number.MAX_SAFE_INTEGER });
  expect(leases.term).toBe(term + 11);
});
