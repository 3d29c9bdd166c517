// The schema says of the objects what Kubernetes says of them, and says it completely.
import { describe, expect, it } from 'vitest';
import { codecs } from '../decode/codecs.js';
import { explain, explainText } from './explain.js';
import { kindSchema, kindSchemas, type MessageSchema, messageSchema } from './model.js';
import { nearest } from './nearest.js';
import { type OpenApiSchema, openApiSchema } from './openapi.js';
import { fieldOfKind, pathsTo } from './paths.js';

function everyMessage(): Set<MessageSchema> {
  const found = new Set<MessageSchema>();
  const visit = (message: MessageSchema): void => {
    if (found.has(message)) return;
    found.add(message);
    for (const field of message.fields.values()) if (field.message !== undefined) visit(field.message);
  };
  for (const schema of kindSchemas().values()) visit(schema);
  return found;
}

describe('the model', () => {
  it('has the kinds that have code, with their versions', () => {
    expect([...kindSchemas()].map(([kind, schema]) => `${schema.apiVersion} ${kind}`).toSorted()).toEqual(
      ['Pod', 'Node', 'Namespace', 'ConfigMap', 'Secret', 'Service', 'ServiceAccount', 'Event', 'PodTemplate', 'ReplicationController']
        .map((it) => `v1 ${it}`)
        .concat(['coordination.k8s.io/v1 Lease', 'apps/v1 Deployment', 'apps/v1 ReplicaSet', 'apps/v1 ControllerRevision'])
        .concat(['apps/v1 DaemonSet', 'apps/v1 StatefulSet', 'batch/v1 Job', 'batch/v1 CronJob', 'policy/v1 PodDisruptionBudget'])
        .concat(['v1 PersistentVolume', 'v1 PersistentVolumeClaim', 'storage.k8s.io/v1 StorageClass'])
        .toSorted(),
    );
    expect([...kindSchemas().keys()].toSorted()).toEqual(Object.keys(codecs).toSorted());
  });

  it('has a comment at every message and every field', () => {
    const silent = [...everyMessage()].flatMap((message) => [
      ...(message.comment === '' ? [message.name] : []),
      ...[...message.fields.values()].filter((it) => it.comment === '').map((it) => `${message.name}.${it.name}`),
    ]);
    expect(silent).toEqual([]);
  });

  it.each([
    [
      'Pod',
      'spec.containers',
      {
        shape: 'list',
        type: 'message',
        required: true,
        patchStrategy: ['merge'],
        patchMergeKey: 'name',
        listType: 'map',
        listMapKeys: ['name'],
      },
    ],
    ['Pod', 'spec.volumes', { patchStrategy: ['merge', 'retainKeys'], patchMergeKey: 'name', required: false }],
    ['Pod', 'spec.containers[0].ports', { patchMergeKey: 'containerPort', listMapKeys: ['containerPort', 'protocol'] }],
    ['Pod', 'spec.containers.env.value', { type: 'string', required: false }],
    ['Pod', 'spec.containers.resources.limits', { shape: 'map', type: 'string', format: 'quantity' }],
    ['Pod', 'spec.containers.livenessProbe.httpGet.port', { type: 'any', format: 'int-or-string', required: true, number: 2 }],
    ['Pod', 'spec.containers.livenessProbe.httpGet', { number: 1002 }],
    ['Pod', 'spec.volumes.emptyDir', { number: 1002 }],
    ['Pod', 'spec.tolerations', { listType: 'atomic', patchStrategy: [] }],
    ['Pod', 'spec.nodeSelector', { shape: 'map', mapType: 'atomic' }],
    ['Pod', 'spec.restartPolicy', { allowed: ['Always', 'OnFailure', 'Never'], defaulted: 'Always' }],
    ['Pod', 'spec.terminationGracePeriodSeconds', { type: 'int64', defaulted: '30', required: false }],
    ['Pod', 'spec.containers.livenessProbe.grpc.service', { defaulted: '' }],
    ['Pod', 'status.containerStatuses.restartCount', { type: 'int32', required: true }],
    ['Pod', 'metadata.creationTimestamp', { type: 'time' }],
    ['Pod', 'metadata.ownerReferences', { patchMergeKey: 'uid' }],
    ['Pod', 'metadata.finalizers', { patchStrategy: ['merge'], listType: 'set' }],
    ['Pod', 'apiVersion', { required: false, number: 1002 }],
    ['Deployment', 'spec.strategy', { patchStrategy: ['retainKeys'] }],
    ['Deployment', 'spec.strategy.rollingUpdate.maxSurge', { format: 'int-or-string', defaulted: '25%' }],
    ['Deployment', 'spec.selector', { required: true }],
    ['Service', 'spec.ports', { patchMergeKey: 'port', listMapKeys: ['port', 'protocol'] }],
    ['Secret', 'data', { shape: 'map', type: 'bytes' }],
    ['ControllerRevision', 'data', { type: 'object' }],
    ['Lease', 'spec.renewTime', { type: 'string', format: 'micro-time' }],
    ['Node', 'spec.taints', { listType: 'atomic' }],
  ])('%s %s', (kind, path, expected) => {
    expect(fieldOfKind(kind, path)).toMatchObject(expected);
  });

  it('knows what is not there', () => {
    expect(kindSchema('Toaster')).toBeUndefined();
    expect(fieldOfKind('Toaster', 'spec')).toBeUndefined();
    expect(fieldOfKind('Pod', 'spec.nothing')).toBeUndefined();
    expect(fieldOfKind('Pod', 'metadata.labels.app')).toBeUndefined();
    expect(() => messageSchema('podplane.core.v1.Toaster')).toThrow('no message podplane.core.v1.Toaster');
  });

  it('tells where Kubernetes nests what manifests flatten', () => {
    const inlined = [...everyMessage()].filter((it) => it.inlinedFrom !== undefined);
    expect(Object.fromEntries(inlined.map((it) => [it.name, it.inlinedFrom]))).toEqual({
      Volume: 2,
      PersistentVolumeSpec: 2,
      Probe: 1,
      EphemeralContainer: 1,
      ConfigMapEnvSource: 1,
      ConfigMapKeySelector: 1,
      ConfigMapProjection: 1,
      ConfigMapVolumeSource: 1,
      SecretEnvSource: 1,
      SecretKeySelector: 1,
      SecretProjection: 1,
    });
    for (const message of everyMessage()) {
      const flattened = [...message.fields.values()].filter((it) => it.number > 1000 && it.name !== 'kind' && it.name !== 'apiVersion');
      expect(flattened.length > 0, message.name).toBe(message.inlinedFrom !== undefined);
    }
  });
});

