// The core: tables of what goes where and why not. Properties are in core.property.test.ts.

import type { Obj } from '@podplane/api/kinds/kind-map';
import { describe, expect, it } from 'vitest';
import { type Decision, SchedulerCore } from './core.js';
import { makeNode, makePod, type PodShape } from './testkit/fixtures.js';

function coreWith(nodes: readonly Obj<'Node'>[], pods: readonly Obj<'Pod'>[] = []): SchedulerCore {
  const core = new SchedulerCore();
  for (const node of nodes) core.nodeChanged(node, 0);
  for (const pod of pods) core.podChanged(pod, 0);
  return core;
}

function run(core: SchedulerCore, now = 0): Decision[] {
  const out: Decision[] = [];
  for (let decision = core.next(now); decision !== undefined; decision = core.next(now)) {
    out.push(decision);
    if (decision.kind === 'place') core.bound(decision.entry);
  }
  return out;
}

const placesOf = (decisions: readonly Decision[]): Record<string, string> =>
  Object.fromEntries(decisions.map((d) => [d.entry.name, d.kind === 'place' ? d.node : '-']));

const countsOf = (decisions: readonly Decision[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const d of decisions) if (d.kind === 'place') counts[d.node] = (counts[d.node] ?? 0) + 1;
  return counts;
};

const three = [makeNode('n1'), makeNode('n2'), makeNode('n3')];

