// Where pods go: what a pod asks of its node, and what a node keeps away. Two nodes, one labelled and tainted as the tests need it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engine, engineAnswers, eventually } from '../harness.js';
import { FieldCluster, FOREVER, PATIENCE_MS, scriptContainer } from './field-cluster.js';

const answers = await engineAnswers();

describe.skipIf(!answers)('scheduling', () => {
  const cluster = new FieldCluster();
  const node = (number: number): string => cluster.node(number);
  const pod = (name: string, spec: string): string => `apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec: {terminationGracePeriodSeconds: 0, ${spec}, containers: [${scriptContainer('a', FOREVER)}]}
---
`;
  const waits = async (name: string): Promise<string> => {
    const { status } = await cluster.podUntil(
      name,
      'unschedulable',
      (one) => one.status?.conditions.some(({ reason }) => reason === 'Unschedulable') === true,
    );
    return status?.conditions.find(({ type }) => type === 'PodScheduled')?.message ?? '';
  };
  const nodeOf = async (name: string): Promise<string | undefined> =>
    (await cluster.podUntil(name, 'bound', ({ spec }) => !!spec?.nodeName)).spec?.nodeName;

  beforeAll(async () => {
    await cluster.start(2);
    await cluster.changeNode(node(2), ({ metadata }) => Object.assign(metadata.labels, { disk: 'fast', size: '7' }));
  });
  afterAll(async () => {
    await cluster.remove();
  });

  it('PodSpec nodeSelector: the pod goes where the label is, or waits and says why', async () => {
    await cluster.apply(pod('selected', 'nodeSelector: {disk: fast}') + pod('nowhere', 'nodeSelector: {disk: slow}'));
    expect(await nodeOf('selected')).toBe(node(2));
    expect(await waits('nowhere')).toContain("0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector");
  });

  it('PodSpec affinity.nodeAffinity: required terms keep it off, preferred ones draw it', async () => {
    const term = (operator: string, values: string): string =>
      `{matchExpressions: [{key: size, operator: ${operator}, values: ${values}}]}`;
    const required = (one: string): string =>
      `affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [${one}]}}}`;
    const preferred = `affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 100, preference: ${term('In', '["7"]')}}]}}`;
    await cluster.apply(
      pod('greater', required(term('Gt', '["5"]'))) +
        pod('too-great', required(term('Gt', '["9"]'))) +
        pod('drawn', preferred) +
        pod('not-in', required(term('NotIn', '["7"]'))),
    );
    expect(await nodeOf('greater')).toBe(node(2));
    expect(await nodeOf('drawn')).toBe(node(2));
    expect(await nodeOf('not-in')).toBe(node(1));
    expect(await waits('too-great')).toContain("didn't match Pod's node affinity/selector");
  });

  it('PodSpec nodeName: the pod runs there without the scheduler, if it fits there', async () => {
    await cluster.apply(pod('named', `nodeName: ${node(1)}`) + pod('misplaced', `nodeName: ${node(1)}, nodeSelector: {disk: fast}`));
    expect((await cluster.podReady('named')).spec?.nodeName).toBe(node(1));
    expect((await cluster.podEnded('misplaced')).status).toMatchObject({ phase: 'Failed', reason: 'NodeAffinity' });
  });

  it('Node spec.taints, PodSpec tolerations: a taint keeps pods away but those that tolerate it, and drives the others out', async () => {
    await cluster.apply(
      pod('stays', `nodeSelector: {disk: fast}, tolerations: [{key: team, operator: Equal, value: blue, effect: NoExecute}]`),
    );
    await cluster.podReady('stays');
    await cluster.podReady('selected');
    await cluster.changeNode(node(2), ({ spec }) => spec.taints.push({ key: 'team', value: 'blue', effect: 'NoExecute' }));
    await eventually(
      'driven out',
      async () => (await cluster.client.list('Pod', { namespace: 'default' })).items.map(({ metadata }) => metadata?.name),
      (names) => !names.includes('selected'),
      PATIENCE_MS,
    );
    expect((await cluster.get('Pod', 'stays')).metadata?.deletionTimestamp).toBeUndefined();
    await cluster.apply(pod('kept-off', 'nodeSelector: {disk: fast}'));
    expect(await waits('kept-off')).toContain('1 node(s) had untolerated taint {team: blue}');
    await cluster.changeNode(node(2), ({ spec }) => {
      spec.taints = [];
    });
    expect(await nodeOf('kept-off')).toBe(node(2));
  });

  it('Node spec.unschedulable: new pods go elsewhere, those that run stay', async () => {
    await cluster.podReady('kept-off');
    await cluster.changeNode(node(2), ({ spec }) => {
      spec.unschedulable = true;
    });
    await cluster.apply(pod('cordoned', 'nodeSelector: {disk: fast}'));
    expect(await waits('cordoned')).toContain('1 node(s) were unschedulable');
    expect((await cluster.get('Pod', 'kept-off')).status?.phase).toBe('Running');
    await cluster.changeNode(node(2), ({ spec }) => {
      spec.unschedulable = false;
    });
    expect(await nodeOf('cordoned')).toBe(node(2));
  });

  it('Node spec.podCIDR, Node spec.podCIDRs: pods of a node have addresses of its range, which is that of its network', async () => {
    const { spec } = await cluster.client.get('Node', '', node(1));
    expect(spec?.podCIDRs).toEqual([spec?.podCIDR]);
    const [network] = await engine<{ IPAM: { Config: { Subnet: string }[] } }[]>(
      'GET',
      `/networks?filters=${encodeURIComponent(JSON.stringify({ label: [`podplane.dev/node=${node(1)}`] }))}`,
    );
    expect(network?.IPAM.Config[0]?.Subnet).toBe(spec?.podCIDR);
    const { status } = await cluster.podReady('named');
    const prefix = (spec?.podCIDR ?? '').replace(/\.\d+\/24$/, '.');
    expect(prefix).toMatch(/^\d+\.\d+\.\d+\.$/);
    expect(status?.podIP?.startsWith(prefix)).toBe(true);
  });

  it('Node spec.providerID: is kept, and cannot be changed to another', async () => {
    const kept = await cluster.changeNode(node(1), ({ spec }) => {
      spec.providerID = 'cloud://a';
    });
    expect(kept.spec?.providerID).toBe('cloud://a');
    const toAnother = cluster.changeNode(node(1), ({ spec }) => {
      spec.providerID = 'cloud://b';
    });
    await expect(toAnother).rejects.toThrow('spec.providerID: Forbidden');
  });
});
