// The pump on a real store: who is called when, with which cause, and what happens when reconcilers or the store fail.
import type { System } from '@podplane/api/system';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { barePod, cause, World } from '../testkit/world.js';
import { ControllerPump } from './pump.js';
import type { ReconcileContext, ReconcileResult, Reconciler } from './types.js';

class Probe implements Reconciler {
  readonly calls: string[] = [];
  constructor(
    readonly name: string,
    readonly act: (key: string, context: ReconcileContext) => ReconcileResult = () => undefined,
  ) {}
  *keysFor(change: Parameters<Reconciler['keysFor']>[0]): Iterable<string> {
    if (change.kind === 'Pod') yield change.object.metadata?.name ?? '';
  }
  *allKeys(view: Parameters<Reconciler['allKeys']>[0]): Iterable<string> {
    for (const pod of view.list('Pod')) yield pod.metadata?.name ?? '';
  }
  reconcile(key: string, context: ReconcileContext): ReconcileResult {
    this.calls.push(key);
    return this.act(key, context);
  }
}

let world: World;

beforeEach(async () => {
  world = await World.open(() => []);
});

afterEach(() => world.close());

const label = (context: ReconcileContext, name: string, key: string, value: string): void =>
  void context.tx.edit('Pod', 'default', name, (draft) => {
    if (draft.metadata !== undefined) draft.metadata.labels[key] = value;
  });

describe('the pump', () => {
  it('calls for all keys at the start and for changed ones after, with the cause and the revision behind it', async () => {
    world.create('Pod', barePod('a'));
    const probe = new Probe('probe', (name, context) => {
      if (context.tx.get('Pod', 'default', name)?.metadata?.labels['seen'] === 'yes') return undefined;
      label(context, name, 'seen', 'yes');
      context.because(`saw ${name}`);
      context.event({ regarding: { kind: 'Pod', namespace: 'default', name, uid: '' }, type: 'Normal', reason: 'Seen', message: '' });
      return undefined;
    });
    world.start(() => [probe]);
    await world.settle();
    const b = world.create('Pod', barePod('b'));
    await world.settle();
    expect(probe.calls).toEqual(['a', 'a', 'b', 'b']);
    expect(world.store.causes({ kind: 'Pod', namespace: 'default', name: 'b' }, 1)[0]?.cause).toEqual({
      actor: 'controller:probe',
      reason: 'saw b',
      becauseOf: Number(b.metadata?.resourceVersion),
      of: { kind: 'Pod', namespace: 'default', name: 'b' },
    });
    expect(world.events.map((e) => e.regarding.name)).toEqual(['a', 'b']);
    expect(world.pump.stats.get('probe')).toMatchObject({ reconciles: 4, commits: 2, errors: 0, waiting: 0 });
  });

  it('lets a later controller see in the same turn what an earlier one wrote', async () => {
    const order: string[] = [];
    const first = new Probe('first', (name, context) => {
      order.push('first');
      label(context, name, 'from', 'first');
      return undefined;
    });
    const second = new Probe('second', (name, context) => {
      order.push(`second:${context.tx.get('Pod', 'default', name)?.metadata?.labels['from'] ?? ''}`);
      return undefined;
    });
    world.start(() => [first, second]);
    await world.settle();
    world.create('Pod', barePod('a'));
    await world.settle();
    expect(order.slice(0, 2)).toEqual(['first', 'second:first']);
  });

  it('undoes a reconcile that throws, tells of it, and tries again after its back-off', async () => {
    let fails = 3;
    const probe = new Probe('probe', (name, context) => {
      label(context, name, 'half', 'done');
      context.event({ regarding: { kind: 'Pod', namespace: 'default', name, uid: '' }, type: 'Normal', reason: 'X', message: '' });
      if (fails-- > 0) throw new Error('no');
      return undefined;
    });
    world.start(() => [probe]);
    world.create('Pod', barePod('a'));
    await world.settle();
    expect(world.store.get('Pod', 'default', 'a')?.metadata?.labels).toEqual({});
    expect(world.events).toEqual([]);
    await world.system.advance(4);
    expect(probe.calls).toHaveLength(1);
    await world.system.advance(1 + 10 + 20);
    expect(world.store.get('Pod', 'default', 'a')?.metadata?.labels).toEqual({ half: 'done' });
    expect(world.errors.map((e) => e.key)).toEqual(['a', 'a', 'a']);
    // The one that went well, and the look at what it wrote.
    expect(world.events).toHaveLength(2);
  });

  it('comes back when asked to, and when poked', async () => {
    const probe = new Probe('probe', () => ({ requeueAfterMs: 1000 }));
    world.create('Pod', barePod('a'));
    world.start(() => [probe]);
    await world.system.advance(999);
    expect(probe.calls).toHaveLength(1);
    await world.system.advance(1);
    expect(probe.calls).toHaveLength(2);
    world.pump.poke('probe', 'z');
    await world.settle();
    expect(probe.calls.at(-1)).toBe('z');
    expect(() => world.pump.poke('nobody', 'z')).toThrow(RangeError);
  });

  it('waits for as long as a clock can show when it is asked for less', async () => {
    const probe = new Probe('probe', () => ({ requeueAfterMs: 1e-10 }));
    world.create('Pod', barePod('a'));
    await world.system.advance(1_000_000);
    world.start(() => [probe]);
    const before = probe.calls.length;
    await world.system.advance(10);
    expect(probe.calls.length - before).toBeLessThanOrEqual(12);
  });

  it('rests while the store is sealed, and then looks at everything again', async () => {
    const probe = new Probe('probe');
    world.start(() => [probe]);
    world.create('Pod', barePod('a'));
    await world.settle();
    world.journal.setBroken(new Error('the disk is full'));
    world.create('Pod', barePod('b'));
    await world.settle();
    expect(world.store.health.state).toBe('sealed');
    const { length } = probe.calls;
    world.pump.poke('probe', 'a');
    await world.settle();
    expect(probe.calls).toHaveLength(length);
    world.journal.setBroken(undefined);
    await world.system.advance(60_000);
    expect(world.store.health.state).toBe('ok');
    expect(probe.calls.slice(length)).toEqual(['a']);
    world.store.transact(cause, (tx) => void tx.create('Pod', barePod('c')));
    await world.settle();
    expect(probe.calls.at(-1)).toBe('c');
    expect(world.errors).toEqual([]);
  });

  it('gives others a turn in the middle of much work', async () => {
    const busy = new Probe('busy', () => ({ requeueAfterMs: 0 }));
    world.create('Pod', barePod('a'));
    world.pump.stop();
    let turns = 0;
    world.start(() => [busy]);
    world.system.timers.soon(() => void turns++);
    // The clock stands still, so the number of reconciles ends the turn.
    await world.system.advance(0, 6);
    expect(turns).toBe(1);
    expect(busy.calls.length).toBeLessThanOrEqual(6 * 5000);
  });
});

