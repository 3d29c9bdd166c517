// Nodes that fall silent, break their sessions, shut down and return, and what becomes of their pods. Time moves only by hand.

import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodLost, isPodReady, podCondition } from '@podplane/api/pod-state';
import { TAINT_UNREACHABLE, taintText } from '@podplane/api/taints';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { barePod, makeDeployment, World } from '../testkit/world.js';

let world: World;

beforeEach(async () => {
  world = await World.open();
});

afterEach(async () => {
  expect(world.errors).toEqual([]);
  await world.close();
});

const ready = (name: string): string | undefined => world.node(name).status?.conditions.find((c) => c.type === 'Ready')?.status;
const taints = (name: string): string[] => (world.node(name).spec?.taints ?? []).map(taintText).sort();
const on = (node: string): Obj<'Pod'>[] => [...world.store.index('Pod', 'node', node)];
const reasons = (about: string): string[] => world.events.filter((e) => e.regarding.name === about).map((e) => e.reason);

/** Lets time pass while some nodes go on with their heartbeats. */
async function pass(ms: number, beating: readonly string[]): Promise<void> {
  for (let left = ms; left > 0; left -= 100) {
    for (const name of beating) world.beat(name);
    await world.system.advance(Math.min(100, left));
  }
}

function disconnect(name: string): void {
  world.liveness.sessions.delete(name);
  world.pump.poke('node-lifecycle', name);
}

function connect(name: string): void {
  world.liveness.sessions.add(name);
  world.liveness.goodbyes.delete(name);
  world.beat(name);
  world.pump.poke('node-lifecycle', name);
}

/** As the session does with the node's own report. */
function report(name: string): void {
  world.edit('Node', name, (draft) => {
    if (draft.status !== undefined) draft.status.conditions = [{ type: 'Ready', status: 'True', reason: 'AgentReady', message: '' }];
  });
}

/** Three nodes and a Deployment of six with two Ready pods on each. */
async function sixOnThree(): Promise<void> {
  for (const name of ['n1', 'n2', 'n3']) world.addNode(name);
  world.create('Deployment', makeDeployment('web', { replicas: 6 }));
  await world.settle();
  world.pods().forEach((pod, i) => world.run(pod, true, `n${(i % 3) + 1}`));
  await world.settle();
  expect(world.deployment().status?.availableReplicas).toBe(6);
}

const UNREACHABLE = [`${TAINT_UNREACHABLE}:NoExecute`, `${TAINT_UNREACHABLE}:NoSchedule`];

