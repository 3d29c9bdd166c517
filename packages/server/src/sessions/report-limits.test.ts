// An agent that says more than it may, or what it may not: the store, the log and the other nodes are spared, and its node tells of it.
import { NodeStatus } from '@podplane/api/gen/podplane/core/v1/node';
import { PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import { NodeEvent } from '@podplane/api/gen/podplane/node/v1/session';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HandSessions, running } from '../testkit/hand-sessions.js';
import type { AgentMessage } from './port.js';

let world: HandSessions;
beforeEach(async () => {
  world = await HandSessions.start();
});
afterEach(() => world.stop());

describe('an agent that breaks the rules', () => {
  it('by a second batch before the answer to the first is refused', async () => {
    const n1 = world.agent();
    await world.system.advance(10);
    const uid = world.createPod();
    await world.system.advance(10);
    n1.heard();
    world.journal.hold();
    n1.say(running(uid, 1));
    n1.say(running(uid, 2));
    expect(n1.heard()).toEqual(['refused']);
    expect(n1.closed).toBe(true);
  });

  it('by reporting its own status without pause is written ten times a second, the newest last', async () => {
    const n1 = world.agent();
    await world.system.advance(1000);
    const before = world.store.revision;
    for (let i = 1; i <= 1000; i++) {
      n1.say({ $case: 'nodeStatus', value: { status: NodeStatus.fromPartial({ capacity: { cpu: `${i}` } }) } });
      await world.system.advance(1);
    }
    await world.system.advance(100);
    expect(world.store.revision - before).toBeLessThanOrEqual(12);
    expect(world.store.get('Node', '', 'n1')?.status?.capacity['cpu']).toBe('1000');
  });

  it('by reporting its own status for minutes without pause is written once a second, and its node says so', async () => {
    const n1 = world.agent();
    await world.system.advance(1000);
    const before = world.store.revision;
    for (let i = 1; i <= 1200; i++) {
      n1.say({ $case: 'nodeStatus', value: { status: NodeStatus.fromPartial({ capacity: { cpu: `${i}` } }) } });
      await world.system.advance(100);
    }
    await world.system.advance(2000);
    expect(world.store.revision - before).toBeLessThanOrEqual(20 + 122);
    expect(world.store.get('Node', '', 'n1')?.status?.capacity['cpu']).toBe('1200');
    expect(new Set(world.throttled)).toEqual(
      new Set(['n1: the agent sends its own status faster than the server takes it: only the newest counts, at most one a second']),
    );
    expect(world.throttled.length).toBeLessThanOrEqual(3); // once a minute
  });

  it('by reporting statuses of pods as fast as they are answered is written within its budget, and its heartbeats go on', async () => {
    const n1 = world.agent();
    await world.system.advance(10);
    const uid = world.createPod();
    await world.system.advance(10);
    const before = world.store.revision;
    let seq = 0;
    // Each batch as large as an agent makes them, always of something new; the next one as soon as the one before is acknowledged.
    const batch = (): AgentMessage => {
      seq++;
      const reports = Array.from({ length: 200 }, (_, i) => ({
        uid,
        namespace: 'default',
        name: 'a',
        status: PodStatus.fromPartial({ phase: 'Running', message: `${seq}.${i}` }),
        terminated: false,
      }));
      return { $case: 'podStatuses', value: { seq, reports } };
    };
    n1.heard();
    n1.say(batch());
    for (let ms = 0; ms < 60_000; ms += 10) {
      await world.system.advance(10);
      if (n1.heard().includes('podStatusesAck')) n1.say(batch());
    }
    // 2000 at once and 200 a second: 14000 in a minute, and the last batch may overdraw.
    expect((seq - 1) * 200).toBeGreaterThanOrEqual(13_600);
    expect((seq - 1) * 200).toBeLessThanOrEqual(14_400);
    expect(world.store.revision - before).toBeLessThanOrEqual(72);
    expect(world.throttled).toEqual([
      'n1: the agent sends statuses of its pods faster than the server takes them: they wait, and only the newest of each pod counts',
    ]);
    n1.say({ $case: 'heartbeat', value: { seq: 1 } });
    expect(n1.heard()).toContain('heartbeatAck');
    // The last one comes through, and its session may end while one waits.
    await world.system.advance(2000);
    expect(world.store.get('Pod', 'default', 'a')?.status?.message).toBe(`${seq}.199`);
  });

  it('by connecting again and again is made to wait, and gets no new budget', async () => {
    let welcomed = 0;
    for (let i = 0; i < 60; i++) {
      const n1 = world.agent('n1', `boot-${i}`);
      await world.system.advance(10);
      if (n1.heard().includes('welcome')) welcomed++;
    }
    expect(welcomed).toBe(20);
    await world.system.advance(1000);
    const later = world.agent('n1', 'boot-later');
    await world.system.advance(10);
    expect(later.heard()).toContain('welcome');
    expect(world.throttled).toEqual(['n1: the agent sends hellos faster than the server takes them: it is asked to wait']);
  });

  it('by telling events without end has the first of them recorded, and the rest dropped', async () => {
    const n1 = world.agent();
    await world.system.advance(10);
    const events = Array.from({ length: 700 }, (_, i) => NodeEvent.fromPartial({ type: 'Normal', reason: 'Flood', message: `${i}` }));
    for (let i = 0; i < 10; i++) n1.say({ $case: 'events', value: { events } });
    expect(world.recorded).toHaveLength(1000);
    await world.system.advance(10_000);
    n1.say({ $case: 'events', value: { events } });
    expect(world.recorded).toHaveLength(1200);
    expect(world.throttled).toHaveLength(1);
  });

  it('by asking for everything without end is sent away', async () => {
    const n1 = world.agent();
    await world.system.advance(10);
    n1.heard();
    for (let i = 0; i < 61; i++) n1.say({ $case: 'resync', value: true });
    expect(n1.heard()).toContain('reconnect');
    expect(n1.closed).toBe(true);
  });

  it('by nonsense fills the log no faster than it may', async () => {
    const n1 = world.agent();
    await world.system.advance(10);
    const uid = world.createPod();
    for (let seq = 1; seq <= 200; seq++) {
      n1.say(running(uid, seq, 'Dancing'));
      await world.system.advance(10);
    }
    expect(world.problems.length).toBeLessThanOrEqual(21);
  });

  it('a status that was said before is not written again', async () => {
    const n1 = world.agent();
    await world.system.advance(10);
    const uid = world.createPod();
    n1.say(running(uid, 1));
    await world.system.advance(10);
    const before = world.store.revision;
    n1.say(running(uid, 2));
    await world.system.advance(10);
    expect(world.store.revision).toBe(before);
    expect(n1.heard().filter((kind) => kind === 'podStatusesAck')).toHaveLength(2);
  });

  it('by not reading gets no answers to its heartbeats, until it reads again', async () => {
    const n1 = world.agent();
    await world.system.advance(10);
    n1.heard();
    n1.full = true;
    for (let seq = 1; seq <= 1000; seq++) n1.say({ $case: 'heartbeat', value: { seq } });
    expect(n1.heard()).toEqual(['heartbeatAck']);
    expect(world.sessions.liveness.lastHeard('n1')).toBe(world.system.clock.monotonic());
    n1.full = false;
    n1.input.drained();
    n1.say({ $case: 'heartbeat', value: { seq: 1001 } });
    expect(n1.heard()).toEqual(['heartbeatAck']);
  });
});
