// The whole control plane with its controllers and scheduler, agents that say that everything runs, and a client: a Deployment from
// its creation to its end, a node that is lost, and a server that is started again.
import { Deployment } from '@podplane/api/gen/podplane/apps/v1/deployment';
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { Namespace } from '@podplane/api/gen/podplane/core/v1/namespace';
import { type Pod, PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import type { PodReport } from '@podplane/api/gen/podplane/node/v1/session';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { PodplaneClient } from '@podplane/client/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeAgent } from './testkit/agent.js';
import { type TestServer, testServer } from './testkit/harness.js';

let server: TestServer;
let client: PodplaneClient;
const nodes: PretendingNode[] = [];

beforeEach(async () => {
  server = await testServer({ deciders: true, journal: 'sqlite' });
  client = new PodplaneClient(server.context);
});
afterEach(async () => {
  for (const node of nodes.splice(0)) node.stop();
  client.close();
  await server[Symbol.asyncDispose]();
});

/** Says of every pod that it runs, and of every pod that shall end that it has. Comes back when told to. */
class PretendingNode {
  private beat: NodeJS.Timeout | undefined;
  private seq = 0;
  private stopped = false;

  private constructor(private readonly agent: FakeAgent) {}

  static async start(name: string): Promise<PretendingNode> {
    const node = new PretendingNode(await FakeAgent.join(server, name));
    nodes.push(node);
    void node.run();
    return node;
  }

  /** As when its power is cut: nothing is said any more. */
  stop(): void {
    this.stopped = true;
    clearInterval(this.beat);
    this.agent[Symbol.dispose]();
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      const said = this.agent.connect({}, false);
      clearInterval(this.beat);
      this.beat = setInterval(() => this.agent.say({ $case: 'heartbeat', value: { seq: 1 } }), 200);
      for (let message = await said.next(); message !== undefined; message = await said.next()) {
        if (message.$case === 'assignments' && message.value.pods.length > 0) {
          this.agent.say({ $case: 'podStatuses', value: { seq: ++this.seq, reports: message.value.pods.map(report) } });
        }
      }
    }
  }
}

function report(pod: Pod): PodReport {
  const { uid = '', namespace = '', name = '', deletionTimestamp } = pod.metadata ?? {};
  const time = new Date().toISOString();
  const conditions = ['Initialized', 'ContainersReady', 'Ready'].map((type) => ({ type, status: 'True', lastTransitionTime: time }));
  return {
    uid,
    namespace,
    name,
    status: PodStatus.fromPartial({ phase: 'Running', conditions }),
    terminated: deletionTimestamp !== undefined,
  };
}

/** Resolves when the objects of a kind are as wanted. */
async function until<K extends Kind>(kind: K, wanted: (objects: readonly KindMap[K][]) => boolean): Promise<readonly KindMap[K][]> {
  const known = new Map<string, KindMap[K]>();
  let synced = false;
  for await (const event of client.watch(kind, { namespace: '' })) {
    if (event.type === 'RESET') {
      known.clear();
      synced = false;
    } else if (event.type === 'SYNCED') synced = true;
    else if (event.type === 'DELETED') known.delete(event.object.metadata?.uid ?? '');
    else if (event.type !== 'BOOKMARK') known.set(event.object.metadata?.uid ?? '', event.object);
    if (synced && wanted([...known.values()])) return [...known.values()];
  }
  throw new Error('the watch ended');
}

const deployment = (replicas: number, namespace = 'default'): Deployment =>
  Deployment.fromPartial({
    metadata: { name: 'web', namespace },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'web', image: 'web:1', resources: { requests: { cpu: '100m' } } }] },
      },
    },
  });

const ready = (pods: readonly Pod[]): number =>
  pods.filter(({ status }) => status?.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True')).length;

describe('the control plane', () => {
  it('runs a Deployment on its nodes, scales it, and removes it', async () => {
    for (const name of ['n1', 'n2', 'n3']) await PretendingNode.start(name);
    await client.create('Deployment', deployment(6));
    const pods = await until('Pod', (all) => ready(all) === 6);
    const perNode = Map.groupBy(pods, ({ spec }) => spec?.nodeName ?? '');
    expect(['n1', 'n2', 'n3'].map((name) => perNode.get(name)?.length)).toEqual([2, 2, 2]);
    await until('Deployment', ([web]) => web?.status?.availableReplicas === 6);
    await client.mergePatch('Deployment', 'default', 'web', { spec: { replicas: 2 } });
    await until('Pod', (all) => all.length === 2 && ready(all) === 2);
    await client.delete('Deployment', 'default', 'web');
    await until('Pod', (all) => all.length === 0);
    await until('ReplicaSet', (all) => all.length === 0);
    // They are written a moment after what they tell of.
    await until('Event', (all) => all.some(({ reason }) => reason === 'Scheduled'));
  });

  it('replaces the pods of a node that falls silent, and goes on after a restart', async () => {
    const lost = await PretendingNode.start('n1');
    await client.create('Deployment', deployment(3));
    await until('Pod', (all) => ready(all) === 3);
    await PretendingNode.start('n2');
    await until('Node', (all) => all.length === 2);
    await server.restart();
    expect((await client.list('Pod', { namespace: '' })).items).toHaveLength(3);
    await until('Node', (all) =>
      all.every(({ status }) => status?.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True')),
    );
    lost.stop();
    await until(
      'Pod',
      (all) =>
        all.filter(({ spec }) => spec?.nodeName === 'n2').length === 3 && ready(all.filter(({ spec }) => spec?.nodeName === 'n2')) === 3,
    );
    const n1 = await client.get('Node', '', 'n1');
    expect(n1.status?.conditions.find(({ type }) => type === 'Ready')?.status).toBe('Unknown');
  });

  it('tells why a pod is gone, back to the patch that changed its image', async () => {
    for (const name of ['n1', 'n2']) await PretendingNode.start(name);
    await client.create('Deployment', deployment(2));
    const [old] = await until('Pod', (all) => ready(all) === 2);
    const name = old?.metadata?.name ?? '';
    await client.mergePatch('Deployment', 'default', 'web', {
      spec: { template: { spec: { containers: [{ name: 'web', image: 'web:2' }] } } },
    });
    await until(
      'Pod',
      (all) => all.length === 2 && ready(all) === 2 && all.every(({ spec }) => spec?.containers.every(({ image }) => image === 'web:2')),
    );
    const { exists, changes } = await client.why('Pod', 'default', name, 5);
    expect(exists).toBe(false);
    expect(changes[0]?.links.map((link) => `${link.kind} ${link.type} by ${link.actor}: ${link.reason}`)).toEqual([
      expect.stringMatching(/^Pod deleted by node:n[12]: its containers have ended$/),
      expect.stringMatching(/^Pod modified by controller:replicaset: \d pods? for \d replicas? of web-\w+: delete \d pods?$/),
      expect.stringMatching(/^ReplicaSet modified by controller:deployment: rolling update to web-\w+, .* from \d to \d$/),
      'Deployment modified by user:admin: patch deployment web: image of web: web:1 -> web:2',
    ]);
  });

  it('empties a namespace that is deleted', async () => {
    await client.create('Namespace', Namespace.fromPartial({ metadata: { name: 'team' } }));
    await client.create('ConfigMap', ConfigMap.fromPartial({ metadata: { name: 'c', namespace: 'team' } }));
    await client.delete('Namespace', '', 'team');
    await until('Namespace', (all) => all.length === 2);
    await expect(client.get('ConfigMap', 'team', 'c')).rejects.toMatchObject({ reason: 'NotFound' });
  });
});
