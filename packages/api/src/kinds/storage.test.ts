// Volumes, claims and classes: what is refused, with Kubernetes' words; what must not change; how they look in tables.
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../decode/tree.js';
import { applyMergePatch } from '../patch.js';
import { kindInfo } from './catalogue.js';
import type { Kind } from './kind-names.js';
import { admitted, createFaults, texts, updateFaults } from './testing/pods.js';
import { goodClaim, goodClass, goodVolume } from './testing/storage.js';

const volume = (spec: JsonObject): JsonObject => applyMergePatch(goodVolume, { spec }) as JsonObject;
const claim = (spec: JsonObject): JsonObject => applyMergePatch(goodClaim, { spec }) as JsonObject;
const sc = (fields: JsonObject): JsonObject => applyMergePatch(goodClass, fields) as JsonObject;
const shared = (parameters: JsonObject): JsonObject => sc({ provisioner: 'podplane.dev/shared-directory', parameters });
const MODES = '"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"';

test.each<[Kind, JsonObject, string]>([
  ['PersistentVolumeClaim', claim({ accessModes: [] }), 'spec.accessModes: Required value: at least 1 access mode is required'],
  ['PersistentVolumeClaim', claim({ accessModes: ['Any'] }), `spec.accessModes: Unsupported value: "Any": supported values: ${MODES}`],
  [
    'PersistentVolumeClaim',
    claim({ accessModes: ['ReadWriteOncePod', 'ReadWriteOnce'] }),
    'spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes',
  ],
  ['PersistentVolumeClaim', claim({ resources: { requests: { storage: null } } }), 'spec.resources[storage]: Required value'],
  [
    'PersistentVolumeClaim',
    claim({ resources: { requests: { storage: '0' } } }),
    'spec.resources[storage]: Invalid value: "0": must be greater than zero',
  ],
  [
    'PersistentVolumeClaim',
    claim({ resources: { requests: { storage: '-1Gi' } } }),
    'spec.resources[storage]: Invalid value: "-1Gi": must be greater than zero',
  ],
  [
    'PersistentVolumeClaim',
    claim({ volumeMode: 'Tape' }),
    'spec.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"',
  ],
  ['PersistentVolumeClaim', claim({ volumeMode: 'Block' }), 'spec.volumeMode: Forbidden: not supported yet; supported: "Filesystem"'],
  ['PersistentVolumeClaim', claim({ dataSource: { kind: 'VolumeSnapshot', name: 's' } }), 'spec.dataSource: Forbidden: not supported yet'],
  ['PersistentVolume', volume({ capacity: null }), 'spec.capacity: Required value'],
  ['PersistentVolume', volume({ capacity: { storage: '0' } }), 'spec.capacity[storage]: Invalid value: "0": must be greater than zero'],
  [
    'PersistentVolume',
    volume({ capacity: { storage: null, cpu: '1' } }),
    'spec.capacity: Unsupported value: "cpu": supported values: "storage"',
  ],
  ['PersistentVolume', volume({ accessModes: [] }), 'spec.accessModes: Required value: at least 1 access mode is required'],
  ['PersistentVolume', volume({ local: null }), 'spec: Required value: must specify a volume type'],
  ['PersistentVolume', volume({ hostPath: { path: '/a' } }), 'spec.local: Forbidden: may not specify more than 1 volume type'],
  ['PersistentVolume', volume({ local: { path: '' } }), 'spec.local.path: Required value'],
  ['PersistentVolume', volume({ local: { path: '/a/../b' } }), `spec.local.path: Invalid value: "/a/../b": must not contain '..'`],
  ['PersistentVolume', volume({ nodeAffinity: null }), 'metadata.annotations: Required value: Local volume requires node affinity'],
  [
    'PersistentVolume',
    volume({ nodeAffinity: { required: null } }),
    'spec.nodeAffinity.required: Required value: must specify required node constraints',
  ],
  [
    'PersistentVolume',
    volume({ persistentVolumeReclaimPolicy: 'Burn' }),
    'spec.persistentVolumeReclaimPolicy: Unsupported value: "Burn": supported values: "Delete", "Recycle", "Retain"',
  ],
  [
    'PersistentVolume',
    volume({ persistentVolumeReclaimPolicy: 'Recycle' }),
    'spec.persistentVolumeReclaimPolicy: Forbidden: not supported yet; supported: "Retain", "Delete"',
  ],
  ['PersistentVolume', volume({ local: null, nfs: { server: 's', path: '/' } }), 'spec.nfs: Forbidden: not supported yet'],
  ['PersistentVolume', volume({ local: null, csi: { driver: 'node-local.podplane.dev' } }), 'spec.csi.volumeHandle: Required value'],
  [
    'PersistentVolume',
    volume({ local: null, csi: { driver: 'ebs.csi.aws.com', volumeHandle: 'x' } }),
    'spec.csi.driver: Forbidden: not supported yet; supported: "node-local.podplane.dev", "shared-directory.podplane.dev"',
  ],
  ['StorageClass', sc({ provisioner: '' }), 'provisioner: Required value'],
  [
    'StorageClass',
    sc({ provisioner: 'ebs.csi.aws.com' }),
    'provisioner: Forbidden: not supported yet; supported: "podplane.dev/node-local", "podplane.dev/shared-directory", "kubernetes.io/no-provisioner"',
  ],
  ['StorageClass', sc({ reclaimPolicy: 'Recycle' }), 'reclaimPolicy: Unsupported value: "Recycle": supported values: "Delete", "Retain"'],
  [
    'StorageClass',
    sc({ volumeBindingMode: 'Later' }),
    'volumeBindingMode: Unsupported value: "Later": supported values: "Immediate", "WaitForFirstConsumer"',
  ],
  [
    'StorageClass',
    sc({ volumeBindingMode: 'Immediate' }),
    'volumeBindingMode: Invalid value: "Immediate": volumes of podplane.dev/node-local are made where the first pod runs: must be WaitForFirstConsumer',
  ],
  ['StorageClass', sc({ parameters: { size: '1' } }), 'parameters[size]: Invalid value: "1": is no parameter of podplane.dev/node-local'],
  ['StorageClass', shared({}), 'parameters[path]: Required value: the directory that all nodes mount'],
  ['StorageClass', shared({ path: 'a' }), 'parameters[path]: Invalid value: "a": must be an absolute path below /'],
  ['StorageClass', shared({ path: '/a/../..' }), `parameters[path]: Invalid value: "/a/../..": must not contain '..'`],
  [
    'StorageClass',
    shared({ path: '/a', requireMount: 'no' }),
    'parameters[requireMount]: Unsupported value: "no": supported values: "false", "true"',
  ],
  ['StorageClass', sc({ mountOptions: ['ro'] }), 'mountOptions: Forbidden: not supported yet'],
  [
    'StorageClass',
    sc({ allowedTopologies: [{ matchLabelExpressions: [{ key: 'zone', values: [] }] }] }),
    'allowedTopologies[0].matchLabelExpressions[0].values: Required value',
  ],
])('%s %#', (kind, manifest, fault) => {
  expect(createFaults(kind, manifest)).toContain(fault);
});

