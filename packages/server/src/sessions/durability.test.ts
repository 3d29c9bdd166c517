// Nothing leaves the server before it is durable: with a journal that takes its time, fails, or loses what it was given.
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { NodeStatus } from '@podplane/api/gen/podplane/core/v1/node';
import { JournalError } from '@podplane/store/errors';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Given, Registry, type Writer } from '../registry/registry.js';
import { watch } from '../registry/watches.js';
import { HandSessions, running } from '../testkit/hand-sessions.js';

let world: HandSessions;
beforeEach(async () => {
  world = await HandSessions.start();
});
afterEach(() => world.stop());

describe('while the journal is slow', () => {
  it('an agent hears neither welcome, nor assignments, nor acknowledgements of what is not durable', async () => {
    world.journal.hold();
    const n1 = world.agent();
    await world.system.advance(1000);
    expect(n1.heard()).toEqual([]);
    world.journal.release();
    await world.system.advance(10);
    expect(n1.heard()).toEqual(['welcome', 'assignments']);

    world.journal.hold();
    const uid = world.createPod();
    await world.system.advance(1000);
    expect(n1.heard()).toEqual([]);
    world.journal.release();
    await world.system.advance(10);
    expect(n1.heard()).toEqual(['assignments']);

    world.journal.hold();
    n1.say(running(uid, 1));
    n1.say({ $case: 'heartbeat', value: { seq: 1 } });
    await world.system.advance(1000);
    expect(n1.heard()).toEqual(['heartbeatAck']); // heartbeats never wait for the journal
    world.journal.release();
    await world.system.advance(10);
    expect(n1.heard()).toEqual(['podStatusesAck']);
  });

  it('a reader sees only what is durable', async () => {
    const registry = new Registry(world.store, world.system);
    const writer: Writer = { identity: { kind: 'admin', name: 'a' }, fieldManager: '', dryRun: false };
    const place = { kind: 'ConfigMap', namespace: 'default', name: 'c' } as const;
    const given = (): Given => ({ kind: 'ConfigMap', object: ConfigMap.fromPartial({ metadata: { name: 'c', namespace: 'default' } }) });
    await registry.create(given(), { ...writer, dryRun: true }); // what is loaded with the first write takes real time
    const events = watch(
      world.store,
      world.system,
      { kind: 'ConfigMap', namespace: '', labelSelector: '', fieldSelector: '', resourceVersion: '' },
      new AbortController().signal,
    );
    await events.next(); // synced
    let told = false;
    const next = events.next().then((step) => {
      told = true;
      return step;
    });
    world.journal.hold();
    let answered = false;
    const created = registry.create(given(), writer).finally(() => void (answered = true));
    await world.system.advance(1000);
    expect([answered, told]).toEqual([false, false]);
    expect(() => registry.get(place)).toThrow('not found');
    expect(registry.lists.page({ ...place, labelSelector: '', fieldSelector: '', limit: 0, continue: '' }).objects).toEqual([]);
    world.journal.release();
    await world.system.advance(10);
    await created;
    expect(registry.get(place).object.metadata?.name).toBe('c');
    expect((await next).value.changes).toHaveLength(1);
  });
});

describe('when the journal fails', () => {
  it('statuses are taken again until they are durable, and acknowledged once', async () => {
    const n1 = world.agent();
    await world.system.advance(10);
    const uid = world.createPod();
    await world.system.advance(10);
    n1.heard();
    world.journal.setBroken(new JournalError('full', 'no room'));
    n1.say(running(uid, 1));
    await world.system.advance(3000);
    expect(n1.heard()).not.toContain('podStatusesAck');
    expect(n1.closed).toBe(false);
    world.journal.setBroken(undefined);
    await world.system.advance(60_000);
    expect(n1.heard().filter((kind) => kind === 'podStatusesAck')).toHaveLength(1);
    expect(world.store.durableView.byUid('Pod', uid)?.status?.phase).toBe('Running');
    expect(world.problems).toEqual([]);
  });

  it('an agent that says hello is asked to come back, and is welcome then', async () => {
    world.journal.setBroken(new JournalError('full', 'no room'));
    const early = world.agent();
    await world.system.advance(100);
    expect(early.heard()).toEqual(['reconnect']);
    expect(early.closed).toBe(true);
    const again = world.agent();
    await world.system.advance(100);
    expect(again.heard()).toEqual(['reconnect']);
    world.journal.setBroken(undefined);
    await world.system.advance(60_000);
    const late = world.agent();
    await world.system.advance(100);
    expect(late.heard()).toEqual(['welcome', 'assignments']);
  });

  it('a node status that was refused is written with a later heartbeat', async () => {
    const n1 = world.agent();
    await world.system.advance(10);
    world.journal.setBroken(new JournalError('full', 'no room'));
    world.store.transact({ actor: 'test', reason: 'to find out' }, (tx) =>
      tx.edit('Node', '', 'n1', ({ metadata }) => Object.assign(metadata?.labels ?? {}, { x: '1' })),
    );
    await world.system.advance(10);
    expect(world.store.health.state).toBe('sealed');
    n1.say({ $case: 'nodeStatus', value: { status: NodeStatus.fromPartial({ capacity: { cpu: '99' } }) } });
    world.journal.setBroken(undefined);
    await world.system.advance(60_000);
    expect(world.store.get('Node', '', 'n1')?.status?.capacity['cpu']).toBeUndefined();
    n1.say({ $case: 'heartbeat', value: { seq: 1 } });
    expect(world.store.get('Node', '', 'n1')?.status?.capacity['cpu']).toBe('99');
  });
});

describe('many sessions', () => {
  it('beat more slowly the more nodes there are, within the limit of the server', async () => {
    for (let i = 0; i < 900; i++) world.agent(`n-${i}`);
    await world.system.advance(1000);
    const last = world.agent('last');
    await world.system.advance(100);
    const [welcome] = last.said;
    expect(welcome?.$case === 'welcome' && welcome.value).toMatchObject({ heartbeatPeriodMillis: 3004, leaseMillis: 15_020 });
    expect(world.sessions.connectedNodes).toHaveLength(901);
    expect(new Set([...world.store.list('Node')].map(({ spec }) => spec?.podCIDR)).size).toBe(901);
  });

  it('that say nothing are cut off', async () => {
    let closed = false;
    world.sessions.connect('silent', { send: () => true, close: () => void (closed = true) });
    await world.system.advance(9000);
    expect(closed).toBe(false);
    await world.system.advance(2000);
    expect(closed).toBe(true);
  });
});
