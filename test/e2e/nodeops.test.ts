// Nodes that are emptied, shut down and removed on purpose, on real Docker: budgets kept at every moment, also while commands and the server end.
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import type { KindMap } from '@podplane/api/kinds/kind-map';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FieldCluster, FOREVER, isReady, scriptContainer } from './fields/field-cluster.js';
import { engineAnswers, eventually } from './harness.js';

type Pod = KindMap['Pod'];

const answers = await engineAnswers();

describe.skipIf(!answers)('node operations', () => {
  const cluster = new FieldCluster();
  const web = (replicas: number, budget: string): string => `---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {terminationGracePeriodSeconds: 0, containers: [${scriptContainer('c', FOREVER)}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {${budget}, selector: {matchLabels: {app: web}}}
`;
  const pods = async (app = 'web'): Promise<Pod[]> =>
    (await cluster.client.list('Pod', { namespace: 'default', labelSelector: `app=${app}` })).items;
  const living = (list: readonly Pod[]): Pod[] => list.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
  const on = (list: readonly Pod[], node: string): Pod[] => list.filter(({ spec }) => spec?.nodeName === node);
  const allReady = (replicas: number): Promise<Pod[]> =>
    eventually(
      `${replicas} pods ready`,
      () => pods(),
      (list) => living(list).length === replicas && list.length === replicas && list.every(isReady),
      120_000,
    );
  const drained = (node: string): Promise<string> =>
    eventually(
      `${node} drained`,
      async () => {
        const { status } = await cluster.client.get('Node', '', node);
        return status?.conditions.find(({ type }) => type === 'Drained')?.status ?? '';
      },
      (status) => status === 'True',
      120_000,
    );

  /** The fewest ready pods at any change, from now until it is asked. */
  async function leastReady(): Promise<() => Promise<number>> {
    const ready = new Map<string, boolean>();
    const { items, resourceVersion } = await cluster.client.list('Pod', { namespace: 'default', labelSelector: 'app=web' });
    const note = (pod: Pod, gone: boolean): void =>
      void ready.set(pod.metadata?.uid ?? '', !gone && pod.metadata?.deletionTimestamp === undefined && isReady(pod));
    for (const pod of items) note(pod, false);
    const count = (): number => [...ready.values()].filter(Boolean).length;
    let least = count();
    const stop = new AbortController();
    const watching = (async () => {
      const query = { namespace: 'default', labelSelector: 'app=web' };
      for await (const event of cluster.client.watch('Pod', query, { from: resourceVersion, signal: stop.signal })) {
        if (event.type !== 'ADDED' && event.type !== 'MODIFIED' && event.type !== 'DELETED') continue;
        note(event.object, event.type === 'DELETED');
        least = Math.min(least, count());
      }
    })();
    return async () => {
      stop.abort();
      await watching;
      return least;
    };
  }

  beforeAll(() => cluster.start(3));
  afterAll(() => cluster.remove());

  it('a dry run says which pods would move where, and changes nothing', async () => {
    await cluster.apply(web(4, 'minAvailable: 3'));
    const before = await allReady(4);
    const node = before[0]?.spec?.nodeName ?? '';
    const mine = on(before, node);
    const text = await cluster.must('drain', node, '--dry-run');
    for (const { metadata } of mine) expect(text).toMatch(new RegExp(`default/${metadata?.name} +moves +${cluster.prefix}-\\d +web-`));
    expect(text).toContain(`node/${node}: ${mine.length} moves (dry run)`);
    expect(text).not.toMatch(new RegExp(`moves +${node} `));
    const after = await pods();
    expect(after.map(({ metadata }) => metadata?.uid).toSorted()).toEqual(before.map(({ metadata }) => metadata?.uid).toSorted());
    expect((await cluster.client.get('Node', '', node)).spec?.unschedulable).toBeUndefined();
  });

  it('drains a node with its budget kept at every moment; uncordoned it takes pods again', async () => {
    const before = await allReady(4);
    const node = before[0]?.spec?.nodeName ?? '';
    const count = on(before, node).length;
    const least = await leastReady();
    const { code, stdout, stderr } = await cluster.cli(['drain', node]);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain(`node/${node} cordoned\n`);
    expect(stdout.match(/^pod\/web-\S+ evicted/gm)).toHaveLength(count);
    expect(stdout).toContain(`node/${node} drained\n`);
    expect(await least()).toBeGreaterThanOrEqual(3);
    expect(on(await allReady(4), node)).toEqual([]);
    expect(await cluster.containers(node)).toEqual([]);
    expect(await cluster.must('uncordon', node)).toBe(`node/${node} uncordoned\n`);
    await eventually(
      'the condition is gone',
      () => cluster.client.get('Node', '', node),
      ({ status, metadata }) =>
        status?.conditions.every(({ type }) => type !== 'Drained') === true && metadata?.annotations['podplane.dev/drain'] === undefined,
    );
  });

  it('a bare pod forbids it without --force, and nothing is changed', async () => {
    const node = cluster.node(1);
    await cluster.apply(`apiVersion: v1
kind: Pod
metadata: {name: bare, labels: {app: bare}}
spec: {nodeName: ${node}, terminationGracePeriodSeconds: 0, containers: [${scriptContainer('c', FOREVER)}]}
`);
    const { code, stderr } = await cluster.cli(['drain', node]);
    expect(code).toBe(1);
    expect(stderr).toContain(
      `unable to drain node "${node}": cannot delete Pods that declare no controller (use --force to override): default/bare`,
    );
    expect((await cluster.client.get('Node', '', node)).spec?.unschedulable).toBeUndefined();
    await cluster.client.delete('Pod', 'default', 'bare', { gracePeriodSeconds: 0 });
  });

  it('a budget that blocks: told with what it needs; when the time is over, exit code 3 and what is left', async () => {
    await cluster.apply(web(4, 'minAvailable: 4'));
    const before = await allReady(4);
    const node = before[0]?.spec?.nodeName ?? '';
    const { code, stderr } = await cluster.cli(['drain', node, '--timeout', '5s']);
    expect(code).toBe(3);
    expect(stderr).toContain('The disruption budget web needs 4 healthy pods and has 4 currently');
    expect(stderr).toMatch(
      new RegExp(`error: node/${node} is not drained: the time is over and ${on(before, node).length} pods are left: default/web-`),
    );
    expect(living(await pods())).toHaveLength(4);
    await cluster.must('uncordon', node);
  });

  it('goes on when the command is killed, and when the server was', async () => {
    const before = await allReady(4);
    const node = before[0]?.spec?.nodeName ?? '';
    const command = cluster.run(['drain', node]);
    let said = '';
    command.stderr?.on('data', (piece: Buffer) => (said += piece.toString()));
    await eventually(
      'it waits for the budget',
      () => Promise.resolve(said),
      (text) => text.includes('waiting for pod'),
    );
    command.kill('SIGKILL');
    await once(command, 'exit');
    await cluster.interrupt();
    cluster.upOutput = '';
    await cluster.start(3); // on another port
    const least = await leastReady();
    await cluster.apply(web(4, 'minAvailable: 3'));
    expect(await drained(node)).toBe('True');
    expect(await least()).toBeGreaterThanOrEqual(3);
    expect(on(await pods(), node)).toEqual([]);
    await cluster.must('uncordon', node);
  });

  it('a host that shuts down: NotReady at once, pods replaced elsewhere at once, the bare one Failed with the reason; back after the boot', async () => {
    const node = cluster.node(2);
    await cluster.apply(web(2, 'maxUnavailable: 2'));
    await allReady(2);
    await cluster.apply(`apiVersion: v1
kind: Pod
metadata: {name: alone, labels: {app: alone}}
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 5
  containers: [${scriptContainer('c', "process.on('SIGTERM', () => setTimeout(() => process.exit(0), 500)); setInterval(() => {}, 1e6)")}]
`);
    await cluster.podReady('alone');
    const shutdown = await cluster.cli(['agent', '--shutdown', '--data', path.join(cluster.data, 'agents', node)]);
    expect(shutdown.code, shutdown.stderr).toBe(0);
    await eventually(
      'the node says so',
      () => cluster.client.get('Node', '', node),
      ({ status, spec }) =>
        status?.conditions.some((one) => one.type === 'Ready' && one.status === 'False' && one.reason === 'NodeShutdown') === true &&
        spec?.taints.some(({ key, effect }) => `${key}:${effect}` === 'podplane.dev/shutting-down:NoExecute') === true,
    );
    expect((await cluster.podEnded('alone')).status).toMatchObject({
      phase: 'Failed',
      reason: 'Terminated',
      message: 'Pod was terminated in response to imminent node shutdown.',
    });
    const apps = (await cluster.containers(node)).filter(({ Labels }) => Labels['podplane.dev/container'] !== 'POD');
    expect(apps.filter(({ State }) => State === 'running')).toEqual([]);
    expect(on(await allReady(2), node)).toEqual([]);
    cluster.restartAgent(node); // ended with the cluster
    await cluster.readyAgain(node);
    await eventually(
      'its taints are gone',
      () => cluster.client.get('Node', '', node),
      (found) => found.spec?.taints.length === 0,
    );
    expect((await cluster.get('Pod', 'alone')).status?.phase).toBe('Failed');
  });

  it('a node that is deleted: its agent ends its pods and itself, its certificate is of no use, a token brings it back', async () => {
    const node = cluster.node(3);
    const data = path.join(cluster.data, 'agents', node);
    await cluster.apply(web(4, 'maxUnavailable: 4'));
    await allReady(4);
    const pid = cluster.upFile.agents.find(({ name }) => name === node)?.pid ?? 0;
    await cluster.must('delete', 'node', node);
    await eventually(
      'the agent has ended, and its containers',
      async () => ({ alive: existsSync(`/proc/${pid}`), containers: await cluster.containers(node) }),
      ({ alive, containers }) => !alive && containers.length === 0,
    );
    await eventually(
      'its pods are replaced',
      () => pods(),
      (list) => on(list, node).length === 0 && list.length === 4 && list.every(isReady),
      120_000,
    );
    const old = await cluster.cli(['agent', '--data', data]);
    expect(old.code).toBe(4);
    expect(old.stderr).toContain('this node has not joined a cluster yet');
    expect((await cluster.cli(['get', 'node', node])).code).toBe(1);
    const { secret } = await cluster.client.createToken('again', 600);
    cluster.run(['agent', '--data', data], { PODPLANE_TOKEN: secret }); // ended with the cluster
    await cluster.readyAgain(node);
  });
});
