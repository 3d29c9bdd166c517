// Which pods go first when there are too many, as a table: each line differs in one trait.
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { DELETION_COST } from '@podplane/api/kinds/pod-spec/deletion-cost';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseForDeletion } from './ranking.js';

interface Shape {
  readonly name: string;
  readonly node?: string;
  readonly phase?: string;
  readonly ready?: string | false;
  readonly cost?: string;
  readonly restarts?: number;
  readonly sidecarRestarts?: number;
  readonly initRestarts?: number;
  readonly created?: string;
}

const EARLY = '2026-01-01T00:00:00Z';
const LATE = '2026-01-01T01:00:00Z';

function pod({ name, node = 'n1', phase = 'Running', ready = EARLY, cost, created = EARLY, ...shape }: Shape): Obj<'Pod'> {
  return Pod.fromPartial({
    metadata: { name, creationTimestamp: created, annotations: cost === undefined ? {} : { [DELETION_COST]: cost } },
    spec: { nodeName: node, initContainers: [{ name: 'i' }, { name: 's', restartPolicy: 'Always' }] },
    status: {
      phase,
      conditions: ready === false ? [] : [{ type: 'Ready', status: 'True', lastTransitionTime: ready }],
      initContainerStatuses: [
        { name: 'i', restartCount: shape.initRestarts ?? 0 },
        { name: 's', restartCount: shape.sidecarRestarts ?? 0 },
      ],
      containerStatuses: [{ name: 'c', restartCount: shape.restarts ?? 0 }],
    },
  });
}

function byNode(pods: readonly Obj<'Pod'>[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const one of pods) counts.set(one.spec?.nodeName ?? '', (counts.get(one.spec?.nodeName ?? '') ?? 0) + 1);
  return counts;
}

const names = (pods: readonly Obj<'Pod'>[]): (string | undefined)[] => pods.map((one) => one.metadata?.name);

describe('choosing pods for deletion', () => {
  const table: readonly (readonly [why: string, first: Shape, second: Shape])[] = [
    ['no node', { name: 'b', node: '', cost: '100' }, { name: 'a' }],
    ['pending', { name: 'b', phase: 'Pending', cost: '100' }, { name: 'a' }],
    ['unknown before running', { name: 'b', phase: 'Unknown', cost: '100' }, { name: 'a' }],
    ['not ready', { name: 'b', ready: false, cost: '100' }, { name: 'a' }],
    ['cheaper', { name: 'b', cost: '-5' }, { name: 'a' }],
    ['a cost that is no number counts as 0', { name: 'a', cost: 'dear' }, { name: 'b', cost: '1' }],
    ['so does one with a plus', { name: 'a', cost: '+5' }, { name: 'b', cost: '1' }],
    ['so does one of more than 32 bits', { name: 'a', cost: '2147483648' }, { name: 'b', cost: '1' }],
    ['the least of 32 bits', { name: 'b', cost: '-2147483648' }, { name: 'a', cost: '-2147483647' }],
    ['ready for a shorter time', { name: 'b', ready: LATE }, { name: 'a', restarts: 9 }],
    ['restarted more often', { name: 'b', restarts: 3 }, { name: 'a', created: LATE }],
    ['a container before a sidecar', { name: 'b', restarts: 1 }, { name: 'a', sidecarRestarts: 9 }],
    ['a sidecar restarted more often', { name: 'b', sidecarRestarts: 1 }, { name: 'a', created: LATE }],
    ['no init container that is over', { name: 'a' }, { name: 'b', initRestarts: 3 }],
    ['younger', { name: 'b', created: LATE }, { name: 'a' }],
    ['name, so that it is the same every time', { name: 'a' }, { name: 'b' }],
  ];
  it.each(table)('%s', (_why, first, second) => {
    for (const pods of [
      [pod(first), pod(second)],
      [pod(second), pod(first)],
    ]) {
      expect(names(chooseForDeletion(pods, 1, byNode(pods)))).toEqual([first.name]);
    }
  });

  it('leaves 9 on 3 nodes as 2 on each when 3 go, and counts the pods of sibling sets', () => {
    const pods = Array.from({ length: 9 }, (_, i) => pod({ name: `p${i}`, node: `n${i % 3}` }));
    const gone = new Set(names(chooseForDeletion(pods, 3, byNode(pods))));
    expect([...byNode(pods.filter((one) => !gone.has(one.metadata?.name))).values()]).toEqual([2, 2, 2]);
    const pair = [pod({ name: 'a', node: 'n1' }), pod({ name: 'b', node: 'n2' })];
    const related = new Map([
      ['n1', 1],
      ['n2', 4],
    ]);
    expect(names(chooseForDeletion(pair, 1, related))).toEqual(['b']);
  });

  it('spreads what remains as evenly as can be, wherever pods were, and takes exactly as many as told', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 20 }), fc.nat(), (nodes, some) => {
        const pods = nodes.map((node, i) => pod({ name: `p${i}`, node: `n${node}` }));
        const count = some % (pods.length + 1);
        const chosen = chooseForDeletion(pods, count, byNode(pods));
        expect(new Set(chosen).size).toBe(count);
        const before = byNode(pods);
        const after = byNode(pods.filter((one) => !chosen.includes(one)));
        const highest = Math.max(0, ...after.values());
        // A node lost a pod only while none had more.
        for (const [node, had] of before)
          if ((after.get(node) ?? 0) < had) expect(after.get(node) ?? 0).toBeGreaterThanOrEqual(highest - 1);
      }),
    );
  });
});
