// What people mistype and misremember: each error says what is wrong, where, and what to do.
import { beforeEach, expect, it } from 'vitest';
import { runCommand, TestCluster } from '../testkit/world.js';

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
  cluster.put('Pod', {
    metadata: { name: 'a', namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'i', ports: [{ name: 'http', containerPort: 80 }] }] },
    status: { phase: 'Running' },
  });
  cluster.put('Pod', {
    metadata: { name: 'b', namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
    status: { phase: 'Running' },
  });
});

const IN_DEFAULT = (plural: string): string =>
  `Looked in namespace "default": podplane get ${plural} -n default shows what is there, -A what is elsewhere.\n`;

it.each<[string, number, string]>([
  ['get pods nope', 1, `Error from server (NotFound): pods "nope" not found\n${IN_DEFAULT('pods')}`],
  [
    'get pod/nope pod/nope2 svc/nope',
    1,
    'Error from server (NotFound): pods "nope" not found\n' +
      'Error from server (NotFound): pods "nope2" not found\n' +
      'Error from server (NotFound): services "nope" not found\n' +
      IN_DEFAULT('pods') +
      IN_DEFAULT('services'),
  ],
  ['describe deploy nope', 1, `Error from server (NotFound): deployments.apps "nope" not found\n${IN_DEFAULT('deployments')}`],
  ['cordon nope', 1, 'Error from server (NotFound): nodes "nope" not found\npodplane get nodes shows what there is.\n'],
  ['scale deploy/nope --replicas 2', 1, `Error from server (NotFound): deployments.apps "nope" not found\n${IN_DEFAULT('deployments')}`],
  ['logs nope', 1, `Error from server (NotFound): pods "nope" not found\n${IN_DEFAULT('pods')}`],
  ['exec nope -- ls', 1, `Error from server (NotFound): pods "nope" not found\n${IN_DEFAULT('pods')}`],
  ['delete pod nope', 1, `Error from server (NotFound): pods "nope" not found\n${IN_DEFAULT('pods')}`],
  ['port-forward a x', 1, 'error: pod a has no port named "x"\nIt has: http\n'],
  ['port-forward b x', 1, 'error: pod b has no port named "x"\nIts ports have no names: give a number.\n'],
  ['cordon pod/a', 2, 'error: "pod/a" is not the name of a node\npodplane get nodes shows what there is.\n'],
  ['drain pod/a', 2, 'error: "pod/a" is not the name of a node\npodplane get nodes shows what there is.\n'],
  ['sim lose-node n1 pod/a', 2, 'error: "pod/a" is not the name of a node\npodplane get nodes shows what there is.\n'],
  ['sim drain node/', 2, 'error: "node/" is not the name of a node\npodplane get nodes shows what there is.\n'],
  ['rollout status web', 2, 'error: "web" may be of any kind: say deploy/web, ds/web or sts/web\n'],
  ['rollout status deploy', 2, 'error: you must say which: deploy/NAME, or deploy NAME\n'],
  ['rollout status deploy/web pod/x', 2, 'error: name one workload\nFor example: podplane rollout status deploy/web\n'],
  ['why pod', 2, 'error: you must say which: pod/NAME, or pod NAME\n'],
  ['explain pod.spec.zzzzzzzz', 2, 'error: field "zzzzzzzz" does not exist in PodSpec\npodplane explain pod.spec tells which there are.\n'],
])('podplane %s', async (line, code, err) => {
  expect(await runCommand(cluster, line.split(' '))).toEqual({ code, out: '', err });
});

it.each([
  ['get', "error: missing required argument 'resources'", 'Usage: podplane get [options] <resources...>\nMore: podplane get --help\n'],
  [
    'rollout status',
    "error: missing required argument 'workload'",
    'Usage: podplane rollout status [options] <workload...>\nMore: podplane rollout status --help\n',
  ],
  ['nosuch', "error: unknown command 'nosuch'", 'Usage: podplane [options] [command]\nMore: podplane --help\n'],
  [
    'drain n1 --grace-period soon',
    "error: option '--grace-period <seconds>' argument 'soon' is invalid. Use a whole number of seconds, or -1.",
    'Usage: podplane drain [options] [nodes...]\nMore: podplane drain --help\n',
  ],
  ['get pods --nosuch', "error: unknown option '--nosuch'", 'Usage: podplane get [options] <resources...>\nMore: podplane get --help\n'],
])('podplane %s is answered with how it is written', async (line, says, advice) => {
  const { code, out, err } = await runCommand(cluster, line.split(' '));
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).toContain(says);
  expect(err.endsWith(advice)).toBe(true);
});

it.each([
  ['delete --help', '(default: 5m)'],
  ['up --help', '(default: 15s)'],
  ['drain --help', '(default: 0)'],
  ['token create --help', '(default: 24h)'],
])('%s shows durations as they are given: %s', async (line, text) => {
  const { code, out } = await runCommand(cluster, line.split(' '));
  expect(code).toBe(0);
  expect(out).toContain(text);
  expect(out).not.toMatch(/\(default: \d+000\)/);
});
