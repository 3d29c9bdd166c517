// ReplicationControllers and PodTemplates: what is wrong in them, in Kubernetes' words, defaults, columns.
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../decode/tree.js';
import { applyMergePatch } from '../patch.js';
import { kindInfo } from './catalogue.js';
import { admitted, createFaults, decoded, goodController, goodPodTemplate, goodWorkload, NOW, updateFaults } from './testing/pods.js';

const controllerWith = (spec: JsonObject): JsonObject => applyMergePatch(goodController, { spec }) as JsonObject;

describe('faults', () => {
  test.each<[JsonObject, ...string[]]>([
    [{}],
    [{ replicas: 0, minReadySeconds: 0, selector: { app: 'web' } }],
    [{ replicas: -1 }, 'spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
    [{ minReadySeconds: -1 }, 'spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0'],
    [
      { selector: { app: 'other' } },
      'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ],
    [{ template: { metadata: null } }, 'spec.selector: Required value'],
    [{ template: null }, 'spec.selector: Required value', 'spec.template: Required value'],
    [
      { template: { spec: { restartPolicy: 'OnFailure' } } },
      'spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: "Always"',
    ],
    [
      { template: { spec: { activeDeadlineSeconds: 5 } } },
      'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicationController is not Supported',
    ],
    [{ template: { spec: { containers: [] } } }, 'spec.template.spec.containers: Required value'],
  ])('%j', (spec, ...faults) => {
    expect(createFaults('ReplicationController', controllerWith(spec))).toEqual(faults);
  });

  test.each([
    ['Deployment', 'ReplicaSet'],
    ['ReplicaSet', 'ReplicaSet'],
    ['DaemonSet', 'DaemonSet'],
    ['StatefulSet', 'StatefulSet'],
  ] as const)('pods of a %s have no deadline', (kind, word) => {
    expect(
      createFaults(kind, applyMergePatch(goodWorkload, { spec: { template: { spec: { activeDeadlineSeconds: 5 } } } }) as JsonObject),
    ).toEqual([`spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ${word} is not Supported`]);
  });

  test('of a PodTemplate; any restart policy will do', () => {
    expect(
      createFaults('PodTemplate', applyMergePatch(goodPodTemplate, { template: { spec: { restartPolicy: 'Never' } } }) as JsonObject),
    ).toEqual([]);
    expect(
      createFaults('PodTemplate', applyMergePatch(goodPodTemplate, { template: { spec: { restartPolicy: 'Now' } } }) as JsonObject),
    ).toEqual(['template.spec.restartPolicy: Unsupported value: "Now": supported values: "Always", "OnFailure", "Never"']);
    expect(createFaults('PodTemplate', applyMergePatch(goodPodTemplate, { template: null }) as JsonObject)).toEqual([
      'template.spec.containers: Required value',
    ]);
  });

  test('its selector may change', () => {
    const change = { spec: { selector: { tier: 'a' }, template: { metadata: { labels: { tier: 'a' } } } } };
    expect(updateFaults('ReplicationController', goodController, change)).toEqual([]);
  });
});

test('selector and labels are those of the template where nothing else is said', () => {
  expect(admitted('ReplicationController', goodController)).toMatchObject({
    metadata: { labels: { app: 'web' } },
    spec: { replicas: 1, selector: { app: 'web' }, template: { spec: { restartPolicy: 'Always' } } },
  });
  const own = applyMergePatch(goodController, { metadata: { labels: { mine: 'x' } } }) as JsonObject;
  expect(admitted('ReplicationController', own).metadata?.labels).toEqual({ mine: 'x' });
});

test('columns', () => {
  const cells = (kind: 'ReplicationController' | 'PodTemplate', manifest: JsonObject): Record<string, string> =>
    Object.fromEntries(kindInfo(kind).columns.map((column) => [column.name, column.value(decoded(kind, manifest) as never, { now: NOW })]));
  const seen = {
    metadata: { creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { replicas: 3, selector: { app: 'web' } },
    status: { replicas: 2, readyReplicas: 1 },
  };
  expect(cells('ReplicationController', applyMergePatch(goodController, seen) as JsonObject)).toEqual({
    Name: 'web',
    Desired: '3',
    Current: '2',
    Ready: '1',
    Age: '10m',
    Containers: 'a',
    Images: 'nginx:1',
    Selector: 'app=web',
  });
  expect(cells('PodTemplate', goodPodTemplate)).toEqual({ Name: 'web', Containers: 'a', Images: 'nginx:1', 'Pod Labels': 'app=web' });
});