describe('placing', () => {
  it('spreads six pods of one owner two on each of three nodes, and nine three on each after a scale', () => {
    const core = coreWith(three, [makePod('other', { node: 'n2', cpu: '3' })]);
    for (let i = 0; i < 6; i++) core.podChanged(makePod(`web-${i}`, { owner: 'web', cpu: '50m' }), 0);
    expect(countsOf(run(core))).toEqual({ n1: 2, n2: 2, n3: 2 });
    for (let i = 6; i < 9; i++) core.podChanged(makePod(`web-${i}`, { owner: 'web', cpu: '50m' }), 0);
    expect(countsOf(run(core))).toEqual({ n1: 1, n2: 1, n3: 1 });
  });

  it('puts the replacement of a pod that is being deleted where that one was', () => {
    const core = coreWith(three, [makePod('a', { owner: 'web', node: 'n1' }), makePod('b', { owner: 'web', node: 'n2' })]);
    core.podChanged(makePod('c', { owner: 'web', node: 'n3', deleting: true }), 0);
    core.podChanged(makePod('d', { owner: 'web' }), 0);
    expect(placesOf(run(core))).toEqual({ d: 'n3' });
  });

  it('prefers the emptier node, and the one without a bottleneck', () => {
    const core = coreWith(three, [
      makePod('x', { node: 'n1', cpu: '2' }),
      makePod('y', { node: 'n2', cpu: '1' }),
      makePod('z', { node: 'n3', memory: '30Gi' }),
    ]);
    core.podChanged(makePod('p', { cpu: '100m', memory: '100Mi' }), 0);
    expect(placesOf(run(core))).toEqual({ p: 'n2' });
  });

  it('respects selectors, affinity, taints, ports, cordons and readiness', () => {
    const nodes = [
      makeNode('plain'),
      makeNode('ssd', { labels: { disk: 'ssd' } }),
      makeNode('tainted', { taints: [{ key: 'a', value: 'b', effect: 'NoSchedule' }], labels: { disk: 'ssd' } }),
      makeNode('cordoned', { unschedulable: true, labels: { disk: 'ssd' } }),
      makeNode('down', { ready: false, labels: { disk: 'ssd' } }),
    ];
    const affinity = (operator: string, values: string[]): NonNullable<PodShape['spec']> => ({
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{ matchExpressions: [{ key: 'disk', operator, values }] }],
          },
        },
      },
    });
    const core = coreWith(nodes);
    core.podChanged(makePod('selector', { nodeSelector: { disk: 'ssd' } }), 0);
    core.podChanged(makePod('affine', { spec: affinity('In', ['ssd', 'nvme']) }), 0);
    core.podChanged(makePod('averse', { spec: affinity('DoesNotExist', []) }), 0);
    core.podChanged(makePod('nowhere', { spec: affinity('In', ['tape']) }), 0);
    core.podChanged(makePod('port1', { hostPort: 8080, nodeSelector: { disk: 'ssd' } }), 0);
    core.podChanged(makePod('port2', { hostPort: 8080, nodeSelector: { disk: 'ssd' } }), 0);
    expect(placesOf(run(core))).toEqual({ selector: 'ssd', affine: 'ssd', averse: 'plain', nowhere: '-', port1: 'ssd', port2: '-' });
    core.podChanged(
      makePod('tolerant', { tolerations: [{ key: 'a', operator: 'Exists' }], hostPort: 8080, nodeSelector: { disk: 'ssd' } }),
      0,
    );
    expect(placesOf(run(core))).toEqual({ tolerant: 'tainted' });
  });

  it('avoids soft taints and follows preferences where it can', () => {
    const core = coreWith([
      makeNode('n1', { taints: [{ key: 'x', effect: 'PreferNoSchedule' }] }),
      makeNode('n2'),
      makeNode('n3', { labels: { zone: 'z' } }),
    ]);
    core.podChanged(makePod('a', { cpu: '1' }), 0);
    core.podChanged(makePod('b', { cpu: '1' }), 0);
    core.podChanged(makePod('c', { cpu: '1' }), 0);
    expect(new Set(Object.values(placesOf(run(core))))).toEqual(new Set(['n2', 'n3']));
    const preference = { weight: 50, preference: { matchExpressions: [{ key: 'zone', operator: 'In', values: ['z'] }] } };
    core.podChanged(
      makePod('d', { spec: { affinity: { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [preference] } } } }),
      0,
    );
    expect(placesOf(run(core))).toEqual({ d: 'n3' });
  });

  it('takes the more important pod first, then the older', () => {
    const core = coreWith([makeNode('n1', { cpu: '1' })]);
    core.podChanged(makePod('old', { cpu: '1' }), 0);
    core.podChanged(makePod('vip', { cpu: '1', priority: 10 }), 0);
    expect(placesOf(run(core))).toEqual({ vip: 'n1', old: '-' });
  });

  it('leaves pods of other schedulers, gated and unsupported pods alone', () => {
    const core = coreWith(three);
    core.podChanged(makePod('foreign', { scheduler: 'mine' }), 0);
    core.podChanged(makePod('gated', { spec: { schedulingGates: [{ name: 'g' }] } }), 0);
    const term = { labelSelector: { matchLabels: { a: 'b' } }, topologyKey: 'kubernetes.io/hostname' };
    core.podChanged(
      makePod('apart', { spec: { affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } } } }),
      0,
    );
    const decisions = run(core);
    expect(placesOf(decisions)).toEqual({ apart: '-' });
    expect(decisions[0]).toMatchObject({ verdict: { message: expect.stringContaining('spec.affinity.podAntiAffinity is not supported') } });
    core.podChanged(makePod('gated'), 0);
    expect(Object.keys(placesOf(run(core)))).toEqual(['gated']);
  });

  it('counts init containers, sidecars and overhead as Kubernetes does', () => {
    const amounts = (cpu: string): { resources: { requests: Record<string, string> } } => ({ resources: { requests: { cpu } } });
    const core = coreWith(three);
    const podClass = core.classOf(
      makePod('p', {
        spec: {
          initContainers: [
            { name: 's', restartPolicy: 'Always', ...amounts('100m') },
            { name: 'i', ...amounts('900m') },
          ],
          containers: [
            { name: 'a', ...amounts('200m') },
            { name: 'b', resources: { limits: { cpu: '300m' } } },
          ],
          overhead: { cpu: '10m' },
        },
      }),
    );
    expect(podClass.requests.cpu).toBe(1010);
  });
});

