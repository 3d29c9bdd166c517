// The words and the order in which a node refuses pods, case by case. What becomes of a refused pod is tested with the whole agent.
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { describe, expect, it } from 'vitest';
import { fitVerdict, type Room } from './fit.js';

type Fields = Readonly<Record<string, unknown>>;

const MIB = 1024 ** 2;

function pod(spec: Fields = {}, metadata: Fields = {}): Pod {
  return Pod.fromJSON({ metadata: { name: 'p', ...metadata }, spec: { nodeName: 'n1', containers: [{ name: 'c' }], ...spec } });
}

const asking = (requests: Fields, more: Fields = {}): Pod => pod({ containers: [{ name: 'c', resources: { requests } }], ...more });
const onPort = (port: Fields, more: Fields = {}): Pod => pod({ containers: [{ name: 'c', ports: [port] }], ...more });

function room(change: Partial<Room> = {}): Room {
  const allocatable = { cpu: '2', memory: '1Gi', 'ephemeral-storage': '10Gi', pods: '3', 'example.com/gpu': '1' };
  return {
    nodeName: 'n1',
    allocatable,
    node: { labels: { disk: 'fast', 'kubernetes.io/os': 'linux' }, taints: [] },
    others: [],
    ...change,
  };
}

const required = (key: string, values: readonly string[]): Fields => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: [{ key, operator: 'In', values }] }] },
    },
  },
});
const short = (name: string, requested: number, used: number, capacity: number): [string, string] => [
  `OutOf${name}`,
  `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
];
const NODE_AFFINITY = ['NodeAffinity', "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"] as const;
const NODE_PORTS = ['NodePorts', "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"] as const;
const TAINT = ['TaintToleration', "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"] as const;

describe('a pod that does not fit', () => {
  const full = [pod(), pod(), pod()];
  const tainted = (key: string, effect = 'NoExecute'): Partial<Room> => ({ node: { labels: {}, taints: [{ key, effect }] } });
  it.each<[string, Pod, Partial<Room>, readonly [string, string]]>([
    ['too many pods', pod(), { others: full }, short('pods', 1, 3, 3)],
    ['no limit said: 110', pod(), { allocatable: {}, others: Array.from({ length: 110 }, () => pod()) }, short('pods', 1, 110, 110)],
    ['cpu, in thousandths', asking({ cpu: '1500m' }), { others: [asking({ cpu: '750m' })] }, short('cpu', 1500, 750, 2000)],
    ['memory', asking({ memory: '1Gi' }), { others: [asking({ memory: '1Mi' })] }, short('memory', 1024 * MIB, MIB, 1024 * MIB)],
    ['ephemeral storage', asking({ 'ephemeral-storage': '11Gi' }), {}, short('ephemeral-storage', 11 * 1024 * MIB, 0, 10 * 1024 * MIB)],
    [
      'an extended resource',
      asking({ 'example.com/gpu': '1' }),
      { others: [asking({ 'example.com/gpu': '1' })] },
      short('example.com/gpu', 1, 1, 1),
    ],
    ['cpu said before memory', asking({ cpu: '3', memory: '2Gi' }), {}, short('cpu', 3000, 0, 2000)],
    ['pods said before cpu', asking({ cpu: '3' }), { others: full }, short('pods', 1, 3, 3)],
    ['resources before affinity', asking({ cpu: '3' }, { nodeSelector: { disk: 'slow' } }), {}, short('cpu', 3000, 0, 2000)],
    [
      'limits count where nothing is requested; the largest moment of initialisation does',
      pod({
        initContainers: [{ name: 'i', resources: { limits: { cpu: '2500m' } } }],
        containers: [{ name: 'c', resources: { limits: { cpu: '1' } } }],
      }),
      {},
      short('cpu', 2500, 0, 2000),
    ],
    ['overhead', asking({ cpu: '1500m' }, { overhead: { cpu: '600m' } }), {}, short('cpu', 2100, 0, 2000)],
    ['selector', pod({ nodeSelector: { disk: 'slow' } }), {}, NODE_AFFINITY],
    ['required affinity', pod(required('disk', ['slow'])), {}, NODE_AFFINITY],
    [
      'affinity before ports',
      onPort({ containerPort: 80, hostPort: 80 }, { nodeSelector: { a: 'b' } }),
      { others: [onPort({ containerPort: 80, hostPort: 80 })] },
      NODE_AFFINITY,
    ],
    [
      'a port',
      onPort({ containerPort: 80, hostPort: 8080 }),
      { others: [onPort({ containerPort: 81, hostPort: 8080, protocol: 'TCP' })] },
      NODE_PORTS,
    ],
    [
      'a port of one address where another has all',
      onPort({ containerPort: 80, hostPort: 80, hostIP: '192.0.2.1' }),
      { others: [onPort({ containerPort: 80, hostPort: 80 })] },
      NODE_PORTS,
    ],
    [
      'ports of the network of the host',
      onPort({ containerPort: 80 }, { hostNetwork: true }),
      { others: [onPort({ containerPort: 1, hostPort: 80 })] },
      NODE_PORTS,
    ],
    ['a taint', pod(), tainted('example.com/away'), TAINT],
    [
      'a label that says another system',
      pod({}, { labels: { 'kubernetes.io/os': 'windows' } }),
      { others: full },
      ['PodOSSelectorNodeLabelDoesNotMatch', "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"],
    ],
    [
      'another system',
      pod({ os: { name: 'windows' } }),
      {},
      ['PodOSNotSupported', "Failed to admit pod as the OS field doesn't match node OS"],
    ],
  ])('%s', (_what, one, change, [reason, message]) => {
    expect(fitVerdict(one, room(change))).toEqual({ reason, message });
  });
});

describe('a pod that fits', () => {
  const full = asking({ cpu: '5', memory: '5Gi' });
  const away = { key: 'example.com/away', effect: 'NoExecute' };
  it.each<[string, Pod, Partial<Room>]>([
    ['exactly', asking({ cpu: '1250m', memory: '1Gi' }), { others: [asking({ cpu: '750m' })] }],
    ['that asks for nothing, also where too much is taken', pod(), { others: [full] }],
    ['that asks for what this node does not know', asking({ 'example.com/seat': '7' }), {}],
    ['by selector and affinity', pod({ nodeSelector: { disk: 'fast' }, ...required('disk', ['fast']) }), {}],
    ['as nothing is known of labels yet', pod({ nodeSelector: { disk: 'slow' } }), { node: undefined }],
    [
      'on another address',
      onPort({ containerPort: 80, hostPort: 80, hostIP: '192.0.2.1' }),
      { others: [onPort({ containerPort: 80, hostPort: 80, hostIP: '192.0.2.2' })] },
    ],
    [
      'with another protocol',
      onPort({ containerPort: 80, hostPort: 80 }),
      { others: [onPort({ containerPort: 80, hostPort: 80, protocol: 'UDP' })] },
    ],
    [
      'with a taint that it tolerates',
      pod({ tolerations: [{ key: away.key, operator: 'Exists' }] }),
      { node: { labels: {}, taints: [away] } },
    ],
    ['with a taint that only keeps the scheduler away', pod(), { node: { labels: {}, taints: [{ ...away, effect: 'NoSchedule' }] } }],
    [
      'with the taint of a node that is not heard',
      pod(),
      { node: { labels: {}, taints: [{ ...away, key: 'node.kubernetes.io/unreachable' }] } },
    ],
    ['with its own system', pod({ os: { name: 'linux' } }, { labels: { 'kubernetes.io/os': 'linux' } }), {}],
  ])('%s', (_what, one, change) => {
    expect(fitVerdict(one, room(change))).toBeUndefined();
  });
});
