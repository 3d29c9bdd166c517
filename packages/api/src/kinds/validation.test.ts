import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../decode/tree.js';
import { applyMergePatch } from '../patch.js';
import { kindInfo } from './catalogue.js';
import { deepEqual } from './equal.js';
import { allKinds, type Kind } from './kind-names.js';
import {
  admitted,
  createFaults,
  goodController,
  goodJob,
  goodPod,
  goodPodTemplate,
  goodWorkload,
  texts,
  updateFaults,
  workloadWith,
} from './testing/pods.js';
import { goodClaim, goodClass, goodVolume } from './testing/storage.js';

const named = (manifest: JsonObject): JsonObject =>
  applyMergePatch({ metadata: { name: 'a', namespace: 'default' } }, manifest) as JsonObject;
const global = (manifest: JsonObject): JsonObject => applyMergePatch({ metadata: { name: 'a' } }, manifest) as JsonObject;
const b64 = (text: string): string => Buffer.from(text).toString('base64');
const servicePort = { port: 80 };

const good: Readonly<Record<Kind, JsonObject>> = {
  Pod: goodPod,
  Node: global({
    spec: {
      unschedulable: true,
      podCIDR: '10.1.0.0/24',
      podCIDRs: ['10.1.0.0/24'],
      taints: [{ key: 'a', value: 'b', effect: 'NoExecute' }],
    },
  }),
  Namespace: global({}),
  ConfigMap: named({ data: { a: 'b', 'c.d': '' }, binaryData: { e: b64('x') } }),
  Secret: named({ data: { a: b64('b') }, stringData: { c: 'd' } }),
  Service: named({ spec: { selector: { app: 'web' }, ports: [servicePort] } }),
  ServiceAccount: named({}),
  Event: named({ involvedObject: { kind: 'Pod', name: 'web', namespace: 'default' }, type: 'Normal', reason: 'Started', count: 2 }),
  Lease: named({ spec: { holderIdentity: 'n1', leaseDurationSeconds: 15, leaseTransitions: 0 } }),
  Deployment: goodWorkload,
  ReplicaSet: goodWorkload,
  DaemonSet: goodWorkload,
  StatefulSet: goodWorkload,
  Job: goodJob,
  CronJob: named({ spec: { schedule: '*/5 * * * *', jobTemplate: { spec: goodJob['spec'] as JsonObject } } }),
  PodTemplate: goodPodTemplate,
  ReplicationController: goodController,
  PodDisruptionBudget: named({ spec: { minAvailable: '50%', selector: { matchLabels: { app: 'web' } } } }),
  ControllerRevision: named({ data: { spec: {} }, revision: 1 }),
  PersistentVolume: goodVolume,
  PersistentVolumeClaim: goodClaim,
  StorageClass: goodClass,
};

describe.each(allKinds)('%s', (kind) => {
  test('a good one has no fault, gets its defaults once, and survives its bytes and its JSON', () => {
    const info = kindInfo(kind);
    const object = admitted(kind, good[kind]);
    expect(texts(info.validateCreate(object))).toEqual([]);
    const before = structuredClone(object);
    info.setDefaults(object);
    // deepEqual, as bytes are Buffers here and plain arrays of bytes there.
    expect(deepEqual(object, before)).toBe(true);
    expect(deepEqual(info.codec.decode(info.codec.encode(object)), object)).toBe(true);
    expect(deepEqual(info.codec.fromJSON(structuredClone(info.codec.toJSON(object))), object)).toBe(true);
    expect(texts(info.validateUpdate(object, before))).toEqual([]);
    expect(info.specChanged(object, before)).toBe(false);
    expect(object).toMatchObject({ apiVersion: info.apiVersion, kind });
  });

  test('without name it is refused, and so is another name', () => {
    expect(createFaults(kind, applyMergePatch(good[kind], { metadata: { name: null } }) as JsonObject)).toContain(
      'metadata.name: Required value: name or generateName is required',
    );
    expect(updateFaults(kind, good[kind], { metadata: { name: 'b' } })).toContain('metadata.name: Invalid value: "b": field is immutable');
  });

  test('columns are texts, whatever is missing', () => {
    const info = kindInfo(kind);
    for (const object of [admitted(kind, good[kind]), info.codec.fromJSON({})]) {
      for (const column of info.columns) expect(column.value(object, { now: 0 }), column.name).toEqual(expect.any(String));
      for (const [field, read] of Object.entries(info.selectableFields)) expect(read(object), field).toEqual(expect.any(String));
    }
  });
});