describe('refusing', () => {
  it('says why, with numbers, for all nodes together and for each', () => {
    const nodes = [
      makeNode('n1', { cpu: '2' }),
      makeNode('n2', { cpu: '2' }),
      makeNode('n3', { taints: [{ key: 'a', value: 'b', effect: 'NoSchedule' }] }),
    ];
    const core = coreWith(nodes, [makePod('x', { node: 'n1', cpu: '1650m' }), makePod('y', { node: 'n2', cpu: '1700m' })]);
    core.podChanged(makePod('big', { cpu: '2', memory: '1Gi' }), 0);
    const [decision] = run(core);
    expect(decision).toMatchObject({
      kind: 'refuse',
      verdict: {
        message:
          '0/3 nodes are available: 2 Insufficient cpu (wants 2000m, free 350m of 2000m on n1), 1 node(s) had untolerated taint {a: b}.',
        perNode: [
          'n1: Insufficient cpu (wants 2000m, free 350m of 2000m)',
          'n2: Insufficient cpu (wants 2000m, free 300m of 2000m)',
          'n3: node(s) had untolerated taint {a: b}',
        ],
      },
    });
  });

  it('says so when there is no node', () => {
    const core = coreWith([], [makePod('p')]);
    expect(run(core)[0]).toMatchObject({ verdict: { message: '0/0 nodes are available.' } });
    core.nodeChanged(makeNode('n1'), 0);
    expect(placesOf(run(core))).toEqual({ p: 'n1' });
  });

  it('wakes a pod only by what helps it, and only as many as there is room for', () => {
    const core = coreWith([makeNode('n1', { cpu: '2' })], [makePod('x', { node: 'n1', cpu: '2' })]);
    for (let i = 0; i < 5; i++) core.podChanged(makePod(`p${i}`, { cpu: '1' }), 0);
    expect(run(core).every((d) => d.kind === 'refuse')).toBe(true);
    core.nodeChanged(makeNode('small', { cpu: '500m' }), 1);
    expect(core.queue.counts).toMatchObject({ active: 0, waiting: 5 });
    core.podRemoved('pod-x', 2);
    expect(core.queue.counts).toMatchObject({ active: 2, waiting: 3 });
    expect(countsOf(run(core, 2))).toEqual({ n1: 2 });
    expect(core.queue.counts.waiting).toBe(3);
  });

  it('is not confused by a refusal that began later: room under a taint, then the taint goes', () => {
    const core = coreWith([makeNode('n1', { cpu: '1' })], [makePod('x', { node: 'n1', cpu: '1' }), makePod('p', { cpu: '1' })]);
    run(core);
    core.nodeChanged(makeNode('n1', { cpu: '1', taints: [{ key: 'k', effect: 'NoSchedule' }] }), 1);
    core.podRemoved('pod-x', 2);
    expect(run(core, 2)).toEqual([]);
    core.nodeChanged(makeNode('n1', { cpu: '1' }), 3);
    expect(placesOf(run(core, 3))).toEqual({ p: 'n1' });
  });

  it('makes pods that were woken for nothing wait 1, 2, 4, 8, then 10 seconds', () => {
    const core = coreWith([makeNode('n1', { cpu: '1' })], [makePod('x', { node: 'n1', cpu: '1' }), makePod('p', { cpu: '1' })]);
    run(core);
    let now = 0;
    const waits: number[] = [];
    for (let round = 0; round < 6; round++) {
      // Room appears and is taken by a more important pod.
      const holder = core.ledger.nodeOf('pod-x') === undefined ? `pod-vip${round - 1}` : 'pod-x';
      core.podRemoved(holder, now);
      const at = core.queue.advance(now);
      waits.push(core.queue.counts.backoff > 0 ? (at ?? 0) - now : 0);
      now += 10_000;
      core.queue.advance(now);
      core.podChanged(makePod(`vip${round}`, { cpu: '1', priority: 1 }), now);
      expect(placesOf(run(core, now))).toEqual({ [`vip${round}`]: 'n1', p: '-' });
    }
    expect(waits).toEqual([0, 1000, 2000, 4000, 8000, 10_000]);
  });
});
