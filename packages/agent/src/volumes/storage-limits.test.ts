import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { formatQuantity } from '@podplane/api/quantity';
import { expect, test } from 'vitest';
import { limitsOf, storageLimits } from './storage-limits.js';

test.each<[object, number | undefined]>([
  [{ sizeLimit: '1Mi' }, 1024 * 1024],
  [{ sizeLimit: '0' }, undefined],
  [{}, undefined],
  [{ medium: 'Memory', sizeLimit: '1Mi' }, undefined],
])('of %j %s bytes are looked after', (emptyDir, bytes) => {
  const pod = Pod.fromJSON({ metadata: { uid: 'u' }, spec: { volumes: [{ name: 'v', emptyDir }], containers: [] } });
  expect(limitsOf(pod)[0]?.bytes).toBe(bytes);
});

const limited = (limit: string, more: object = {}): object => ({
  name: `c${limit}`,
  resources: { limits: { 'ephemeral-storage': limit } },
  ...more,
});
const sidecar = { restartPolicy: 'Always' };

test.each<[string, readonly object[], readonly object[], string | undefined]>([
  ['none', [{ name: 'a' }], [], undefined],
  ['the sum', [limited('1Mi'), limited('1024Ki')], [], '2Mi'],
  ['one of two', [limited('1Mi'), { name: 'b' }], [], '1Mi'],
  ['nothing is a limit too', [limited('0')], [], '0'],
  ['the largest init container', [limited('1Mi')], [limited('3Mi'), limited('2Mi')], '3Mi'],
  ['an init container below the sum', [limited('1Mi'), limited('2Mi')], [limited('2Mi')], '3Mi'],
  ['sidecars stay', [limited('1Mi')], [limited('3Mi', sidecar)], '4Mi'],
  ['an init container beside the sidecars before it', [limited('1Mi')], [limited('3Mi', sidecar), limited('5Mi')], '8Mi'],
  ['an init container before the sidecars', [limited('1Mi')], [limited('5Mi'), limited('3Mi', sidecar)], '5Mi'],
])('the limit of a pod: %s', (_name, containers, initContainers, expected) => {
  const { pod } = storageLimits(Pod.fromJSON({ spec: { containers, initContainers } }));
  expect(pod && formatQuantity(pod)).toBe(expected);
});