describe('changes', () => {
  const IMMUTABLE =
    'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
  const bound = applyMergePatch(goodClaim, {
    spec: { volumeName: 'v', storageClassName: 'c' },
    status: { phase: 'Bound', capacity: { storage: '1Gi' } },
  }) as JsonObject;

  /** Of a claim that has a volume; creation leaves no status. */
  function boundFaults(patch: JsonObject): string[] {
    const info = kindInfo('PersistentVolumeClaim');
    const previous = info.codec.fromJSON(bound);
    const next = info.codec.fromJSON(applyMergePatch(bound, patch));
    for (const one of [previous, next]) info.setDefaults(one);
    info.prepareForUpdate(next, previous);
    return texts(info.validateUpdate(next, previous));
  }

  test.each<[Kind, JsonObject, JsonObject, string[]]>([
    ['PersistentVolumeClaim', goodClaim, { spec: { volumeName: 'v' } }, []],
    ['PersistentVolumeClaim', goodClaim, { spec: { storageClassName: 'c' } }, []],
    ['PersistentVolumeClaim', goodClaim, { spec: { accessModes: ['ReadWriteMany'] } }, [`${IMMUTABLE}; changed here: accessModes`]],
    [
      'PersistentVolumeClaim',
      goodClaim,
      { spec: { resources: { requests: { storage: '2Gi' } } } },
      [`${IMMUTABLE}; changed here: resources`],
    ],
    ['PersistentVolumeClaim', bound, { spec: { resources: { requests: { storage: '2Gi' } } } }, []],
    [
      'PersistentVolumeClaim',
      bound,
      { spec: { resources: { requests: { storage: '1Mi' } } } },
      ['spec.resources.requests.storage: Forbidden: field can not be less than status.capacity'],
    ],
    ['PersistentVolumeClaim', bound, { spec: { volumeName: 'w' } }, [`${IMMUTABLE}; changed here: volumeName`]],
    ['PersistentVolume', goodVolume, { spec: { persistentVolumeReclaimPolicy: 'Delete', capacity: { storage: '2Gi' } } }, []],
    [
      'PersistentVolume',
      goodVolume,
      { spec: { local: { path: '/b' } } },
      ['spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation'],
    ],
    ['StorageClass', goodClass, { allowVolumeExpansion: true }, []],
    ['StorageClass', goodClass, { reclaimPolicy: 'Retain' }, ['reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.']],
    [
      'StorageClass',
      goodClass,
      { provisioner: 'kubernetes.io/no-provisioner', volumeBindingMode: 'WaitForFirstConsumer' },
      ['provisioner: Forbidden: updates to provisioner are forbidden.'],
    ],
  ])('%s %#', (kind, before, patch, faults) => {
    if (before === bound) expect(boundFaults(patch)).toEqual(faults);
    else expect(updateFaults(kind, before, patch)).toEqual(faults);
  });
});

