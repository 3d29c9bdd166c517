import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../decode/tree.js';
import { applyMergePatch } from '../patch.js';
import { kindInfo } from './catalogue.js';
import type { Kind } from './kind-names.js';
import { admitted, containerWith, goodPod, goodWorkload, podWith, texts, updateFaults } from './testing/pods.js';

const named = (manifest: JsonObject): JsonObject =>
  applyMergePatch({ metadata: { name: 'a', namespace: 'default' } }, manifest) as JsonObject;
const global = (manifest: JsonObject): JsonObject => applyMergePatch({ metadata: { name: 'a' } }, manifest) as JsonObject;
const b64 = (text: string): string => Buffer.from(text).toString('base64');
const servicePort = { port: 80 };

describe('changes', () => {
  const immutable = named({ immutable: true, data: { a: b64('x') } });
  const forbidden = 'Forbidden: field is immutable when `immutable` is set';

  test.each<[Kind, JsonObject, JsonObject, string[]]>([
    // -------------------------------------------------------------------------------------------------------------- pods
    ['Pod', goodPod, { spec: { containers: [{ name: 'a', image: 'nginx:2' }] } }, []],
    ['Pod', goodPod, { metadata: { labels: { app: null, x: 'y' }, annotations: { a: 'b' } } }, []],
    ['Pod', goodPod, { spec: { tolerations: [{ key: 'a', operator: 'Exists' }] } }, []],
    [
      'Pod',
      podWith({ tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoExecute' }] }),
      { spec: { tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 3 }] } },
      [],
    ],
    [
      'Pod',
      podWith({ tolerations: [{ key: 'a', operator: 'Exists' }] }),
      { spec: { tolerations: [] } },
      ['spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds'],
    ],
    ['Pod', podWith({ schedulingGates: [{ name: 'a' }, { name: 'b' }] }), { spec: { schedulingGates: [{ name: 'b' }] } }, []],
    [
      'Pod',
      podWith({ schedulingGates: [{ name: 'a' }] }),
      { spec: { schedulingGates: [{ name: 'b' }] } },
      ["spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'b'"],
    ],
    [
      'Pod',
      goodPod,
      {
        spec: {
          containers: [
            { name: 'a', image: 'nginx:1' },
            { name: 'b', image: 'x' },
          ],
        },
      },
      ['spec.containers: Forbidden: pod updates may not add or remove containers'],
    ],
    [
      'Pod',
      goodPod,
      { spec: { nodeName: 'n1', hostname: 'h' } },
      [
        expect.stringMatching(
          /^spec: Forbidden: pod updates may not change fields other than .*; changed here: hostname, nodeName$/,
        ) as string,
      ],
    ],
    [
      'Pod',
      containerWith({ env: [{ name: 'A', value: '1' }] }),
      { spec: { containers: [{ name: 'a', image: 'nginx:1', env: [{ name: 'A', value: '2' }] }] } },
      [expect.stringMatching(/changed here: containers$/) as string],
    ],
    ['Pod', goodPod, { metadata: { namespace: 'other' } }, ['metadata.namespace: Invalid value: "other": field is immutable']],
    [
      'Pod',
      goodPod,
      { spec: { containers: [{ name: 'a', image: '' }] } },
      ['spec.containers[0].image: Required value', expect.stringMatching(/changed here: containers$/) as string],
    ],
    // ---------------------------------------------------------------------------------------------------------- workloads
    [
      'Deployment',
      goodWorkload,
      { spec: { replicas: 0, paused: true, template: { spec: { containers: [{ name: 'b', image: 'y' }] } } } },
      [],
    ],
    [
      'Deployment',
      goodWorkload,
      { spec: { selector: { matchLabels: { x: 'y' } }, template: { metadata: { labels: { x: 'y' } } } } },
      ['spec.selector: Invalid value: {"matchLabels":{"app":"web","x":"y"}}: field is immutable'],
    ],
    [
      'ReplicaSet',
      goodWorkload,
      { spec: { selector: { matchLabels: { x: 'y' } }, template: { metadata: { labels: { x: 'y' } } } } },
      ['spec.selector: Invalid value: {"matchLabels":{"app":"web","x":"y"}}: field is immutable'],
    ],
    // --------------------------------------------------------------------------------------------------------------- data
    ['ConfigMap', named({ data: { a: 'b' } }), { data: { a: 'c' } }, []],
    [
      'ConfigMap',
      named({ immutable: true, data: { a: 'b' } }),
      { data: { a: 'c' }, binaryData: { b: b64('x') } },
      [`data: ${forbidden}`, `binaryData: ${forbidden}`],
    ],
    ['ConfigMap', named({ immutable: true }), { immutable: false }, [`immutable: ${forbidden}`]],
    ['ConfigMap', named({ immutable: true, data: { a: 'b' } }), { metadata: { labels: { a: 'b' } } }, []],
    ['Secret', immutable, { stringData: { a: 'y' } }, [`data: ${forbidden}`]],
    ['Secret', immutable, { stringData: { a: 'x' } }, []],
    ['Secret', named({}), { type: 'example.com/x' }, ['type: Invalid value: "example.com/x": field is immutable']],
    // ------------------------------------------------------------------------------------------------------------- others
    ['Node', global({}), { spec: { podCIDR: '10.0.0.0/24' } }, []],
    [
      'Node',
      global({ spec: { podCIDR: '10.0.0.0/24' } }),
      { spec: { podCIDR: '10.1.0.0/24' } },
      ['spec.podCIDR: Forbidden: node updates may not change podCIDR except from "" to valid'],
    ],
    ['ControllerRevision', named({ data: { a: 1 }, revision: 1 }), { revision: 2 }, []],
    [
      'ControllerRevision',
      named({ data: { a: 1 }, revision: 1 }),
      { data: { a: 2 } },
      ['data: Invalid value: {"a":2}: field is immutable'],
    ],
    [
      'Service',
      named({ spec: { clusterIP: '10.0.0.1', ports: [servicePort] } }),
      { spec: { clusterIP: '10.0.0.2' } },
      ['spec.clusterIPs[0]: Invalid value: "10.0.0.2": may not change once set'],
    ],
  ])('%s %#', (kind, before, change, faults) => {
    expect(updateFaults(kind, before, change)).toEqual(faults);
  });

  test('an object that is being deleted gets no new finalizers', () => {
    const info = kindInfo('ConfigMap');
    const previous = admitted('ConfigMap', named({}));
    previous.metadata = { ...previous.metadata!, deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['a/b'] };
    const next = structuredClone(previous);
    next.metadata!.finalizers = [];
    expect(texts(info.validateUpdate(next, previous))).toEqual([]);
    next.metadata!.finalizers = ['a/b', 'c/d'];
    expect(texts(info.validateUpdate(next, previous))).toEqual([
      'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"c/d"}',
    ]);
  });
});

