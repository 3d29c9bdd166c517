import { expect, it } from 'vitest';
import type { JsonObject } from '../../decode/tree.js';
import { podWith, updateFaults } from '../testing/pods.js';

const folder = '/var/run/secrets/kubernetes.io/serviceaccount';
const token = { name: 'kube-api-access-abcde', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } };
const own = { name: 'own', emptyDir: {} };
const at = (name: string, mountPath: string): JsonObject => ({ name, mountPath });
const pod = (image: string, volumes: JsonObject[], ...volumeMounts: JsonObject[]): JsonObject => ({
  volumes,
  containers: [{ name: 'a', image, volumeMounts }],
});

it.each<readonly [what: string, before: JsonObject, after: JsonObject, faults: number]>([
  ['a manifest without volumes', pod('i:1', [token], at(token.name, folder)), { containers: [{ name: 'a', image: 'i:2' }] }, 0],
  [
    'a manifest with volumes of its own',
    pod('i:1', [own, token], at('own', '/own'), at(token.name, folder)),
    pod('i:2', [own], at('own', '/own')),
    0,
  ],
  ['one that says it too', pod('i:1', [token], at(token.name, folder)), pod('i:2', [token], at(token.name, folder)), 0],
  ['one that mounts something else there', pod('i:1', [own, token], at(token.name, folder)), pod('i:2', [own], at('own', folder)), 1],
  ['one that leaves its own volume out', pod('i:1', [own], at('own', '/own')), { containers: [{ name: 'a', image: 'i:2' }] }, 1],
])('%s, sent again', (_, before, after, faults) => {
  expect(updateFaults('Pod', podWith(before), { spec: after })).toHaveLength(faults);
});