describe('a node that falls silent', () => {
  it('is lost after three seconds, not before, and its pods are replaced in the same turn', async () => {
    await sixOnThree();
    await pass(2900, ['n1', 'n3']);
    expect([ready('n2'), taints('n2')]).toEqual(['True', []]);
    await pass(100, ['n1', 'n3']);
    expect([ready('n2'), taints('n2')]).toEqual(['Unknown', UNREACHABLE]);
    const lost = on('n2');
    expect(lost.map((pod) => [isPodLost(pod), isPodReady(pod), isBeingDeleted(pod), pod.status?.reason])).toEqual([
      [true, false, false, 'NodeLost'],
      [true, false, false, 'NodeLost'],
    ]);
    expect(world.activePods()).toHaveLength(6);
    expect(world.node('n2').status?.conditions[0]).toMatchObject({
      reason: 'NodeStatusUnknown',
      message: 'nothing heard from the agent: last heartbeat 00:00:00.000 (3.0 s ago)',
    });
    expect(reasons('n2')).toEqual(['NodeNotReady', 'NodeLost']);
    expect(world.events.find((e) => e.reason === 'NodeLost' && e.regarding.kind === 'Node')?.message).toContain(
      'last heartbeat 00:00:00.000 (3.0 s ago)',
    );
    const [replacement] = world.activePods().filter((pod) => !pod.spec?.nodeName);
    const [made] = world.store.causes({ kind: 'Pod', namespace: 'default', name: replacement?.metadata?.name ?? '' }, 1);
    expect(made?.cause).toMatchObject({ actor: 'controller:replicaset', reason: expect.stringContaining('create 2 pods') });
    const [evicted] = world.store.causes({ kind: 'Pod', namespace: 'default', name: lost[0]?.metadata?.name ?? '' }, 1);
    expect(evicted).toMatchObject({
      revision: made?.cause.becauseOf,
      cause: { actor: 'controller:node-lifecycle', reason: 'node n2 is lost (last heartbeat 00:00:00.000 (3.0 s ago))' },
    });
  });

  it('loses its pods one by one as their replacements get ready', async () => {
    await sixOnThree();
    await pass(3000, ['n1', 'n3']);
    const fresh = world.activePods().filter((pod) => !pod.spec?.nodeName);
    world.run(fresh[0] ?? expect.fail(), true, 'n1');
    await world.settle();
    expect(on('n2').filter(isBeingDeleted)).toHaveLength(1);
    world.run(fresh[1] ?? expect.fail(), true, 'n3');
    await world.settle();
    expect(on('n2').filter(isBeingDeleted)).toHaveLength(2);
    expect(world.events.at(-1)).toMatchObject({
      reason: 'ReplacementsReady',
      message: expect.stringContaining('6 of 6 pods are Ready without lost node n2'),
    });
  });

  it('keeps its pods if it returns before their replacements are ready: these go', async () => {
    await sixOnThree();
    const originals = on('n2').map((pod) => pod.metadata?.name);
    await pass(3000, ['n1', 'n3']);
    const fresh = world.activePods().filter((pod) => !pod.spec?.nodeName);
    world.run(fresh[0] ?? expect.fail(), false, 'n1');
    await pass(700, ['n1', 'n3']);
    // The same session goes on: heartbeats were only held up.
    world.beat('n2');
    world.pump.poke('node-lifecycle', 'n2');
    await world.settle();
    expect([ready('n2'), taints('n2')]).toEqual(['True', []]);
    expect(world.activePods().filter(isPodReady)).toHaveLength(6);
    expect(on('n2').map((pod) => [pod.metadata?.name, isPodReady(pod), pod.status?.reason])).toEqual(
      originals.map((name) => [name, true, undefined]),
    );
    expect(reasons('n2').at(-1)).toBe('NodeReady');
  });

  it('waits for its own report after a new session, and takes it as it is', async () => {
    await sixOnThree();
    disconnect('n2');
    await pass(4000, ['n1', 'n3']);
    connect('n2');
    await world.settle();
    expect([ready('n2'), taints('n2')]).toEqual(['Unknown', []]);
    expect(on('n2').some((pod) => isPodReady(pod))).toBe(false);
    report('n2');
    await pass(500, ['n1', 'n2', 'n3']);
    expect(world.node('n2').status?.conditions).toMatchObject([{ type: 'Ready', status: 'True', reason: 'AgentReady' }]);
  });

  it('evicts after the tolerations that pods have, bare pods after five minutes', async () => {
    for (const name of ['n1', 'n2', 'n3']) world.addNode(name);
    world.create('Pod', barePod('bare', {}, 'n2'));
    const patient = barePod('patient', {}, 'n2');
    patient.spec?.tolerations.push({ key: TAINT_UNREACHABLE, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 10 });
    world.create('Pod', patient);
    const stoic = barePod('stoic', {}, 'n2');
    stoic.spec?.tolerations.push({ operator: 'Exists' });
    world.create('Pod', stoic);
    const gone = (): string[] =>
      on('n2')
        .filter(isBeingDeleted)
        .map((pod) => pod.metadata?.name ?? '')
        .sort();
    await pass(12_900, ['n1', 'n3']);
    expect(gone()).toEqual([]);
    await pass(200, ['n1', 'n3']);
    expect(gone()).toEqual(['patient']);
    expect(podCondition(on('n2').find(isBeingDeleted) ?? expect.fail(), 'DisruptionTarget')).toMatchObject({
      status: 'True',
      reason: 'DeletionByTaintManager',
    });
    await pass(289_000, ['n1', 'n3']);
    expect(gone()).toEqual(['patient']);
    await pass(1500, ['n1', 'n3']);
    expect(gone()).toEqual(['bare', 'patient']);
  });

  it('counts a longer heartbeat period', async () => {
    Object.assign(world.liveness, { heartbeatPeriodMs: () => 5000 });
    for (const name of ['n1', 'n2', 'n3']) world.addNode(name);
    await pass(14_900, ['n1', 'n3']);
    expect(ready('n2')).toBe('True');
    await pass(200, ['n1', 'n3']);
    expect(ready('n2')).toBe('Unknown');
  });
});

