import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../decode/tree.js';
import { applyMergePatch } from '../patch.js';
import { kindInfo } from './catalogue.js';
import type { Kind } from './kind-map.js';
import { decoded, NOW } from './testing/pods.js';

/** Cells by the printed name of their columns. */
function row(kind: Kind, manifest: JsonObject): Record<string, string> {
  const info = kindInfo(kind);
  const object = decoded(
    kind,
    applyMergePatch({ metadata: { name: 'web', creationTimestamp: '2026-01-01T00:00:00Z' } }, manifest) as JsonObject,
  );
  return Object.fromEntries(info.columns.map((column) => [column.name, column.value(object, { now: NOW })]));
}

const running = { running: { startedAt: '2026-01-01T00:01:00Z' } };
const container = (state: JsonObject, more: JsonObject = {}): JsonObject => ({
  name: 'a',
  ready: false,
  restartCount: 0,
  image: '',
  imageID: '',
  state,
  ...more,
});

function pod(status: JsonObject, more: JsonObject = {}): JsonObject {
  return applyMergePatch(
    { spec: { containers: [{ name: 'a' }, { name: 'b' }] }, status: { phase: 'Running', ...status } },
    more,
  ) as JsonObject;
}

describe('pods', () => {
  const deleting = { metadata: { deletionTimestamp: '2026-01-01T00:09:00Z' } };
  const ready = { conditions: [{ type: 'Ready', status: 'True' }] };
  const inits = { spec: { initContainers: [{ name: 'i' }, { name: 'j' }] } };

  test.each<[string, JsonObject, status: string, ready: string, restarts: string]>([
    ['new', pod({ phase: 'Pending' }), 'Pending', '0/2', '0'],
    [
      'being made',
      pod({ phase: 'Pending', containerStatuses: [container({ waiting: { reason: 'ContainerCreating' } })] }),
      'ContainerCreating',
      '0/2',
      '0',
    ],
    [
      'running',
      pod({ containerStatuses: [container(running, { ready: true }), container(running, { name: 'b' })] }),
      'Running',
      '1/2',
      '0',
    ],
    [
      'crashing',
      pod({
        containerStatuses: [
          container(
            { waiting: { reason: 'CrashLoopBackOff' } },
            { restartCount: 3, lastState: { terminated: { exitCode: 1, finishedAt: '2026-01-01T00:07:00Z' } } },
          ),
        ],
      }),
      'CrashLoopBackOff',
      '0/2',
      '3 (3m ago)',
    ],
    ['restarted without a time', pod({ containerStatuses: [container(running, { ready: true, restartCount: 1 })] }), 'Running', '1/2', '1'],
    [
      'no such image',
      pod({ phase: 'Pending', containerStatuses: [container({ waiting: { reason: 'ImagePullBackOff' } })] }),
      'ImagePullBackOff',
      '0/2',
      '0',
    ],
    [
      'ended well',
      pod({ phase: 'Succeeded', containerStatuses: [container({ terminated: { exitCode: 0, reason: 'Completed' } })] }),
      'Completed',
      '0/2',
      '0',
    ],
    [
      'ended badly',
      pod({ phase: 'Failed', containerStatuses: [container({ terminated: { exitCode: 7, reason: 'Error' } })] }),
      'Error',
      '0/2',
      '0',
    ],
    [
      'ended without a reason',
      pod({ phase: 'Failed', containerStatuses: [container({ terminated: { exitCode: 7 } })] }),
      'ExitCode:7',
      '0/2',
      '0',
    ],
    [
      'ended by a signal',
      pod({ phase: 'Failed', containerStatuses: [container({ terminated: { exitCode: 137, signal: 9 } })] }),
      'Signal:9',
      '0/2',
      '0',
    ],
    [
      'the first container counts most',
      pod({
        containerStatuses: [
          container({ terminated: { exitCode: 1, reason: 'OOMKilled' } }),
          container({ waiting: { reason: 'CrashLoopBackOff' } }, { name: 'b' }),
        ],
      }),
      'OOMKilled',
      '0/2',
      '0',
    ],
    [
      'one done, one runs, ready',
      pod({
        ...ready,
        containerStatuses: [
          container({ terminated: { exitCode: 0, reason: 'Completed' } }),
          container(running, { name: 'b', ready: true }),
        ],
      }),
      'Running',
      '1/2',
      '0',
    ],
    [
      'one done, one runs, not ready',
      pod({
        containerStatuses: [
          container({ terminated: { exitCode: 0, reason: 'Completed' } }),
          container(running, { name: 'b', ready: true }),
        ],
      }),
      'NotReady',
      '1/2',
      '0',
    ],
    ['evicted', pod({ phase: 'Failed', reason: 'Evicted' }), 'Evicted', '0/2', '0'],
    ['going', pod({ containerStatuses: [container(running, { ready: true })] }, deleting), 'Terminating', '1/2', '0'],
    [
      'going, but ended',
      pod({ phase: 'Succeeded', containerStatuses: [container({ terminated: { exitCode: 0, reason: 'Completed' } })] }, deleting),
      'Completed',
      '0/2',
      '0',
    ],
    ['on a lost node', pod({ reason: 'NodeLost' }, deleting), 'Unknown', '0/2', '0'],
    [
      'gated',
      pod({ phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] }),
      'SchedulingGated',
      '0/2',
      '0',
    ],
    [
      'first init runs',
      pod({ phase: 'Pending', initContainerStatuses: [container(running, { name: 'i' })] }, inits),
      'Init:0/2',
      '0/2',
      '0',
    ],
    [
      'second init waits',
      pod(
        {
          phase: 'Pending',
          initContainerStatuses: [
            container({ terminated: { exitCode: 0 } }, { name: 'i' }),
            container({ waiting: { reason: 'PodInitializing' } }, { name: 'j' }),
          ],
        },
        inits,
      ),
      'Init:1/2',
      '0/2',
      '0',
    ],
    [
      'init fails',
      pod({ phase: 'Pending', initContainerStatuses: [container({ terminated: { exitCode: 3 } }, { name: 'i', restartCount: 2 })] }, inits),
      'Init:ExitCode:3',
      '0/2',
      '2',
    ],
    [
      'init crashes',
      pod({ phase: 'Pending', initContainerStatuses: [container({ waiting: { reason: 'CrashLoopBackOff' } }, { name: 'i' })] }, inits),
      'Init:CrashLoopBackOff',
      '0/2',
      '0',
    ],
    [
      'a sidecar counts',
      pod(
        {
          initContainerStatuses: [container(running, { name: 'i', ready: true, started: true, restartCount: 1 })],
          containerStatuses: [container(running, { ready: true })],
        },
        { spec: { initContainers: [{ name: 'i', restartPolicy: 'Always' }] } },
      ),
      'Running',
      '2/3',
      '1',
    ],
    ['no status at all', { spec: {} }, 'Unknown', '0/0', '0'],
  ])('%s', (_what, manifest, status, readyText, restarts) => {
    expect(row('Pod', manifest)).toMatchObject({ Name: 'web', Status: status, Ready: readyText, Restarts: restarts, Age: '10m' });
  });

  test('wide', () => {
    const gates = { spec: { nodeName: 'n1', readinessGates: [{ conditionType: 'x' }, { conditionType: 'y' }] } };
    expect(row('Pod', pod({ podIP: '10.0.0.1', conditions: [{ type: 'x', status: 'True' }] }, gates))).toMatchObject({
      IP: '10.0.0.1',
      Node: 'n1',
      'Nominated Node': '<none>',
      'Readiness Gates': '1/2',
    });
    expect(row('Pod', pod({}))).toMatchObject({ IP: '<none>', Node: '<none>', 'Readiness Gates': '<none>' });
    expect(
      kindInfo('Pod')
        .columns.filter((one) => one.wide)
        .map((one) => one.name),
    ).toEqual(['IP', 'Node', 'Nominated Node', 'Readiness Gates']);
  });
});