test('defaults: what is left out, and the finalizers that hold what is in use', () => {
  expect(admitted('PersistentVolumeClaim', goodClaim)).toMatchObject({
    metadata: { finalizers: ['kubernetes.io/pvc-protection'] },
    spec: { volumeMode: 'Filesystem' },
    status: { phase: 'Pending' },
  });
  expect(admitted('PersistentVolume', goodVolume)).toMatchObject({
    metadata: { finalizers: ['kubernetes.io/pv-protection'] },
    spec: { persistentVolumeReclaimPolicy: 'Retain', volumeMode: 'Filesystem' },
  });
  expect(admitted('StorageClass', goodClass)).toMatchObject({ reclaimPolicy: 'Delete', volumeBindingMode: 'WaitForFirstConsumer' });
  expect(admitted('StorageClass', sc({ provisioner: 'kubernetes.io/no-provisioner' }))).toMatchObject({ volumeBindingMode: 'Immediate' });
  expect(texts([])).toEqual([]);
});

const NOW = Date.parse('2026-11-22T12:00:00Z');

test.each<[Kind, JsonObject, Record<string, string>]>([
  [
    'PersistentVolumeClaim',
    {
      metadata: { name: 'data', creationTimestamp: '2026-11-22T11:59:00Z' },
      spec: { volumeName: 'pvc-1', storageClassName: 'node-local', volumeMode: 'Filesystem' },
      status: { phase: 'Bound', capacity: { storage: '1Gi' }, accessModes: ['ReadWriteMany', 'ReadWriteOnce'] },
    },
    {
      Name: 'data',
      Status: 'Bound',
      Volume: 'pvc-1',
      Capacity: '1Gi',
      'Access Modes': 'RWO,RWX',
      StorageClass: 'node-local',
      VolumeAttributesClass: '<unset>',
      Age: '60s',
      VolumeMode: 'Filesystem',
    },
  ],
  [
    'PersistentVolumeClaim',
    { metadata: { deletionTimestamp: '2026-11-22T11:59:00Z' }, status: { phase: 'Bound' } },
    { Status: 'Terminating' },
  ],
  [
    'PersistentVolume',
    {
      metadata: { name: 'pvc-1' },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOncePod'],
        persistentVolumeReclaimPolicy: 'Delete',
        claimRef: { namespace: 'default', name: 'data' },
        storageClassName: 'node-local',
      },
      status: { phase: 'Failed', reason: 'VolumeFailedDelete' },
    },
    {
      Capacity: '1Gi',
      'Access Modes': 'RWOP',
      'Reclaim Policy': 'Delete',
      Status: 'Failed',
      Claim: 'default/data',
      StorageClass: 'node-local',
      Reason: 'VolumeFailedDelete',
    },
  ],
  [
    'StorageClass',
    {
      metadata: { name: 'node-local', annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } },
      provisioner: 'podplane.dev/node-local',
      reclaimPolicy: 'Delete',
      volumeBindingMode: 'WaitForFirstConsumer',
      allowVolumeExpansion: true,
    },
    {
      Name: 'node-local (default)',
      Provisioner: 'podplane.dev/node-local',
      ReclaimPolicy: 'Delete',
      VolumeBindingMode: 'WaitForFirstConsumer',
      AllowVolumeExpansion: 'true',
    },
  ],
])('%s in a table', (kind, manifest, cells) => {
  const info = kindInfo(kind);
  const object = info.codec.fromJSON(manifest);
  expect(Object.fromEntries(info.columns.map((column) => [column.name, column.value(object, { now: NOW })]))).toMatchObject(cells);
});