describe('sessions', () => {
  it('suspects a node whose agent does not return within a second, and evicts nobody for it', async () => {
    await sixOnThree();
    await pass(100, ['n1', 'n2', 'n3']);
    disconnect('n2');
    await pass(900, ['n1', 'n3']);
    expect(taints('n2')).toEqual([]);
    await pass(200, ['n1', 'n3']);
    expect(taints('n2')).toEqual(['podplane.dev/suspect:NoSchedule']);
    expect([ready('n2'), world.pods().length]).toEqual(['True', 6]);
    connect('n2');
    await world.settle();
    expect(taints('n2')).toEqual([]);
    expect(reasons('n2')).toEqual(['NodeSuspected', 'NodeReconnected']);
  });

  it('does not mind an agent that is back within the second', async () => {
    await sixOnThree();
    const { revision } = world.store;
    disconnect('n2');
    await pass(800, ['n1', 'n3']);
    connect('n2');
    await pass(2000, ['n1', 'n2', 'n3']);
    expect(world.store.revision).toBe(revision);
  });

  it('replaces the pods of a host that says goodbye at once', async () => {
    await sixOnThree();
    world.liveness.goodbyes.add('n2');
    world.pump.poke('node-lifecycle', 'n2');
    await world.settle();
    expect([ready('n2'), taints('n2')]).toEqual([
      'False',
      ['podplane.dev/shutting-down:NoExecute', 'podplane.dev/shutting-down:NoSchedule'],
    ]);
    expect(on('n2').every(isBeingDeleted)).toBe(true);
    expect(world.activePods()).toHaveLength(6);
    connect('n2');
    report('n2');
    await pass(200, ['n1', 'n2', 'n3']);
    expect([ready('n2'), taints('n2')]).toEqual(['True', []]);
  });

  it('keeps new pods away from a node that is short of something, and lets its pods run', async () => {
    await sixOnThree();
    const say = (type: string, status: string): void =>
      world.edit('Node', 'n2', (draft) => {
        if (draft.status === undefined) return;
        draft.status.conditions = [
          ...draft.status.conditions.filter((one) => one.type !== type),
          { type, status, reason: '', message: '' },
        ];
      });
    say('DiskPressure', 'True');
    say('MemoryPressure', 'True');
    say('PIDPressure', 'Unknown');
    await pass(200, ['n1', 'n2', 'n3']);
    expect(taints('n2')).toEqual(['node.kubernetes.io/disk-pressure:NoSchedule', 'node.kubernetes.io/memory-pressure:NoSchedule']);
    expect(on('n2').some(isBeingDeleted)).toBe(false);
    say('DiskPressure', 'False');
    say('MemoryPressure', 'False');
    await pass(200, ['n1', 'n2', 'n3']);
    expect(taints('n2')).toEqual([]);
  });

  it('keeps new pods away from a node that is not ready by its own word, and evicts only after five minutes', async () => {
    await sixOnThree();
    world.edit('Node', 'n2', (draft) => {
      if (draft.status !== undefined) draft.status.conditions = [{ type: 'Ready', status: 'False', reason: 'EngineDown', message: '' }];
    });
    await pass(5000, ['n1', 'n2', 'n3']);
    expect(taints('n2')).toEqual(['node.kubernetes.io/not-ready:NoExecute', 'node.kubernetes.io/not-ready:NoSchedule']);
    expect(world.activePods().filter((pod) => pod.spec?.nodeName === 'n2')).toHaveLength(2);
    report('n2');
    await pass(500, ['n1', 'n2', 'n3']);
    expect(taints('n2')).toEqual([]);
  });

  it("acts on people's own NoExecute taints", async () => {
    await sixOnThree();
    world.edit('Node', 'n2', (draft) => void draft.spec?.taints.push({ key: 'maintenance', effect: 'NoExecute' }));
    await pass(100, ['n1', 'n2', 'n3']);
    expect(on('n2').every(isBeingDeleted)).toBe(true);
    expect(world.node('n2').spec?.taints[0]?.timeAdded).toBe('2026-01-01T00:00:00.000Z');
  });
});

