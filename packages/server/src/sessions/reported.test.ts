import { NodeStatus, Taint } from '@podplane/api/gen/podplane/core/v1/node';
import { Pod, PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import { Hello } from '@podplane/api/gen/podplane/node/v1/session';
import { describe, expect, it } from 'vitest';
import { helloLengthProblem, MAX_POD_STATUS_BYTES, reportedNodeStatus, reportedPodStatus, reportedTaints } from './reported.js';

const pod = Pod.fromPartial({
  metadata: { name: 'a', namespace: 'default' },
  spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'i' }], initContainers: [{ name: 'i', image: 'i' }] },
});
const container = { name: 'c', image: 'i', imageID: '', ready: true, restartCount: 0 };

const podProblem = (status: object): string => {
  const held = reportedPodStatus(pod, PodStatus.fromPartial(status));
  return held.ok ? '' : held.problem;
};

describe('the status of a pod', () => {
  it('is taken as it is where it is one', () => {
    const status = PodStatus.fromPartial({
      phase: 'Running',
      podIP: '10.0.0.1',
      podIPs: [{ ip: '10.0.0.1' }],
      startTime: '2026-01-31T12:00:00Z',
      conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-31T12:00:00Z' }],
      containerStatuses: [{ ...container, state: { running: { startedAt: '2026-01-31T12:00:00Z' } } }],
    });
    expect(reportedPodStatus(pod, status)).toMatchObject({ ok: true, value: status });
  });

  it.each<readonly [string, object, RegExp]>([
    ['a phase that is none', { phase: 'Dancing' }, /^status\.phase: Unsupported value: "Dancing"/],
    ['a time that is none', { startTime: 'yesterday' }, /^status: startTime: /],
    [
      'a time that is none, further down',
      { containerStatuses: [{ ...container, state: { running: { startedAt: '2026-13-01T00:00:00Z' } } }] },
      /^status: containerStatuses\[0\]\.state\.running\.startedAt: /,
    ],
    ['an address that is none', { podIP: 'x', podIPs: [{ ip: 'x' }] }, /^status\.podIPs\[0\]: Invalid value: "x"/],
    ['two main addresses', { podIP: '10.0.0.2', podIPs: [{ ip: '10.0.0.1' }] }, /^status\.podIPs\[0\]\.ip: /],
    [
      'a container that the pod does not have',
      { containerStatuses: [{ ...container, name: 'z' }] },
      /no container of the pod has this name/,
    ],
    ['a restart count below 0', { containerStatuses: [{ ...container, restartCount: -1 }] }, /restartCount: .*greater than or equal to 0/],
    ['a condition with a word of its own', { conditions: [{ type: 'Ready', status: 'Perhaps' }] }, /^status\.conditions\[0\]\.status: /],
    ['a condition without a type', { conditions: [{ type: '', status: 'True' }] }, /^status\.conditions\[0\]\.type: /],
    [
      'a condition twice',
      {
        conditions: [
          { type: 'Ready', status: 'True' },
          { type: 'Ready', status: 'False' },
        ],
      },
      /^status\.conditions\[1\]\.type: "Ready" is there twice/,
    ],
    ['a novel', { message: 'x'.repeat(MAX_POD_STATUS_BYTES) }, /^status: it has \d+ bytes; at most 262144 are taken/],
  ])('is refused: %s', (_what, status, problem) => {
    expect(podProblem(status)).toMatch(problem);
  });
});

it('the status of a node is held against quantities, times and sizes', () => {
  const nodeProblem = (status: object): string => {
    const held = reportedNodeStatus(NodeStatus.fromPartial(status));
    return held.ok ? '' : held.problem;
  };
  expect(nodeProblem({ capacity: { cpu: '2', memory: '4Gi' }, conditions: [{ type: 'Ready', status: 'True' }] })).toBe('');
  expect(nodeProblem({ capacity: { cpu: 'many' } })).toMatch(/^status\.capacity\[cpu\]: /);
  expect(nodeProblem({ conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: 'now' }] })).toMatch(
    /^status: conditions\[0\]\.lastHeartbeatTime: /,
  );
  expect(nodeProblem({ conditions: [{ type: 'Ready', status: 'yes' }] })).toMatch(/must be True, False or Unknown/);
  expect(
    nodeProblem({ images: Array.from({ length: 3000 }, (_, i) => ({ names: [`image-${i}-${'x'.repeat(100)}`], sizeBytes: 1 })) }),
  ).toMatch(/bytes; at most/);
});

it('a node says of itself what its agent alone knows, and not that it was emptied', () => {
  const status = NodeStatus.fromPartial({
    conditions: [
      { type: 'Ready', status: 'True' },
      { type: 'Drained', status: 'True', reason: 'Drained' },
      { type: 'KernelDeadlock', status: 'False' },
      { type: 'DiskPressure', status: 'True' },
    ],
  });
  const held = reportedNodeStatus(status);
  expect(held.ok && held.value.status.conditions.map(({ type }) => type)).toEqual(['Ready', 'DiskPressure']);
  expect(held.ok && held.value.foreign).toEqual(['Drained', 'KernelDeadlock']);
});

it('taints and names of a hello are bounded', () => {
  expect(reportedTaints([Taint.fromPartial({ key: 'a', effect: 'NoSchedule' })])).toMatchObject({ ok: true });
  expect(reportedTaints([Taint.fromPartial({ key: 'a', effect: 'Sometimes' })])).toMatchObject({
    ok: false,
    problem: expect.stringContaining('effect'),
  });
  expect(reportedTaints([Taint.fromPartial({ key: 'a b', effect: 'NoSchedule' })])).toMatchObject({ ok: false });
  expect(reportedTaints(Array.from({ length: 101 }, (_, i) => Taint.fromPartial({ key: `k${i}`, effect: 'NoSchedule' })))).toMatchObject({
    ok: false,
  });
  const hello = Hello.fromPartial({ machineId: 'm', bootId: 'b' });
  expect(helloLengthProblem(hello)).toBeUndefined();
  expect(helloLengthProblem({ ...hello, machineId: 'm'.repeat(300) })).toMatch(/more than 256 characters/);
  expect(helloLengthProblem({ ...hello, labels: Object.fromEntries(Array.from({ length: 501 }, (_, i) => [`k${i}`, ''])) })).toMatch(
    /501 labels/,
  );
});