test.each<[Kind, JsonObject, string]>([
  ['Node', global({ metadata: { namespace: 'x' } }), 'metadata.namespace: Forbidden: not allowed on this type'],
  [
    'Node',
    global({ spec: { taints: [{ key: 'a', effect: 'never' }] } }),
    'spec.taints[0].effect: Unsupported value: "never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
  ],
  ['Node', global({ spec: { taints: [{ key: '', effect: 'NoExecute' }] } }), 'spec.taints[0].key: Required value'],
  [
    'Node',
    global({
      spec: {
        taints: [
          { key: 'a', effect: 'NoExecute' },
          { key: 'a', value: 'b', effect: 'NoExecute' },
        ],
      },
    }),
    'spec.taints[1]: Duplicate value: "a:NoExecute"',
  ],
  [
    'Node',
    global({ spec: { podCIDRs: ['10.0.0.0'] } }),
    'spec.podCIDRs[0]: Invalid value: "10.0.0.0": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
  ],
  ['Namespace', { metadata: { name: 'a.b' } }, 'metadata.name: Invalid value: "a.b": must not contain dots'],
  [
    'ConfigMap',
    named({ data: { 'a/b': '' } }),
    "data[a/b]: Invalid value: \"a/b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name', or 'KEY_NAME', or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
  ],
  ['ConfigMap', named({ data: { a: '' }, binaryData: { a: '' } }), 'data[a]: Invalid value: "a": duplicate of key present in binaryData'],
  ['ConfigMap', named({ data: { a: 'x'.repeat(1_048_577) } }), 'Too long: may not be more than 1048576 bytes'],
  ['Secret', named({ data: { '..': '' } }), 'data[..]: Invalid value: "..": must not be \'..\''],
  ['Secret', named({ type: 'kubernetes.io/tls', data: { 'tls.crt': '' } }), 'data[tls.key]: Required value'],
  [
    'Secret',
    named({ type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': b64('{') } }),
    'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": must be JSON',
  ],
  ['Secret', named({ stringData: { a: 'x'.repeat(1_048_577) } }), 'data: Too long: may not be more than 1048576 bytes'],
  [
    'Service',
    named({ metadata: { name: '1a' }, spec: { ports: [servicePort] } }),
    "metadata.name: Invalid value: \"1a\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name', or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
  ],
  ['Service', named({ spec: {} }), 'spec.ports: Required value'],
  ['Service', named({ spec: { ports: [{ port: 80, name: 'a' }, { port: 81 }] } }), 'spec.ports[1].name: Required value'],
  [
    'Service',
    named({
      spec: {
        ports: [
          { port: 80, name: 'a' },
          { port: 80, name: 'b' },
        ],
      },
    }),
    'spec.ports[1]: Duplicate value: {"protocol":"TCP","port":80}',
  ],
  [
    'Service',
    named({ spec: { ports: [{ port: 0, targetPort: 80 }] } }),
    'spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
  ],
  [
    'Service',
    named({ spec: { type: 'External', ports: [servicePort] } }),
    'spec.type: Unsupported value: "External": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
  ],
  ['Service', named({ spec: { type: 'ExternalName' } }), 'spec.externalName: Required value'],
  [
    'Service',
    named({ spec: { ports: [{ port: 80, nodePort: 30000 }] } }),
    "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
  ],
  [
    'Event',
    named({ involvedObject: { kind: 'Pod', name: 'x', namespace: 'other' } }),
    'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
  ],
  [
    'Event',
    named({ type: 'Bad', involvedObject: { namespace: 'default' } }),
    'type: Unsupported value: "Bad": supported values: "Normal", "Warning"',
  ],
  ['Lease', named({ spec: { leaseDurationSeconds: 0 } }), 'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0'],
  ['ControllerRevision', named({ revision: 1 }), 'data: Required value: data is mandatory'],
  [
    'Deployment',
    workloadWith({ selector: { matchLabels: null } }),
    'spec.selector: Invalid value: {}: empty selector is invalid for deployment',
  ],
  [
    'Deployment',
    workloadWith({ selector: { matchLabels: { app: 'db' } } }),
    'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
  ],
  [
    'Deployment',
    workloadWith({ template: { spec: { containers: [{ name: 'a' }] } } }),
    'spec.template.spec.containers[0].image: Required value',
  ],
  [
    'Deployment',
    workloadWith({ template: { spec: { restartPolicy: 'Never' } } }),
    'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
  ],
  ['Deployment', workloadWith({ replicas: -1 }), 'spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
  [
    'Deployment',
    workloadWith({ progressDeadlineSeconds: 5, minReadySeconds: 5 }),
    'spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds',
  ],
  [
    'Deployment',
    workloadWith({ strategy: { type: 'Rolling' } }),
    'spec.strategy: Unsupported value: {"type":"Rolling"}: supported values: "Recreate", "RollingUpdate"',
  ],
  [
    'Deployment',
    workloadWith({ strategy: { type: 'Recreate', rollingUpdate: {} } }),
    "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
  ],
  [
    'Deployment',
    workloadWith({ strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } }),
    'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0',
  ],
  [
    'Deployment',
    workloadWith({ strategy: { rollingUpdate: { maxSurge: -1 } } }),
    'spec.strategy.rollingUpdate.maxSurge: Invalid value: -1: must be greater than or equal to 0',
  ],
  [
    'Deployment',
    workloadWith({ strategy: { rollingUpdate: { maxUnavailable: '101%' } } }),
    'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
  ],
  [
    'Deployment',
    workloadWith({ strategy: { rollingUpdate: { maxSurge: 'x' } } }),
    "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"x\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%', or '93%', regex used for validation is '[0-9]+%')",
  ],
  [
    'ReplicaSet',
    workloadWith({ selector: { matchLabels: { app: 'db' } } }),
    'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
  ],
])('%s %#', (kind, manifest, fault) => {
  expect(createFaults(kind, manifest)).toEqual([fault]);
});