describe('who writes what', () => {
  test('a client says nothing of status, uid and the like', () => {
    const pod = admitted(
      'Pod',
      applyMergePatch(goodPod, {
        metadata: { uid: 'mine', generation: 7, deletionTimestamp: '2026-01-01T00:00:00Z' },
        status: { phase: 'Running' },
      }) as JsonObject,
    );
    expect(pod.metadata).not.toHaveProperty('uid');
    expect(pod.metadata).not.toHaveProperty('generation');
    expect(pod.metadata).not.toHaveProperty('deletionTimestamp');
    expect(pod.status).toMatchObject({ phase: 'Pending', qosClass: 'BestEffort' });
  });

  test('a change of the spec leaves the status, a change of the status leaves the spec', () => {
    const info = kindInfo('Deployment');
    const previous = admitted('Deployment', goodWorkload);
    previous.status!.replicas = 3;
    const next = structuredClone(previous);
    next.spec!.replicas = 9;
    next.status!.replicas = 9;
    next.metadata!.labels = { a: 'b' };
    const bySpec = structuredClone(next);
    info.prepareForUpdate(bySpec, previous);
    expect([bySpec.spec?.replicas, bySpec.status?.replicas, bySpec.metadata?.labels]).toEqual([9, 3, { a: 'b' }]);
    expect(info.specChanged(bySpec, previous)).toBe(true);
    const byStatus = structuredClone(next);
    info.prepareForStatusUpdate(byStatus, previous);
    // A Deployment's labels are left alone by who writes its status.
    expect([byStatus.spec?.replicas, byStatus.status?.replicas, byStatus.metadata?.labels]).toEqual([1, 9, {}]);
    expect(info.specChanged(byStatus, previous)).toBe(false);
  });

  test('a pod that has ended stays ended; its status names its containers', () => {
    const info = kindInfo('Pod');
    const previous = admitted('Pod', goodPod);
    previous.status!.phase = 'Failed';
    const next = structuredClone(previous);
    next.status!.phase = 'Running';
    expect(texts(info.validateStatusUpdate(next, previous))).toEqual([
      'status.phase: Forbidden: a pod that has failed cannot become Running',
    ]);
    next.status = info.codec.fromJSON({
      status: { phase: 'Gone', podIP: '10.0.0.1', podIPs: [{ ip: 'x' }], containerStatuses: [{ name: 'b', restartCount: -1 }] },
    }).status;
    previous.status!.phase = 'Pending';
    expect(texts(info.validateStatusUpdate(next, previous))).toEqual([
      'status.phase: Unsupported value: "Gone": supported values: "Pending", "Running", "Succeeded", "Failed", "Unknown"',
      'status.podIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'status.podIPs[0].ip: Invalid value: "x": must be equal to `podIP`',
      'status.containerStatuses[0].restartCount: Invalid value: -1: must be greater than or equal to 0',
      'status.containerStatuses[0].name: Invalid value: "b": no container of the pod has this name',
    ]);
  });
});