describe('tolerationSeconds under any NoExecute taint', () => {
  const all = ['n1', 'n2'];
  const tolerant = (name: string, node: string | undefined, ...seconds: (number | undefined)[]): void => {
    const pod = barePod(name, {}, node);
    for (const tolerationSeconds of seconds)
      pod.spec?.tolerations.push({ key: 'maintenance', operator: 'Exists', effect: 'NoExecute', tolerationSeconds });
    world.create('Pod', pod);
  };
  const taint = (on: boolean): void =>
    world.edit('Node', 'n2', (draft) => {
      if (draft.spec !== undefined) draft.spec.taints = on ? [{ key: 'maintenance', value: 'now', effect: 'NoExecute' }] : [];
    });
  const leaving = (name: string): boolean => isBeingDeleted(world.get('Pod', name));
  const told = (name: string): string[] =>
    world.events.filter((e) => e.reason === 'TaintManagerEviction' && e.regarding.name === name).map((e) => e.message);

  it.each<[string, (number | undefined)[], number | undefined]>([
    ['no toleration', [], 0],
    ['for ever', [undefined], undefined],
    ['ten seconds', [10], 10],
    ['the first that matches counts', [undefined, 10], undefined],
    ['also where it is the shorter one', [10, undefined], 10],
    ['zero and less', [-5], 0],
  ])('%s', async (_, seconds, expected) => {
    for (const name of all) world.addNode(name);
    tolerant('p', 'n2', ...seconds);
    taint(true);
    await pass(expected === undefined ? 60_000 : Math.max(100, expected * 1000 - 200), all);
    expect(leaving('p')).toBe(expected === 0);
    await pass(500, all);
    expect(leaving('p')).toBe(expected !== undefined);
    if (expected !== undefined) expect(told('p')).toEqual(['Taint maintenance=now:NoExecute of node n2: deleting the pod']);
  });

  it('a pod that comes to a node tainted long ago has its time from then on', async () => {
    for (const name of all) world.addNode(name);
    taint(true);
    await pass(60_000, all);
    tolerant('late', 'n2', 10);
    await pass(9_500, all);
    expect(leaving('late')).toBe(false);
    await pass(1_000, all);
    expect(leaving('late')).toBe(true);
  });

  it('a taint that is removed in time lets the pod stay, and that is told; put again it begins anew', async () => {
    for (const name of all) world.addNode(name);
    tolerant('p', 'n2', 10);
    taint(true);
    await pass(8_000, all);
    taint(false);
    await pass(10_000, all);
    expect(leaving('p')).toBe(false);
    expect(told('p')).toEqual(['Cancelling deletion of Pod default/p']);
    taint(true);
    await pass(9_000, all);
    expect(leaving('p')).toBe(false);
    await pass(2_000, all);
    expect(leaving('p')).toBe(true);
  });

  it('goes on counting after a restart of the server', async () => {
    for (const name of all) world.addNode(name);
    tolerant('p', 'n2', 10);
    taint(true);
    await pass(6_000, all);
    world.start();
    await pass(3_000, all);
    expect(leaving('p')).toBe(false);
    await pass(2_000, all);
    expect(leaving('p')).toBe(true);
  });
});

describe('doubting ourselves', () => {
  it('evicts nobody when more than half and at least three fall silent together, though their heartbeats were spread', async () => {
    for (const name of ['n1', 'n2', 'n3', 'n4', 'n5']) world.addNode(name);
    world.create('Deployment', makeDeployment('web', { replicas: 5 }));
    await world.settle();
    world.pods().forEach((pod, i) => world.run(pod, true, `n${i + 1}`));
    await world.settle();
    // Heartbeats of one second, spread over the second before the cut.
    await pass(300, ['n1', 'n2', 'n3', 'n4', 'n5']);
    await pass(300, ['n2', 'n3', 'n4', 'n5']);
    await pass(300, ['n3', 'n4', 'n5']);
    await pass(10_000, ['n4', 'n5']);
    expect(['n1', 'n2', 'n3'].map(ready)).toEqual(['Unknown', 'Unknown', 'Unknown']);
    expect(['n1', 'n2', 'n3'].flatMap(taints)).toEqual(Array.from({ length: 3 }, () => `${TAINT_UNREACHABLE}:NoSchedule`));
    expect(world.pods().map((pod) => [isPodLost(pod), isPodReady(pod)])).toEqual(Array.from({ length: 5 }, () => [false, true] as const));
    expect(world.events.find((e) => e.reason === 'EvictionsHeldBack')?.message).toContain('3 of 5 nodes fell silent together');
    // Two of them return. What connections still had in flight is heard of one, which dials again only then; the third may dial, too. Who has
    // not returned so long after the last one is given up.
    for (const name of ['n1', 'n2']) connect(name);
    await pass(1000, ['n1', 'n2', 'n4', 'n5']);
    world.liveness.sessions.delete('n2');
    await pass(8000, ['n1', 'n4', 'n5']);
    expect(['n2', 'n3'].flatMap(taints)).toEqual([`${TAINT_UNREACHABLE}:NoSchedule`, `${TAINT_UNREACHABLE}:NoSchedule`]);
    connect('n2');
    await pass(19_000, ['n1', 'n2', 'n4', 'n5']);
    expect(taints('n3')).toEqual([`${TAINT_UNREACHABLE}:NoSchedule`]);
    expect(world.pods().filter(isPodLost)).toEqual([]);
    await pass(2000, ['n1', 'n2', 'n4', 'n5']);
    expect(taints('n3')).toEqual(UNREACHABLE);
    expect(world.pods().filter(isPodLost)).toHaveLength(1);
    expect(ready('n1')).toBe('True');
  });

  it('does so for two of three', async () => {
    await sixOnThree();
    await pass(3500, ['n1']);
    expect([taints('n2'), taints('n3')]).toEqual([UNREACHABLE, UNREACHABLE]);
    expect(world.activePods().filter((pod) => !pod.spec?.nodeName)).toHaveLength(4);
  });

  it('credits its own stall to every node', async () => {
    await sixOnThree();
    world.liveness.stallCredit = 5000;
    await pass(7900, []);
    expect(['n1', 'n2', 'n3'].map(ready)).toEqual(['True', 'True', 'True']);
  });
});

