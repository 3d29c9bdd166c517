// What a daemon pod tolerates, table by table: the template's own tolerations in, those of the pod out.
import { PodSpec } from '@podplane/api/gen/podplane/core/v1/pod';
import { expect, it } from 'vitest';
import { specFor } from './placement.js';

const DAEMON = [
  'node.kubernetes.io/not-ready:NoExecute',
  'node.kubernetes.io/unreachable:NoExecute',
  'node.kubernetes.io/disk-pressure:NoSchedule',
  'node.kubernetes.io/memory-pressure:NoSchedule',
  'node.kubernetes.io/pid-pressure:NoSchedule',
  'node.kubernetes.io/unschedulable:NoSchedule',
];
const unreachable = (more: object): object => ({ key: 'node.kubernetes.io/unreachable', effect: 'NoExecute', ...more });

it.each<[string, object, string[]]>([
  ['none of its own', {}, DAEMON],
  ['in the network of the node', { hostNetwork: true }, [...DAEMON, 'node.kubernetes.io/network-unavailable:NoSchedule']],
  ['one more', { tolerations: [{ key: 'gpu', operator: 'Exists' }] }, ['gpu:', ...DAEMON]],
  [
    'one of these with seconds stays for any time',
    { tolerations: [unreachable({ operator: 'Exists', tolerationSeconds: 60 })] },
    [DAEMON[1] ?? '', ...DAEMON.filter((_, i) => i !== 1)],
  ],
  [
    'one of a value is another one',
    { tolerations: [unreachable({ operator: 'Equal', value: 'x', tolerationSeconds: 60 })] },
    ['node.kubernetes.io/unreachable=x:NoExecute 60', ...DAEMON],
  ],
])('%s', (_what, spec, expected) => {
  const { tolerations } = specFor(PodSpec.fromPartial({ containers: [{ name: 'c', image: 'i' }], ...spec }), 'n1');
  expect(
    tolerations.map(
      ({ key, value, effect, tolerationSeconds: seconds }) =>
        `${key ?? ''}${value ? `=${value}` : ''}:${effect ?? ''}${seconds === undefined ? '' : ` ${seconds}`}`,
    ),
  ).toEqual(expected);
});