test.each<[Kind, JsonObject, Record<string, string>]>([
  [
    'Node',
    {
      metadata: { labels: { 'node-role.kubernetes.io/worker': '', 'node-role.kubernetes.io/db': '' } },
      spec: { unschedulable: true },
      status: { conditions: [{ type: 'Ready', status: 'True' }], addresses: [{ type: 'InternalIP', address: '10.0.0.1' }] },
    },
    {
      Status: 'Ready,SchedulingDisabled',
      Roles: 'db,worker',
      'Internal-IP': '10.0.0.1',
      'External-IP': '<none>',
      'Kernel-Version': '<unknown>',
    },
  ],
  ['Node', { status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } }, { Status: 'NotReady', Roles: '<none>' }],
  ['Node', {}, { Status: 'Unknown' }],
  [
    'Deployment',
    {
      spec: {
        replicas: 3,
        selector: { matchLabels: { a: 'b' } },
        template: {
          spec: {
            containers: [
              { name: 'x', image: 'i:1' },
              { name: 'y', image: 'j' },
            ],
          },
        },
      },
      status: { readyReplicas: 2, updatedReplicas: 3, availableReplicas: 1 },
    },
    { Ready: '2/3', 'Up-to-date': '3', Available: '1', Age: '10m', Containers: 'x,y', Images: 'i:1,j', Selector: 'a=b' },
  ],
  ['Deployment', { spec: { replicas: 0 } }, { Ready: '0/0', 'Up-to-date': '0', Selector: '<none>' }],
  ['ReplicaSet', { spec: { replicas: 3 }, status: { replicas: 2, readyReplicas: 1 } }, { Desired: '3', Current: '2', Ready: '1' }],
  [
    'Service',
    {
      spec: {
        type: 'NodePort',
        selector: { a: 'b' },
        ports: [
          { port: 80, nodePort: 30080, protocol: 'TCP' },
          { port: 53, protocol: 'UDP' },
        ],
      },
    },
    { Type: 'NodePort', 'Cluster-IP': '<none>', 'External-IP': '<none>', 'Port(s)': '80:30080/TCP,53/UDP', Selector: 'a=b' },
  ],
  ['Service', { spec: { type: 'LoadBalancer' } }, { 'External-IP': '<pending>', 'Port(s)': '<none>', Selector: '<none>' }],
  [
    'Event',
    {
      type: 'Warning',
      reason: 'BackOff',
      message: ' m\n',
      involvedObject: { kind: 'Pod', name: 'p', fieldPath: 'spec.containers{a}' },
      source: { component: 'agent', host: 'n1' },
      count: 4,
      firstTimestamp: '2026-01-01T00:02:00Z',
      lastTimestamp: '2026-01-01T00:09:50Z',
    },
    {
      'Last Seen': '10s (x4 over 8m)',
      Object: 'pod/p',
      Subobject: 'spec.containers{a}',
      Source: 'agent, n1',
      Message: 'm',
      'First Seen': '8m',
      Count: '4',
    },
  ],
  ['Event', { eventTime: '2026-01-01T00:09:00.000000Z', involvedObject: {} }, { 'Last Seen': '60s', Count: '1' }],
  ['Event', { involvedObject: {} }, { 'Last Seen': '<unknown>' }],
  ['ConfigMap', { data: { a: '' }, binaryData: { b: '' } }, { Data: '2', Age: '10m' }],
  ['Secret', { type: 'Opaque', data: { a: '' } }, { Type: 'Opaque', Data: '1' }],
  ['ServiceAccount', { secrets: [{ name: 'a' }] }, { Secrets: '1' }],
  ['Namespace', { status: { phase: 'Terminating' } }, { Status: 'Terminating' }],
  ['Lease', { spec: { holderIdentity: 'n1' } }, { Holder: 'n1' }],
  [
    'ControllerRevision',
    {
      revision: 4,
      metadata: { ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: 'u', controller: true }] },
    },
    { Controller: 'statefulset.apps/db', Revision: '4' },
  ],
])('%s %#', (kind, manifest, cells) => {
  expect(row(kind, manifest)).toMatchObject(cells);
});
