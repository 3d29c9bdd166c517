// Pods that name their node themselves, and for which it has no room: they fail there with the kubelet's words, and what makes pods does not run hot.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FieldCluster, FOREVER, freePort, scriptContainer } from './fields/field-cluster.js';
import { engineAnswers, eventually } from './harness.js';

const answers = await engineAnswers();

describe.skipIf(!answers)('a node that is asked for what it has not', () => {
  const cluster = new FieldCluster();
  const pod = (name: string, spec: string, container = ''): string => `apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec: {nodeName: ${cluster.node(1)}, terminationGracePeriodSeconds: 0, ${spec}containers: [${scriptContainer('a', FOREVER, container)}]}
`;
  const asking = (name: string, amount: string): string => `resources: {requests: {${name}: ${amount}}}`;
  const refused = async (name: string): Promise<readonly [string, string]> => {
    const { status } = await cluster.podEnded(name);
    expect(status).toMatchObject({ phase: 'Failed', containerStatuses: [], podIPs: [] });
    return [status?.reason ?? '', status?.message ?? ''];
  };

  beforeAll(async () => {
    await cluster.start(1);
  });
  afterAll(async () => {
    await cluster.remove();
  });

  it('fails pods that are too much for it, and says how much there is', async () => {
    await cluster.apply(pod('small', '', asking('cpu', '10m')));
    await cluster.podReady('small');
    const { cpu, memory } = (await cluster.client.get('Node', '', cluster.node(1))).status?.allocatable ?? {};
    await cluster.apply(pod('cpu', '', asking('cpu', '"999"')), pod('memory', '', asking('memory', '100Ti')));
    expect(await refused('cpu')).toEqual([
      'OutOfcpu',
      `Pod was rejected: Node didn't have enough resource: cpu, requested: 999000, used: 10, capacity: ${Number(cpu) * 1000}`,
    ]);
    expect(await refused('memory')).toEqual([
      'OutOfmemory',
      `Pod was rejected: Node didn't have enough resource: memory, requested: ${100 * 1024 ** 4}, used: 0, capacity: ${Number.parseInt(memory ?? '', 10) * 1024}`,
    ]);
    // Agents tell events half a second after what they are about.
    await eventually(
      'the event',
      () => cluster.must('get', 'events', '--field-selector', 'involvedObject.name=cpu'),
      (table) => /Warning\s+OutOfcpu\s+pod\/cpu\s+Node didn't have enough resource: cpu/.test(table),
    );
    expect((await cluster.containers(cluster.node(1))).filter(({ Labels }) => Labels['podplane.dev/container'] === 'a')).toHaveLength(1);
  });

  it('goes by its labels as they are when the pod comes, and by ports of the host', async () => {
    await cluster.apply(pod('early', 'nodeSelector: {disk: fast}, '));
    expect(await refused('early')).toEqual([
      'NodeAffinity',
      "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    ]);
    await cluster.changeNode(cluster.node(1), ({ metadata }) => Object.assign(metadata.labels, { disk: 'fast' }));
    const port = `ports: [{containerPort: 80, hostPort: ${await freePort()}}]`;
    await cluster.apply(pod('late', 'nodeSelector: {disk: fast}, ', port));
    await cluster.podReady('late');
    await cluster.apply(pod('same-port', '', port));
    expect(await refused('same-port')).toEqual([
      'NodePorts',
      "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports",
    ]);
    // What was taken stays, whatever becomes of the label.
    await cluster.changeNode(cluster.node(1), ({ metadata }) => void delete metadata.labels['disk']);
    await cluster.apply(pod('after', ''));
    await cluster.podReady('after');
    expect((await cluster.get('Pod', 'late')).status?.phase).toBe('Running');
  });

  it('has what it refused replaced ever more seldom', async () => {
    await cluster.apply(`apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: too-much}
spec:
  replicas: 2
  selector: {matchLabels: {app: too-much}}
  template:
    metadata: {labels: {app: too-much}}
    spec: {nodeName: ${cluster.node(1)}, containers: [${scriptContainer('a', FOREVER, asking('cpu', '"999"'))}]}
`);
    const pods = async () => (await cluster.client.list('Pod', { namespace: 'default', labelSelector: 'app=too-much' })).items;
    const made = await eventually('three waves', pods, ({ length }) => length >= 6);
    // By the server's own clock, in whole seconds: the second 1 s after the first has failed, the third 2 s after that one.
    const times = made.map(({ metadata }) => Date.parse(metadata?.creationTimestamp ?? '')).toSorted((a, b) => a - b);
    expect((times[4] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(3000);
    expect(made.length).toBeLessThanOrEqual(8);
  });
});
