// Nothing leaves the server before it is durable: with a journal that takes its time, fails, or loses what it was given.
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { NodeStatus } from '@podplane/api/gen/podplane/core/v1/node';
import { Pod, PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import { createDefaultNamespaces } from '@podplane/controllers/namespace/bootstrap';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { JournalError } from '@podplane/store/errors';
import { MemoryJournal } from '@podplane/store/journals/memory';
import { createStore } from '@podplane/store/store';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import type { Store } from '@podplane/store/types';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Given, Registry, type Writer } from '../registry/registry.js';
import { watch } from '../registry/watches.js';
import { LeaseGrants } from './leases.js';
import type { AgentMessage, ServerMessage, SessionInput } from './port.js';
import { DEFAULT_SESSION_TIMINGS, NodeSessions } from './sessions.js';

const system = new HandSystem();
let journal: MemoryJournal;
let store: Store;
let sessions: NodeSessions;
let problems: string[];

beforeEach(async () => {
  journal = new MemoryJournal();
  store = await createStore({ system, journal, codecs: catalogueCodecs });
  store.transact({ actor: 'test', reason: 'start' }, (tx) => createDefaultNamespaces(tx));
  problems = [];
  const opening = LeaseGrants.open(store.meta, system, DEFAULT_SESSION_TIMINGS.leaseMs);
  await system.advance(0);
  sessions = new NodeSessions({
    store,
    system,
    clusterId: 'test',
    clusterCidr: { base: 10 * 2 ** 24, bits: 8 },
    nodeCidrBits: 24,
    timings: DEFAULT_SESSION_TIMINGS,
    leases: await opening,
    recordEvents: () => undefined,
    tunnelRefused: () => undefined,
    changed: () => undefined,
    problem: (node, what) => void problems.push(`${node}: ${what}`),
  });
  await system.advance(0);
});
afterEach(async () => {
  journal.release();
  journal.setBroken(undefined);
  await sessions.stop();
  await store.close();
});

interface Agent {
  readonly input: SessionInput;
  readonly said: ServerMessage[];
  closed: boolean;
  /** Its buffer takes no more. */
  full: boolean;
  say(message: AgentMessage): void;
  /** What kinds of things were said since the last look. */
  heard(): string[];
}

function agent(nodeName = 'n1', bootId = 'boot-1'): Agent {
  const said: ServerMessage[] = [];
  let looked = 0;
  const input = sessions.connect(nodeName, {
    send: ({ message }) => {
      if (message !== undefined) said.push(message);
      return !made.full;
    },
    close: () => void (made.closed = true),
  });
  const made: Agent = {
    input,
    said,
    closed: false,
    full: false,
    say: (message) => input.message({ message }),
    heard: () => {
      const kinds = said.slice(looked).map(({ $case }) => $case);
      looked = said.length;
      return kinds;
    },
  };
  made.say({
    $case: 'hello',
    value: {
      nodeName,
      bootId,
      machineId: `machine-of-${nodeName}`,
      agentVersion: '',
      labels: {},
      status: NodeStatus.fromPartial({}),
      inventory: [],
      podCIDR: '',
      taints: [],
      dial: 0,
    },
  });
  return made;
}

function createPod(): string {
  const pod = Pod.fromPartial({
    metadata: { name: 'a', namespace: 'default' },
    spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }] },
  });
  return store.transact({ actor: 'test', reason: 'pod' }, (tx) => tx.create('Pod', pod)).result.metadata?.uid ?? '';
}

function running(uid: string, seq: number, phase = 'Running'): AgentMessage {
  return {
    $case: 'podStatuses',
    value: { seq, reports: [{ uid, namespace: 'default', name: 'a', status: PodStatus.fromPartial({ phase }), terminated: false }] },
  };
}

describe('while the journal is slow', () => {
  it('an agent hears neither welcome, nor assignments, nor acknowledgements of what is not durable', async () => {
    journal.hold();
    const n1 = agent();
    await system.advance(1000);
    expect(n1.heard()).toEqual([]);
    journal.release();
    await system.advance(10);
    expect(n1.heard()).toEqual(['welcome', 'assignments']);

    journal.hold();
    const uid = createPod();
    await system.advance(1000);
    expect(n1.heard()).toEqual([]);
    journal.release();
    await system.advance(10);
    expect(n1.heard()).toEqual(['assignments']);

    journal.hold();
    n1.say(running(uid, 1));
    n1.say({ $case: 'heartbeat', value: { seq: 1 } });
    await system.advance(1000);
    expect(n1.heard()).toEqual(['heartbeatAck']); // heartbeats never wait for the journal
    journal.release();
    await system.advance(10);
    expect(n1.heard()).toEqual(['podStatusesAck']);
  });

  it('a reader sees only what is durable', async () => {
    const registry = new Registry(store, system);
    const writer: Writer = { identity: { kind: 'admin', name: 'a' }, fieldManager: '', dryRun: false };
    const place = { kind: 'ConfigMap', namespace: 'default', name: 'c' } as const;
    const given = (): Given => ({ kind: 'ConfigMap', object: ConfigMap.fromPartial({ metadata: { name: 'c', namespace: 'default' } }) });
    await registry.create(given(), { ...writer, dryRun: true }); // what is loaded with the first write takes real time
    const events = watch(
      store,
      system,
      { kind: 'ConfigMap', namespace: '', labelSelector: '', fieldSelector: '', resourceVersion: '' },
      new AbortController().signal,
    );
    await events.next(); // synced
    let told = false;
    const next = events.next().then((step) => {
      told = true;
      return step;
    });
    journal.hold();
    let answered = false;
    const created = registry.create(given(), writer).finally(() => void (answered = true));
    await system.advance(1000);
    expect([answered, told]).toEqual([false, false]);
    expect(() => registry.get(place)).toThrow('not found');
    expect(registry.lists.page({ ...place, labelSelector: '', fieldSelector: '', limit: 0, continue: '' }).objects).toEqual([]);
    journal.release();
    await system.advance(10);
    await created;
    expect(registry.get(place).object.metadata?.name).toBe('c');
    expect((await next).value.changes).toHaveLength(1);
  });
});

