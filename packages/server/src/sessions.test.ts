// Sessions over real gRPC and mTLS with an agent that speaks the real protocol.
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { Pod, PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import type { PodReport } from '@podplane/api/gen/podplane/node/v1/session';
import { PodplaneClient } from '@podplane/client/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectNext, FakeAgent, join } from './testkit/agent.js';
import { type TestServer, testServer } from './testkit/harness.js';

let server: TestServer;
let client: PodplaneClient;
const agents: FakeAgent[] = [];

beforeEach(async () => {
  server = await testServer();
  client = new PodplaneClient(server.context);
});
afterEach(async () => {
  for (const agent of agents.splice(0)) agent[Symbol.dispose]();
  client.close();
  await server[Symbol.asyncDispose]();
});

async function agentOf(nodeName: string, machineId?: string): Promise<FakeAgent> {
  const agent = await FakeAgent.join(server, nodeName, machineId === undefined ? {} : { machineId });
  agents.push(agent);
  return agent;
}

async function createPod(name: string, nodeName: string, change: (pod: Pod) => void = () => undefined): Promise<Pod> {
  const pod = Pod.fromPartial({
    metadata: { name, namespace: 'default' },
    spec: { nodeName, containers: [{ name: 'web', image: 'web:1' }] },
  });
  change(pod);
  return (await client.create('Pod', pod)).object;
}

function report(pod: Pod, status: Parameters<typeof PodStatus.fromPartial>[0], terminated = false): PodReport {
  return {
    uid: pod.metadata?.uid ?? '',
    namespace: 'default',
    name: pod.metadata?.name ?? '',
    status: PodStatus.fromPartial(status),
    terminated,
  };
}

describe('a session', () => {
  it('gives its node neither the host name of another one nor labels by which administrators say whom they trust', async () => {
    const labels = {
      'kubernetes.io/hostname': 'n1',
      'node-restriction.kubernetes.io/zone': 'safe',
      'a.node-restriction.kubernetes.io/b': 'c',
    };
    for (const name of ['n1', 'n2']) {
      // Twice: also where the node has its object already.
      for (let i = 0; i < 2; i++) {
        const agent = await agentOf(name, `machine-of-${name}`);
        await expectNext(agent.connect({ labels: { ...labels, disk: 'ssd' } }), 'welcome');
      }
    }
    const of = async (name: string) => (await client.get('Node', '', name)).metadata?.labels;
    expect(await of('n1')).toEqual({ 'kubernetes.io/hostname': 'n1', disk: 'ssd' });
    expect(await of('n2')).toEqual({ disk: 'ssd' });
  });

  it('registers the node, welcomes it, and tells everything it shall run', async () => {
    const agent = await agentOf('n1');
    await createPod('early', 'n1');
    const said = agent.connect({ labels: { 'kubernetes.io/hostname': 'n1', disk: 'ssd', 'not a label': 'x' } });
    const welcome = await expectNext(said, 'welcome');
    expect(welcome).toMatchObject({
      heartbeatPeriodMillis: 1000,
      leaseMillis: 15_000,
      podCIDR: '10.244.0.0/24',
      clusterCIDR: '10.244.0.0/16',
      clusterId: server.running.clusterId,
    });
    const first = await expectNext(said, 'assignments');
    expect(first.complete).toBe(true);
    expect(first.pods.map((pod) => pod.metadata?.name)).toEqual(['early']);

    const node = await client.get('Node', '', 'n1');
    expect(node.spec?.podCIDR).toBe('10.244.0.0/24');
    expect(node.metadata?.labels).toEqual({ 'kubernetes.io/hostname': 'n1', disk: 'ssd' });
    expect(node.status?.capacity['cpu']).toBe('4');
    expect(node.status?.conditions.find(({ type }) => type === 'Ready')?.status).toBe('True');
    expect(server.running.sessions.liveness.connected('n1')).toBe(true);
  });

  it('tells differences that follow on each other, and the complete state again when asked', async () => {
    const agent = await agentOf('n1');
    const said = agent.connect();
    await expectNext(said, 'welcome');
    const complete = await expectNext(said, 'assignments');

    const pod = await createPod('a', 'n1');
    await createPod('elsewhere', 'n2');
    const added = await expectNext(said, 'assignments');
    expect(added).toMatchObject({ complete: false, from: complete.to });
    expect(added.pods.map(({ metadata }) => metadata?.name)).toEqual(['a']);

    await client.delete('Pod', 'default', 'a', { gracePeriodSeconds: 5 });
    const deleting = await expectNext(said, 'assignments');
    expect(deleting.from).toBe(added.to);
    expect(deleting.pods[0]?.metadata).toMatchObject({ uid: pod.metadata?.uid, deletionGracePeriodSeconds: 5 });
    expect(deleting.pods[0]?.metadata?.deletionTimestamp).toBeDefined();

    await client.delete('Pod', 'default', 'a', { gracePeriodSeconds: 0 });
    const gone = await expectNext(said, 'assignments');
    expect(gone).toMatchObject({ from: deleting.to, removedPodUids: [pod.metadata?.uid], pods: [] });

    await createPod('b', 'n1');
    const b = await expectNext(said, 'assignments');
    agent.say({ $case: 'resync', value: true });
    const again = await expectNext(said, 'assignments');
    expect(again.complete).toBe(true);
    expect(again.to).toBeGreaterThanOrEqual(b.to);
    expect(again.pods.map(({ metadata }) => metadata?.name)).toEqual(['b']);
  });

  it('carries the ConfigMaps that its pods name, their changes and their end, and nothing else', async () => {
    const agent = await agentOf('n1');
    const said = agent.connect();
    await expectNext(said, 'welcome');
    await expectNext(said, 'assignments');
    const configMap = (name: string, value: string): ConfigMap =>
      ConfigMap.fromPartial({ metadata: { name, namespace: 'default' }, data: { value } });
    await client.create('ConfigMap', configMap('used', '1'));
    await client.create('ConfigMap', configMap('unused', '1'));
    const pod = await createPod('a', 'n1', ({ spec }) => {
      if (spec !== undefined) spec.automountServiceAccountToken = false;
      spec?.containers[0]?.envFrom.push({ configMapRef: { name: 'used' } });
      spec?.containers[0]?.envFrom.push({ configMapRef: { name: 'later', optional: true } });
    });
    const first = await expectNext(said, 'assignments');
    expect(first.pods).toHaveLength(1);
    expect(first.configMaps.map(({ metadata, data }) => [metadata?.name, data['value']])).toEqual([['used', '1']]);

    await client.mergePatch('ConfigMap', 'default', 'used', { data: { value: '2' } });
    await client.mergePatch('ConfigMap', 'default', 'unused', { data: { value: '2' } });
    const changed = await expectNext(said, 'assignments');
    expect(changed.pods).toEqual([]);
    expect(changed.configMaps.map(({ metadata, data }) => [metadata?.name, data['value']])).toEqual([['used', '2']]);

    await client.create('ConfigMap', configMap('later', '1'));
    expect((await expectNext(said, 'assignments')).configMaps.map(({ metadata }) => metadata?.name)).toEqual(['later']);

    await client.delete('ConfigMap', 'default', 'later');
    expect((await expectNext(said, 'assignments')).removedReferences).toEqual(['ConfigMap/default/later']);

    await client.delete('Pod', 'default', 'a', { gracePeriodSeconds: 0 });
    const last = await expectNext(said, 'assignments');
    expect(last).toMatchObject({ removedPodUids: [pod.metadata?.uid], removedReferences: ['ConfigMap/default/used'] });
  });

  it('takes statuses, answers when they are durable, and tells the node nothing of its own words', async () => {
    const agent = await agentOf('n1');
    const said = agent.connect();
    await expectNext(said, 'welcome');
    await expectNext(said, 'assignments');
    const pod = await createPod('a', 'n1');
    await expectNext(said, 'assignments');
    agent.say({ $case: 'podStatuses', value: { seq: 1, reports: [report(pod, { phase: 'Running', podIP: '10.244.0.2' })] } });
    expect((await expectNext(said, 'podStatusesAck')).seq).toBe(1);
    expect((await client.get('Pod', 'default', 'a')).status).toMatchObject({ phase: 'Running', podIP: '10.244.0.2' });

    agent.say({ $case: 'heartbeat', value: { seq: 7 } });
    expect(await expectNext(said, 'heartbeatAck')).toMatchObject({ seq: 7, leaseMillis: 15_000 });
  });

  it('removes the object of a pod that was asked to go and has ended', async () => {
    const agent = await agentOf('n1');
    const said = agent.connect();
    await expectNext(said, 'welcome');
    await expectNext(said, 'assignments');
    const pod = await createPod('a', 'n1');
    await expectNext(said, 'assignments');
    agent.say({ $case: 'podStatuses', value: { seq: 1, reports: [report(pod, { phase: 'Running' })] } });
    await expectNext(said, 'podStatusesAck');
    await client.delete('Pod', 'default', 'a');
    expect((await client.get('Pod', 'default', 'a')).metadata?.deletionTimestamp).toBeDefined();
    await expectNext(said, 'assignments');
    agent.say({ $case: 'podStatuses', value: { seq: 2, reports: [report(pod, { phase: 'Failed' }, true)] } });
    // The object's end goes to the node too; which of the two comes first is open.
    const answers = new Set([(await said.next())?.$case, (await said.next())?.$case]);
    expect(answers).toEqual(new Set(['assignments', 'podStatusesAck']));
    await expect(client.get('Pod', 'default', 'a')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it('keeps the object of a pod that nobody asked to go, as failed, though its node has ended it', async () => {
    const agent = await agentOf('n1');
    const said = agent.connect();
    await expectNext(said, 'welcome');
    await expectNext(said, 'assignments');
    const pod = await createPod('a', 'n1');
    await expectNext(said, 'assignments');
    agent.say({ $case: 'podStatuses', value: { seq: 1, reports: [report(pod, { phase: 'Running' }, true)] } });
    await expectNext(said, 'podStatusesAck');
    expect((await client.get('Pod', 'default', 'a')).status).toMatchObject({ phase: 'Failed', reason: 'EndedByNode' });
  });

  it('refuses statuses of pods of other nodes, and takes no pod back from its end', async () => {
    const agent = await agentOf('n1');
    const said = agent.connect();
    await expectNext(said, 'welcome');
    await expectNext(said, 'assignments');
    const foreign = await createPod('foreign', 'n2');
    const own = await createPod('own', 'n1');
    await expectNext(said, 'assignments');
    agent.say({
      $case: 'podStatuses',
      value: { seq: 1, reports: [report(foreign, { phase: 'Failed' }), report(own, { phase: 'Succeeded' })] },
    });
    await expectNext(said, 'podStatusesAck');
    expect((await client.get('Pod', 'default', 'foreign')).status?.phase).toBe('Pending');
    agent.say({ $case: 'podStatuses', value: { seq: 2, reports: [report(own, { phase: 'Running' })] } });
    await expectNext(said, 'podStatusesAck');
    expect((await client.get('Pod', 'default', 'own')).status?.phase).toBe('Succeeded');
  });

  it('does not take the same batch twice', async () => {
    const agent = await agentOf('n1');
    let said = agent.connect();
    await expectNext(said, 'welcome');
    await expectNext(said, 'assignments');
    const pod = await createPod('a', 'n1');
    await expectNext(said, 'assignments');
    agent.say({ $case: 'podStatuses', value: { seq: 1, reports: [report(pod, { phase: 'Running' })] } });
    await expectNext(said, 'podStatusesAck');
    const before = (await client.get('Pod', 'default', 'a')).metadata?.resourceVersion;
    agent.hangUp();
    said = agent.connect();
    await expectNext(said, 'welcome');
    await expectNext(said, 'assignments');
    agent.say({ $case: 'podStatuses', value: { seq: 1, reports: [report(pod, { phase: 'Failed' })] } });
    await expectNext(said, 'podStatusesAck');
    expect((await client.get('Pod', 'default', 'a')).metadata?.resourceVersion).toBe(before);
    // A new boot begins to count anew.
    agent.hangUp();
    said = agent.connect({ bootId: 'boot-2' });
    await expectNext(said, 'welcome');
    await expectNext(said, 'assignments');
    agent.say({ $case: 'podStatuses', value: { seq: 1, reports: [report(pod, { phase: 'Failed' })] } });
    await expectNext(said, 'podStatusesAck');
    expect((await client.get('Pod', 'default', 'a')).status?.phase).toBe('Failed');
  });

  it('is superseded by a newer one of the same machine', async () => {
    const agent = await agentOf('n1');
    const old = agent.connect();
    await expectNext(old, 'welcome');
    await expectNext(old, 'assignments');
    const second = new FakeAgent(server, 'n1', agent.identity);
    agents.push(second);
    const fresh = second.connect({ bootId: 'boot-2' });
    await expectNext(fresh, 'welcome');
    expect((await expectNext(old, 'refused')).reason).toBe('Superseded');
    expect(await old.next()).toBeUndefined();
    await expectNext(fresh, 'assignments');
    expect(server.running.sessions.liveness.connected('n1')).toBe(true);
  });

  it('is not superseded by an older connection of its own boot that arrives late', async () => {
    const agent = await agentOf('n1');
    const said = agent.connect({ dial: 2 });
    await expectNext(said, 'welcome');
    await expectNext(said, 'assignments');
    const late = new FakeAgent(server, 'n1', agent.identity);
    agents.push(late);
    expect((await expectNext(late.connect({ dial: 1 }), 'refused')).reason).toBe('Superseded');
    expect(server.running.sessions.liveness.connected('n1')).toBe(true);
    agent.say({ $case: 'heartbeat', value: { seq: 1 } });
    await expectNext(said, 'heartbeatAck');
  });

  it('is refused to a second machine, until the node is deleted', async () => {
    const agent = await agentOf('n1', 'machine-a');
    const said = agent.connect();
    await expectNext(said, 'welcome');
    await expectNext(said, 'assignments');
    // Neither a token nor a certificate of the same name helps.
    await expect(join(server, 'n1', 'machine-b')).rejects.toMatchObject({
      code: 10,
      details: expect.stringContaining('node name "n1" belongs to another machine'),
    });
    const thief = new FakeAgent(server, 'n1', agent.identity, { machineId: 'machine-b' });
    agents.push(thief);
    const refused = await expectNext(thief.connect(), 'refused');
    expect(refused.reason).toBe('NodeNameTaken');
    expect(refused.message).toContain('podplane delete node n1');
    expect(agent.nodeName).toBe('n1');
    expect(server.running.sessions.liveness.connected('n1')).toBe(true);

    agent.hangUp();
    await client.delete('Node', '', 'n1');
    const other = await agentOf('n1', 'machine-b');
    await expectNext(other.connect(), 'welcome');
    expect((await expectNext(agent.connect(), 'refused')).reason).toBe('NodeNameTaken');
  });

  it('is only for the node of the certificate', async () => {
    const agent = await agentOf('n1');
    expect(await expectNext(agent.connect({ nodeName: 'n2' }), 'refused')).toMatchObject({ reason: 'Forbidden' });
    await expect(client.get('Node', '', 'n2')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it('ends at a second hello', async () => {
    const agent = await agentOf('n1');
    const said = agent.connect();
    await expectNext(said, 'welcome');
    await expectNext(said, 'assignments');
    agent.say({
      $case: 'hello',
      value: {
        nodeName: 'n1',
        bootId: 'x',
        machineId: 'y',
        agentVersion: '',
        labels: {},
        inventory: [],
        podCIDR: '',
        taints: [],
        dial: 0,
        epoch: 0,
        term: 0,
      },
    });
    expect((await expectNext(said, 'refused')).reason).toBe('BadRequest');
    expect(await said.next()).toBeUndefined();
  });

  it('keeps the pod range of a node over restarts, and gives others their own', async () => {
    const one = await agentOf('n1');
    const two = await agentOf('n2');
    expect((await expectNext(one.connect({ podCIDR: '10.244.7.0/24' }), 'welcome')).podCIDR).toBe('10.244.7.0/24');
    expect((await expectNext(two.connect({ podCIDR: '10.244.7.0/24' }), 'welcome')).podCIDR).toBe('10.244.0.0/24');
    one.hangUp();
    expect((await expectNext(one.connect({ podCIDR: '' }), 'welcome')).podCIDR).toBe('10.244.7.0/24');
  });

  it('restores the status of a node that was given up while it was silent', async () => {
    const agent = await agentOf('n1');
    const said = agent.connect();
    await expectNext(said, 'welcome');
    await expectNext(said, 'assignments');
    server.running.store.transact({ actor: 'controller:node-lifecycle', reason: 'silent' }, (tx) => {
      tx.edit('Node', '', 'n1', (node) => {
        for (const condition of node.status?.conditions ?? []) condition.status = 'Unknown';
      });
    });
    agent.say({ $case: 'heartbeat', value: { seq: 1 } });
    await expectNext(said, 'heartbeatAck');
    expect((await client.get('Node', '', 'n1')).status?.conditions).toMatchObject([{ type: 'Ready', status: 'True' }]);
  });

  it('hears Reconnect when the server stops, and goes on with the next server', async () => {
    const agent = await agentOf('n1');
    const said = agent.connect();
    await expectNext(said, 'welcome');
    await expectNext(said, 'assignments');
    await server.stop();
    expect((await expectNext(said, 'reconnect')).reason).toBe('ServerStopping');
    expect(await said.next()).toBeUndefined();
  });

  it('notes a goodbye', async () => {
    const agent = await agentOf('n1');
    const said = agent.connect();
    await expectNext(said, 'welcome');
    await expectNext(said, 'assignments');
    agent.say({ $case: 'goodbye', value: { reason: 'shutdown' } });
    agent.say({ $case: 'heartbeat', value: { seq: 1 } });
    await expectNext(said, 'heartbeatAck');
    expect(server.running.sessions.liveness.saidGoodbye('n1')).toBe(true);
  });
});
