// The core against a reference that scans everything and knows nothing of plugins, over random histories.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SchedulerCore } from './core.js';
import { defaultPlugins } from './plugins/registry.js';
import { makeNode, makePod, type NodeShape, type PodShape } from './testkit/fixtures.js';
import { stagesOf, worthOf } from './worth.js';

const nodeShape: fc.Arbitrary<NodeShape> = fc.record({
  cpu: fc.constantFrom('500m', '1', '2'),
  memory: fc.constantFrom('1Gi', '2Gi'),
  pods: fc.constantFrom('2', '4', '8'),
  labels: fc.constantFrom<Record<string, string>>({}, { disk: 'ssd' }),
  taints: fc.constantFrom<{ key: string; effect: string }[]>(
    [],
    [],
    [{ key: 'k', effect: 'NoSchedule' }],
    [{ key: 'k', effect: 'PreferNoSchedule' }],
  ),
  unschedulable: fc.constantFrom(false, false, true),
  ready: fc.constantFrom(true, true, false),
});

/** Nearly every pod another class. */
const manyClasses: fc.Arbitrary<PodShape> = fc.record(
  {
    cpu: fc.constantFrom('100m', '300m', '1'),
    memory: fc.constantFrom('100Mi', '600Mi'),
    owner: fc.constantFrom('a', 'b', 'c'),
    hostPort: fc.constantFrom(80, 81),
    nodeSelector: fc.constantFrom<Record<string, string>>({}, { disk: 'ssd' }),
    tolerations: fc.constantFrom<{ key: string; operator: string }[]>([], [{ key: 'k', operator: 'Exists' }]),
  },
  { requiredKeys: [] },
);

/** Few classes and many pods of each, as from workloads: rankings are used again and again. */
const fewClasses: fc.Arbitrary<PodShape> = fc.record({ cpu: fc.constantFrom('100m', '200m'), owner: fc.constantFrom('a', 'b', '') });

type Action =
  | { readonly do: 'node'; readonly name: string; readonly shape: NodeShape }
  | { readonly do: 'dropNode'; readonly name: string }
  | { readonly do: 'pod'; readonly shape: PodShape }
  | { readonly do: 'dropPod'; readonly which: number };

const nodeName = fc.constantFrom('n1', 'n2', 'n3', 'n4', 'n5', 'n6', 'n7');
const actions = (podShape: fc.Arbitrary<PodShape>): fc.Arbitrary<Action> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('node' as const), name: nodeName, shape: nodeShape }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('dropNode' as const), name: nodeName }) },
    { weight: 8, arbitrary: fc.record({ do: fc.constant('pod' as const), shape: podShape }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('dropPod' as const), which: fc.nat() }) },
  );

/** A pod may be here: written without the plugins, from the objects themselves. */
function mayGo(pod: PodShape, node: NodeShape, there: readonly PodShape[]): boolean {
  const cpu = (text: string | undefined): number =>
    text === undefined ? 0 : text.endsWith('m') ? Number(text.slice(0, -1)) : Number(text) * 1000;
  const mib = (text: string | undefined): number =>
    text === undefined ? 0 : text.endsWith('Gi') ? Number(text.slice(0, -2)) * 1024 : Number(text.slice(0, -2));
  const sum = (f: (p: PodShape) => number): number => there.reduce((total, p) => total + f(p), 0);
  if (node.unschedulable || node.ready === false) return false;
  if (there.length + 1 > Number(node.pods)) return false;
  if (cpu(pod.cpu) > 0 && sum((p) => cpu(p.cpu)) + cpu(pod.cpu) > cpu(node.cpu)) return false;
  if (mib(pod.memory) > 0 && sum((p) => mib(p.memory)) + mib(pod.memory) > mib(node.memory)) return false;
  if (pod.hostPort !== undefined && there.some((p) => p.hostPort === pod.hostPort)) return false;
  for (const [key, value] of Object.entries(pod.nodeSelector ?? {})) if (node.labels?.[key] !== value) return false;
  return (node.taints ?? []).every((t) => t.effect === 'PreferNoSchedule' || (pod.tolerations ?? []).length > 0);
}

describe('properties', () => {
  it.each([
    ['many classes', manyClasses, 60],
    ['few classes', fewClasses, 150],
  ] as const)(
    '%s: never overcommits, leaves no pod waiting that fits, and always takes the node that a full scan would',
    (_kind, podShape, maxLength) => {
      fc.assert(
        fc.property(fc.array(actions(podShape), { maxLength, size: 'max' }), (steps) => {
          const core = new SchedulerCore();
          const stages = stagesOf(defaultPlugins);
          const nodes = new Map<string, NodeShape>();
          const pods = new Map<string, { readonly shape: PodShape; node: string | undefined }>();
          const on = (name: string): PodShape[] => [...pods.values()].filter((p) => p.node === name).map((p) => p.shape);
          let now = 0;
          let serial = 0;
          for (const step of steps) {
            now += 20_000; // past any back-off
            switch (step.do) {
              case 'node':
                nodes.set(step.name, step.shape);
                core.nodeChanged(makeNode(step.name, step.shape), now);
                break;
              case 'dropNode':
                nodes.delete(step.name);
                core.nodeRemoved(step.name);
                break;
              case 'pod':
                pods.set(`p${serial}`, { shape: step.shape, node: undefined });
                core.podChanged(makePod(`p${serial++}`, step.shape), now);
                break;
              case 'dropPod': {
                const name = [...pods.keys()][step.which % Math.max(1, pods.size)];
                if (name === undefined) break;
                pods.delete(name);
                core.podRemoved(`pod-${name}`, now);
                break;
              }
            }
            core.queue.advance(now);
            // What a scan of all nodes would take is asked before the core puts the pod there.
            for (;;) {
              const entry = [...pods].filter(([, p]) => p.node === undefined).map(([name]) => core.queue.get(`pod-${name}`));
              const scans = new Map(
                entry.map((e) => {
                  let best: { name: string; worth: number } | undefined;
                  if (e === undefined) return ['', undefined] as const;
                  for (const info of core.ledger.slots) {
                    if (info === undefined) continue;
                    const worth = worthOf(stages, e.class, info);
                    if (worth !== Number.NEGATIVE_INFINITY && (best === undefined || worth > best.worth)) best = { name: info.name, worth };
                  }
                  return [e.name, best?.name] as const;
                }),
              );
              const decision = core.next(now);
              if (decision === undefined) break;
              const { name } = decision.entry;
              expect(decision.kind === 'place' ? decision.node : undefined).toBe(scans.get(name));
              const pod = pods.get(name);
              if (pod === undefined) throw new Error(`decided on ${name}, which is gone`);
              if (decision.kind === 'place') {
                const node = nodes.get(decision.node);
                if (node === undefined) throw new Error(`placed on ${decision.node}, which is gone`);
                expect(mayGo(pod.shape, node, on(decision.node))).toBe(true);
                pod.node = decision.node;
                core.bound(decision.entry);
                core.podChanged(makePod(name, { ...pod.shape, node: decision.node }), now);
              }
            }
            for (const [name, pod] of pods) {
              if (pod.node !== undefined) continue;
              expect(core.queue.get(`pod-${name}`)?.state).toBe('waiting');
              for (const [nodeId, node] of nodes) expect(mayGo(pod.shape, node, on(nodeId))).toBe(false);
            }
          }
          // The ledger is what the pods say, added up anew.
          for (const info of core.ledger.nodes()) expect(info.podCount).toBe(on(info.name).length);
        }),
        { numRuns: 150 },
      );
    },
  );
});