describe('finding', () => {
  it.each([
    ['imagee', 'image'],
    ['Image', 'image'],
    ['iamge', 'image'],
    ['comand', 'command'],
    ['x', undefined],
    ['completely', undefined],
  ])('nearest to %s is %s', (word, expected) => {
    expect(nearest(word, ['image', 'command', 'args'])).toBe(expected);
  });

  it('the shallowest path to a field', () => {
    const deployment = kindSchema('Deployment');
    expect(deployment && pathsTo(deployment, 'containers')).toEqual(['spec.template.spec.containers']);
    expect(deployment && pathsTo(deployment, 'containerPort')).toEqual(['spec.template.spec.containers[].ports[].containerPort']);
    expect(deployment && pathsTo(deployment, 'nothing')).toEqual([]);
  });
});

describe('explain', () => {
  it('a kind, a structure, a value', () => {
    const kind = explain('Deployment');
    expect(kind.ok && [kind.apiVersion, kind.path, kind.field, kind.fields.map((it) => it.name)]).toEqual([
      'apps/v1',
      '',
      undefined,
      ['apiVersion', 'kind', 'metadata', 'spec', 'status'],
    ]);
    const list = explain('Pod', 'spec.containers');
    expect(list.ok && [list.field?.type, list.field?.required, list.fields.find((it) => it.name === 'env')?.type]).toEqual([
      '[]Container',
      true,
      '[]EnvVar',
    ]);
    const value = explain('Pod', 'spec.containers[0].resources.limits');
    expect(value.ok && [value.path, value.field?.type, value.fields]).toEqual([
      'spec.containers.resources.limits',
      'map[string]quantity',
      [],
    ]);
  });

  it('says what was meant', () => {
    expect(explain('Pdo')).toMatchObject({ ok: false, code: 'unknown_kind', suggestion: 'Pod' });
    expect(explain('Pod', 'spec.containres')).toMatchObject({
      ok: false,
      code: 'unknown_field',
      message: 'Pod.spec has no field "containres"',
      suggestion: 'containers',
    });
    expect(explain('Pod', 'metadata.name.x')).toMatchObject({ ok: false, code: 'unknown_field' });
  });

  it('as text', () => {
    const found = explain('Pod', 'spec.hostAliases');
    expect(found.ok && explainText(found, 60)).toBe(`KIND:       Pod
VERSION:    v1

FIELD: hostAliases <[]HostAlias>

DESCRIPTION:
    Further lines for /etc/hosts.
    A line of /etc/hosts.

FIELDS:
  ip <string> -required-
    The address.

  hostnames <[]string>
    Its names.
`);
    const all = explain('Pod', 'spec.affinity', { recursive: true });
    expect(all.ok && explainText(all)).toContain(
      'FIELDS:\n  nodeAffinity <NodeAffinity>\n    requiredDuringSchedulingIgnoredDuringExecution <NodeSelector>\n      nodeSelectorTerms <[]NodeSelectorTerm> -required-\n        matchExpressions <[]NodeSelectorRequirement>\n          key <string> -required-\n',
    );
    const policy = explain('Pod', 'spec.restartPolicy');
    expect(policy.ok && explainText(policy)).toContain('    One of: Always, OnFailure, Never\n    Default: Always\n');
    const long = explain('Pod', 'spec');
    expect(
      long.ok &&
        explainText(long, 60)
          .split('\n')
          .filter((line) => line.length > 60),
    ).toEqual([]);
  });
});