describe('when the journal fails', () => {
  it('statuses are taken again until they are durable, and acknowledged once', async () => {
    const n1 = agent();
    await system.advance(10);
    const uid = createPod();
    await system.advance(10);
    n1.heard();
    journal.setBroken(new JournalError('full', 'no room'));
    n1.say(running(uid, 1));
    await system.advance(3000);
    expect(n1.heard()).not.toContain('podStatusesAck');
    expect(n1.closed).toBe(false);
    journal.setBroken(undefined);
    await system.advance(60_000);
    expect(n1.heard().filter((kind) => kind === 'podStatusesAck')).toHaveLength(1);
    expect(store.durableView.byUid('Pod', uid)?.status?.phase).toBe('Running');
    expect(problems).toEqual([]);
  });

  it('an agent that says hello is asked to come back, and is welcome then', async () => {
    journal.setBroken(new JournalError('full', 'no room'));
    const early = agent();
    await system.advance(100);
    expect(early.heard()).toEqual(['reconnect']);
    expect(early.closed).toBe(true);
    const again = agent();
    await system.advance(100);
    expect(again.heard()).toEqual(['reconnect']);
    journal.setBroken(undefined);
    await system.advance(60_000);
    const late = agent();
    await system.advance(100);
    expect(late.heard()).toEqual(['welcome', 'assignments']);
  });

  it('a node status that was refused is written with a later heartbeat', async () => {
    const n1 = agent();
    await system.advance(10);
    journal.setBroken(new JournalError('full', 'no room'));
    store.transact({ actor: 'test', reason: 'to find out' }, (tx) =>
      tx.edit('Node', '', 'n1', ({ metadata }) => Object.assign(metadata?.labels ?? {}, { x: '1' })),
    );
    await system.advance(10);
    expect(store.health.state).toBe('sealed');
    n1.say({ $case: 'nodeStatus', value: { status: NodeStatus.fromPartial({ capacity: { cpu: '99' } }) } });
    journal.setBroken(undefined);
    await system.advance(60_000);
    expect(store.get('Node', '', 'n1')?.status?.capacity['cpu']).toBeUndefined();
    n1.say({ $case: 'heartbeat', value: { seq: 1 } });
    expect(store.get('Node', '', 'n1')?.status?.capacity['cpu']).toBe('99');
  });
});

describe('an agent that breaks the rules', () => {
  it('by a second batch before the answer to the first is refused', async () => {
    const n1 = agent();
    await system.advance(10);
    const uid = createPod();
    await system.advance(10);
    n1.heard();
    journal.hold();
    n1.say(running(uid, 1));
    n1.say(running(uid, 2));
    expect(n1.heard()).toEqual(['refused']);
    expect(n1.closed).toBe(true);
  });

  it('by reporting its own status without pause is written ten times a second, the newest last', async () => {
    const n1 = agent();
    await system.advance(1000);
    const before = store.revision;
    for (let i = 1; i <= 1000; i++) {
      n1.say({ $case: 'nodeStatus', value: { status: NodeStatus.fromPartial({ capacity: { cpu: `${i}` } }) } });
      await system.advance(1);
    }
    await system.advance(100);
    expect(store.revision - before).toBeLessThanOrEqual(12);
    expect(store.get('Node', '', 'n1')?.status?.capacity['cpu']).toBe('1000');
  });

  it('by not reading gets no answers to its heartbeats, until it reads again', async () => {
    const n1 = agent();
    await system.advance(10);
    n1.heard();
    n1.full = true;
    for (let seq = 1; seq <= 1000; seq++) n1.say({ $case: 'heartbeat', value: { seq } });
    expect(n1.heard()).toEqual(['heartbeatAck']);
    expect(sessions.liveness.lastHeard('n1')).toBe(system.clock.monotonic());
    n1.full = false;
    n1.input.drained();
    n1.say({ $case: 'heartbeat', value: { seq: 1001 } });
    expect(n1.heard()).toEqual(['heartbeatAck']);
  });
});

describe('many sessions', () => {
  it('beat more slowly the more nodes there are, within the limit of the server', async () => {
    for (let i = 0; i < 900; i++) agent(`n-${i}`);
    await system.advance(1000);
    const last = agent('last');
    await system.advance(100);
    const [welcome] = last.said;
    expect(welcome?.$case === 'welcome' && welcome.value).toMatchObject({ heartbeatPeriodMillis: 3004, leaseMillis: 15_020 });
    expect(sessions.connectedNodes).toHaveLength(901);
    expect(new Set([...store.list('Node')].map(({ spec }) => spec?.podCIDR)).size).toBe(901);
  });

  it('that say nothing are cut off', async () => {
    let closed = false;
    sessions.connect('silent', { send: () => true, close: () => void (closed = true) });
    await system.advance(9000);
    expect(closed).toBe(false);
    await system.advance(2000);
    expect(closed).toBe(true);
  });
});
