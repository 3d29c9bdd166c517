// Nodes, pods and a hand-turned world for the tests of this package. Not part of the program.
import { Node } from '@podplane/api/gen/podplane/core/v1/node';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Obj } from '@podplane/api/kinds/kind-map';

export interface NodeShape {
  readonly cpu?: string;
  readonly memory?: string;
  readonly pods?: string;
  readonly labels?: Record<string, string>;
  readonly taints?: { key: string; value?: string; effect: string }[];
  readonly unschedulable?: boolean;
  readonly ready?: boolean;
  readonly extended?: Record<string, string>;
}

export function makeNode(name: string, shape: NodeShape = {}): Obj<'Node'> {
  const amounts = {
    cpu: shape.cpu ?? '4',
    memory: shape.memory ?? '32Gi',
    'ephemeral-storage': '100Gi',
    pods: shape.pods ?? '110',
    ...shape.extended,
  };
  return Node.fromPartial({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, uid: `node-${name}`, labels: { 'kubernetes.io/hostname': name, ...shape.labels } },
    spec: { taints: shape.taints ?? [], unschedulable: shape.unschedulable },
    status: { capacity: amounts, allocatable: amounts, conditions: [{ type: 'Ready', status: (shape.ready ?? true) ? 'True' : 'False' }] },
  });
}

export interface PodShape {
  readonly cpu?: string;
  readonly memory?: string;
  readonly owner?: string;
  readonly node?: string;
  readonly hostPort?: number;
  readonly hostIP?: string;
  readonly nodeSelector?: Record<string, string>;
  readonly tolerations?: { key?: string; operator?: string; value?: string; effect?: string }[];
  readonly priority?: number;
  readonly phase?: string;
  readonly deleting?: boolean;
  readonly scheduler?: string;
  readonly extended?: Record<string, string>;
  readonly spec?: Parameters<typeof Pod.fromPartial>[0]['spec'];
}

export function makePod(name: string, shape: PodShape = {}): Obj<'Pod'> {
  const requests: Record<string, string> = { ...shape.extended };
  if (shape.cpu !== undefined) requests['cpu'] = shape.cpu;
  if (shape.memory !== undefined) requests['memory'] = shape.memory;
  const ports = shape.hostPort === undefined ? [] : [{ containerPort: 80, hostPort: shape.hostPort, hostIP: shape.hostIP }];
  return Pod.fromPartial({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'default',
      uid: `pod-${name}`,
      ...(shape.deleting ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
      ownerReferences: shape.owner
        ? [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: shape.owner, uid: shape.owner, controller: true }]
        : [],
    },
    spec: {
      containers: [{ name: 'c', image: 'i', resources: { requests }, ports }],
      nodeName: shape.node,
      nodeSelector: shape.nodeSelector ?? {},
      tolerations: shape.tolerations ?? [],
      priority: shape.priority,
      schedulerName: shape.scheduler,
      ...shape.spec,
    },
    status: { phase: shape.phase ?? 'Pending' },
  });
}