describe('OpenAPI', () => {
  it('of a Pod, by the names that clients know', () => {
    const result = openApiSchema('Pod');
    expect(result?.name).toBe('io.k8s.api.core.v1.Pod');
    const pod = result?.schemas[result.name];
    expect(pod?.['x-kubernetes-group-version-kind']).toEqual([{ group: '', version: 'v1', kind: 'Pod' }]);
    expect(pod?.properties?.['metadata']?.allOf).toEqual([
      { $ref: '#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' },
    ]);
    expect(result?.schemas['io.k8s.api.core.v1.PodSpec']).toMatchObject({
      required: ['containers'],
      properties: {
        containers: {
          type: 'array',
          'x-kubernetes-patch-strategy': 'merge',
          'x-kubernetes-patch-merge-key': 'name',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
        },
        restartPolicy: { type: 'string', enum: ['Always', 'OnFailure', 'Never'], default: 'Always' },
        terminationGracePeriodSeconds: { type: 'integer', format: 'int64', default: 30 },
        overhead: { type: 'object', additionalProperties: { oneOf: [{ type: 'string' }, { type: 'number' }] } },
      },
    });
    expect(result?.schemas['io.k8s.api.core.v1.LocalObjectReference']?.['x-kubernetes-map-type']).toBe('atomic');
    expect(openApiSchema('Lease')?.schemas['io.k8s.api.coordination.v1.Lease']?.['x-kubernetes-group-version-kind']).toEqual([
      { group: 'coordination.k8s.io', version: 'v1', kind: 'Lease' },
    ]);
    expect(openApiSchema('Toaster')).toBeUndefined();
  });

  it('of every kind refers only to what it holds', () => {
    const references = (schema: OpenApiSchema): string[] => [
      ...(schema.$ref === undefined ? [] : [schema.$ref]),
      ...[
        ...Object.values(schema.properties ?? {}),
        ...(schema.allOf ?? []),
        ...(schema.items ? [schema.items] : []),
        ...(schema.additionalProperties ? [schema.additionalProperties] : []),
      ].flatMap(references),
    ];
    for (const kind of kindSchemas().keys()) {
      const { schemas = {} } = openApiSchema(kind) ?? {};
      const wanted = Object.values(schemas).flatMap(references);
      expect(wanted.filter((it) => schemas[it.replace('#/components/schemas/', '')] === undefined)).toEqual([]);
      expect(wanted.length).toBeGreaterThan(0);
    }
  });
});