describe('after a start of the server', () => {
  async function restart(): Promise<void> {
    world.pump.stop();
    world.liveness.heard.clear();
    world.liveness.sessions.clear();
    await world.system.advance(60_000);
    world.liveness.servingSince = world.system.clock.monotonic();
    world.start();
    await world.settle();
  }

  it('gives nodes as long to come back as a well agent may take', async () => {
    await sixOnThree();
    await restart();
    for (const name of ['n1', 'n3']) connect(name);
    await pass(19_900, ['n1', 'n3']);
    expect([ready('n2'), world.pods().length]).toEqual(['True', 6]);
    await pass(3200, ['n1', 'n3']);
    expect([ready('n2'), world.pods().length]).toEqual(['Unknown', 8]);
    expect(world.events.find((e) => e.reason === 'NodeLost')?.message).toContain('not heard since this server started');
  });

  it('loses nobody while others still come back', async () => {
    for (let i = 1; i <= 12; i++) world.addNode(`n${i}`);
    await world.settle();
    await restart();
    const back: string[] = [];
    for (let i = 1; i <= 11; i++) {
      connect(`n${i}`);
      back.push(`n${i}`);
      await pass(15_000, back);
      expect(ready('n12')).toBe('True');
    }
    await pass(8000, back);
    expect(ready('n12')).toBe('Unknown');
  });

  it('loses nobody who was back already, while others still come back', async () => {
    for (let i = 1; i <= 6; i++) world.addNode(`n${i}`);
    await world.settle();
    await restart();
    for (const name of ['n1', 'n2', 'n3', 'n4', 'n5']) connect(name);
    await pass(10_000, ['n1', 'n2', 'n3', 'n4', 'n5']);
    connect('n6');
    // n1 is not heard any more, behind all that the others have to say.
    await pass(19_000, ['n2', 'n3', 'n4', 'n5', 'n6']);
    expect(ready('n1')).toBe('True');
    await pass(4_000, ['n2', 'n3', 'n4', 'n5', 'n6']);
    expect(ready('n1')).toBe('Unknown');
    // All is calm: the next one is noticed as ever.
    await pass(3_500, ['n3', 'n4', 'n5', 'n6']);
    expect(ready('n2')).toBe('Unknown');
  });

  it('remembers that many fell silent together in that time, when most of them are back by its end', async () => {
    const all = ['n1', 'n2', 'n3', 'n4', 'n5'];
    for (const name of all) world.addNode(name);
    await world.settle();
    await restart();
    for (const name of all) connect(name);
    await pass(10_000, all);
    await pass(9_000, []);
    const back = ['n1', 'n2', 'n3', 'n4'];
    for (const name of back) connect(name);
    // They have had their time; n5 has not, since the others returned.
    await pass(10_000, back);
    expect(taints('n5')).toEqual([`${TAINT_UNREACHABLE}:NoSchedule`]);
    await pass(20_000, back);
    expect(taints('n5')).toEqual(UNREACHABLE);
  });

  it('leaves nodes that were lost before as they are, without telling it again', async () => {
    await sixOnThree();
    await pass(3000, ['n1', 'n3']);
    await restart();
    world.events.length = 0;
    for (const name of ['n1', 'n3']) connect(name);
    await pass(25_000, ['n1', 'n3']);
    expect(taints('n2')).toEqual(UNREACHABLE);
    expect(reasons('n2')).toEqual([]);
    connect('n2');
    report('n2');
    await pass(200, ['n1', 'n2', 'n3']);
    expect([ready('n2'), taints('n2'), reasons('n2')]).toEqual(['True', [], ['NodeReady']]);
  });
});