it('starts anew from the store when a reconciler cannot read a change', async () => {
  const probe = new Probe('probe');
  let broken = false;
  const fragile: Reconciler = {
    name: 'fragile',
    keysFor: () => {
      if (broken) throw new Error('cannot read this');
      return [];
    },
    allKeys: (view) => probe.allKeys(view),
    reconcile: (key, context) => probe.reconcile(key, context),
  };
  world.start(() => [fragile]);
  await world.settle();
  broken = true;
  world.create('Pod', barePod('a'));
  await world.settle();
  expect(world.errors).toMatchObject([{ controller: 'pump' }]);
  broken = false;
  await world.system.advance(1000);
  expect(probe.calls).toEqual(['a']);
});

describe('a pump under load', () => {
  it('holds back while the journal has thousands of changes in its hands, and goes on when it has room', async () => {
    const probe = new Probe('probe', (name, context) => {
      if (context.tx.get('Pod', 'default', name)?.metadata?.labels['seen'] === undefined) label(context, name, 'seen', 'yes');
      return undefined;
    });
    world.start(() => [probe]);
    await world.settle();
    world.journal.hold();
    world.store.transact(cause, (tx) => {
      for (let i = 0; i < 4000; i++) tx.create('Pod', barePod(`p${i}`));
    });
    await world.system.advance(1000);
    expect(probe.calls).toEqual([]);
    world.journal.release();
    await world.settle();
    expect(new Set(probe.calls).size).toBe(4000);
    expect(world.store.backlog).toBe(0);
  });

  it('lets a key whose reconcile is long rest before changes ask for it again', async () => {
    let now = 0;
    const { system } = world;
    const slow: System = {
      timers: system.timers,
      random: system.random,
      clock: { now: system.clock.now, monotonic: () => system.clock.monotonic() + now },
    };
    const probe = new Probe('slow', () => {
      now += 10; // as if it took that long
      return undefined;
    });
    const pump = new ControllerPump({ store: world.store, system: slow, reconcilers: [probe], event: () => undefined });
    pump.start();
    world.create('Pod', barePod('a'));
    await world.settle();
    expect(probe.calls).toEqual(['a']);
    for (let i = 0; i < 5; i++) {
      world.edit('Pod', 'a', (pod) => void (pod.metadata !== undefined && (pod.metadata.labels['n'] = `${i}`)));
      await world.settle();
    }
    expect(probe.calls).toEqual(['a']);
    await system.advance(40);
    expect(probe.calls).toEqual(['a', 'a']);
    pump.stop();
  });
});
