// What generic ephemeral volumes may say, in Kubernetes' words; one row a case.
import { expect, it } from 'vitest';
import type { JsonObject } from '../../decode/tree.js';
import { admitted, createFaults, podWith } from '../testing/pods.js';

const spec: JsonObject = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
const volume = (ephemeral: JsonObject, name = 'v'): JsonObject => podWith({ volumes: [{ name, ephemeral }] });
const template = (volumeClaimTemplate: JsonObject): JsonObject => volume({ volumeClaimTemplate });
const AT = 'spec.volumes[0].ephemeral';
const T = `${AT}.volumeClaimTemplate`;

it.each<[string, JsonObject, string[]]>([
  ['a good one', template({ metadata: { labels: { a: 'b' }, annotations: { c: 'd' } }, spec }), []],
  ['no template', volume({}), [`${T}: Required value`]],
  ['no spec', template({}), [`${T}.spec: Required value`]],
  [
    'an empty spec',
    template({ spec: {} }),
    [`${T}.spec.accessModes: Required value: at least 1 access mode is required`, `${T}.spec.resources[storage]: Required value`],
  ],
  [
    'an unknown access mode',
    template({ spec: { ...spec, accessModes: ['All'] } }),
    [
      `${T}.spec.accessModes: Unsupported value: "All": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"`,
    ],
  ],
  [
    'a block volume',
    template({ spec: { ...spec, volumeMode: 'Block' } }),
    [`${T}.spec.volumeMode: Forbidden: not supported yet; supported: "Filesystem"`],
  ],
  [
    'a data source',
    template({ spec: { ...spec, dataSource: { kind: 'X', name: 'x' } } }),
    [`${T}.spec.dataSource: Forbidden: not supported yet`],
  ],
  [
    'a name for the claim',
    template({ metadata: { name: 'mine' }, spec }),
    [`${T}.metadata.name: Forbidden: cannot be set for an ephemeral volume`],
  ],
  [
    'owners and finalizers',
    template({ metadata: { finalizers: ['a.b/c'], generateName: 'x' }, spec }),
    [
      `${T}.metadata.generateName: Forbidden: cannot be set for an ephemeral volume`,
      `${T}.metadata.finalizers: Forbidden: cannot be set for an ephemeral volume`,
    ],
  ],
  [
    'a wrong label',
    template({ metadata: { labels: { a: 'b c' } }, spec }),
    [
      `${T}.metadata.labels: Invalid value: "b c": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue', or 'my_value', or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`,
    ],
  ],
  [
    'two kinds of volumes',
    podWith({ volumes: [{ name: 'v', emptyDir: {}, ephemeral: { volumeClaimTemplate: { spec } } }] }),
    [`${AT}: Forbidden: may not specify more than 1 volume type`],
  ],
])('%s', (_what, manifest, faults) => {
  expect(createFaults('Pod', manifest)).toEqual(faults);
});

it('a claim whose name would be too long', () => {
  const pod = volume({ volumeClaimTemplate: { spec } }, 'v'.repeat(60));
  const name = 'p'.repeat(200);
  expect(createFaults('Pod', { ...pod, metadata: { name, namespace: 'default' } })).toEqual([
    `spec.volumes[0].name: Invalid value: "${'v'.repeat(60)}": PVC name "${name}-${'v'.repeat(60)}": must be no more than 253 bytes`,
  ]);
});

it('the volume mode has its default', () => {
  expect(admitted('Pod', template({ spec })).spec?.volumes[0]?.ephemeral?.volumeClaimTemplate?.spec?.volumeMode).toBe('Filesystem');
});
