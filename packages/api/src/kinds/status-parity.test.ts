// What Kubernetes 1.34 says of a status that somebody writes through the API, and of what is only warned about: every message of the status
// rules in pkg/apis/apps, batch, policy and core/validation, and of the warnings in their strategies, against ours.
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../decode/tree.js';
import { applyMergePatch } from '../patch.js';
import { kindInfo } from './catalogue.js';
import type { Kind } from './kind-names.js';
import { admitted, containerWith, decoded, goodController, goodJob, goodPod, goodWorkload, podWith, texts } from './testing/pods.js';

const goodBudget: JsonObject = { metadata: { name: 'web', namespace: 'default' }, spec: {} };
const goods: Partial<Record<Kind, JsonObject>> = {
  Deployment: goodWorkload,
  ReplicaSet: goodWorkload,
  DaemonSet: goodWorkload,
  StatefulSet: goodWorkload,
  ReplicationController: goodController,
  Job: goodJob,
  PodDisruptionBudget: goodBudget,
  Namespace: { metadata: { name: 'team' } },
};

/** Faults of a write of a status where another stands; spec: in what differs from the good one. */
function statusFaults(kind: Kind, before: JsonObject, status: JsonObject, spec: JsonObject = {}): string[] {
  const info = kindInfo(kind);
  const good = applyMergePatch(goods[kind] ?? {}, { spec }) as JsonObject;
  const previous = admitted(kind, good) as { status?: unknown };
  const given = (one: JsonObject): unknown =>
    (decoded(kind, applyMergePatch(good, { status: one }) as JsonObject) as { status?: unknown }).status;
  previous.status = given(before);
  const next = structuredClone(previous);
  next.status = given(status);
  info.prepareForStatusUpdate(next as never, previous as never);
  return texts(info.validateStatusUpdate(next as never, previous as never));
}

const NEGATIVE = 'must be greater than or equal to 0';
const negative = (...fields: string[]): string[] => fields.map((field) => `status.${field}: Invalid value: -1: ${NEGATIVE}`);
const minus = (...fields: string[]): JsonObject => Object.fromEntries(fields.map((field) => [field, -1]));
const above = (field: string, what = 'status.replicas'): string => `status.${field}: Invalid value: 2: cannot be greater than ${what}`;

describe('counts in the status of a', () => {
  test.each<[Kind, string[]]>([
    ['ReplicaSet', ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration']],
    ['ReplicationController', ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration']],
    [
      'Deployment',
      ['observedGeneration', 'updatedReplicas', 'readyReplicas', 'availableReplicas', 'unavailableReplicas', 'collisionCount'],
    ],
    ['StatefulSet', ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas', 'observedGeneration', 'collisionCount']],
    [
      'DaemonSet',
      [
        'currentNumberScheduled',
        'numberMisscheduled',
        'desiredNumberScheduled',
        'numberReady',
        'observedGeneration',
        'updatedNumberScheduled',
        'numberAvailable',
        'numberUnavailable',
        'collisionCount',
      ],
    ],
    ['PodDisruptionBudget', ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods']],
    ['Job', ['active', 'succeeded', 'failed', 'terminating']],
  ])('%s are not below nothing', (kind, fields) => {
    // Where collisions were counted, counting less is another fault; that is below.
    expect(statusFaults(kind, minus(...fields), minus(...fields))).toEqual(negative(...fields));
    expect(statusFaults(kind, {}, {})).toEqual([]);
  });

  test.each<[Kind, JsonObject, ...string[]]>([
    ['ReplicaSet', { replicas: 1, fullyLabeledReplicas: 2 }, above('fullyLabeledReplicas')],
    ['ReplicaSet', { replicas: 1, readyReplicas: 2 }, above('readyReplicas')],
    ['ReplicaSet', { replicas: 2, readyReplicas: 1, availableReplicas: 2 }, above('availableReplicas', 'readyReplicas')],
    ['ReplicationController', { replicas: 1, readyReplicas: 2, availableReplicas: 2 }, above('readyReplicas'), above('availableReplicas')],
    ['Deployment', { replicas: 1, updatedReplicas: 2 }, above('updatedReplicas')],
    ['Deployment', { replicas: 2, availableReplicas: 2 }, above('availableReplicas', 'readyReplicas')],
    ['StatefulSet', { replicas: 1, currentReplicas: 2, updatedReplicas: 2 }, above('currentReplicas'), above('updatedReplicas')],
    ['StatefulSet', { replicas: 2, availableReplicas: 2 }, above('availableReplicas', 'status.readyReplicas')],
    ['Job', { active: 1, ready: 2 }, 'status.ready: Invalid value: 2: cannot set more ready pods than active'],
  ])('%s fit each other: %j', (kind, status, ...faults) => {
    expect(statusFaults(kind, {}, status)).toEqual(faults);
  });

  test.each(['Deployment', 'StatefulSet', 'DaemonSet'] as const)('%s: collisions are not forgotten', (kind) => {
    expect(statusFaults(kind, { collisionCount: 3 }, { collisionCount: 2 })).toEqual([
      'status.collisionCount: Invalid value: 2: cannot be decremented',
    ]);
    expect(statusFaults(kind, { collisionCount: 3 }, {})).toEqual(['status.collisionCount: Invalid value: 0: cannot be decremented']);
  });
});

const is = (...types: string[]): JsonObject[] => types.map((type) => ({ type, status: 'True' }));
const start = '2026-01-01T00:00:00Z';
const end = '2026-01-01T00:01:00Z';
const complete = { startTime: start, completionTime: end, succeeded: 1, conditions: is('SuccessCriteriaMet', 'Complete') };
const failed = { startTime: start, failed: 1, conditions: is('FailureTarget', 'Failed') };
const indexed = { completionMode: 'Indexed', completions: 5, parallelism: 2, backoffLimitPerIndex: 1 };
const C = 'status.conditions: Invalid value';

describe("a Job's status", () => {
  test.each<[JsonObject, JsonObject, ...string[]]>([
    [{ startTime: start }, complete],
    [{ startTime: start }, failed],
    [complete, complete],
    [
      {},
      { active: 1, uncountedTerminatedPods: { succeeded: ['a'], failed: ['', 'a'] } },
      'status.uncountedTerminatedPods.failed[0]: Invalid value: "": must not be empty',
      'status.uncountedTerminatedPods.failed[1]: Duplicate value: "a"',
    ],
    [
      {},
      { ...complete, conditions: is('SuccessCriteriaMet', 'Complete', 'FailureTarget', 'Failed') },
      `${C}: cannot set Complete=True and Failed=true conditions`,
      `${C}: cannot set Complete=True and FailureTarget=true conditions`,
      `${C}: cannot set SuccessCriteriaMet=True and Failed=true conditions`,
      `${C}: cannot set SuccessCriteriaMet=True and FailureTarget=true conditions`,
    ],
    [{}, { ...failed, conditions: is('Failed') }, `${C}: cannot set Failed=True condition without the FailureTarget=true condition`],
    [
      {},
      { ...complete, conditions: is('Complete') },
      `${C}: cannot set Complete=True condition without the SuccessCriteriaMet=true condition`,
    ],
    [
      {},
      { startTime: start, completionTime: end },
      `status.completionTime: Invalid value: "${end}": cannot set completionTime when there is no Complete=True condition`,
    ],
    [{}, { ...complete, completionTime: null }, 'status.completionTime: Required value: completionTime is required for Complete jobs'],
    [
      {},
      { ...complete, startTime: end, completionTime: start },
      `status.completionTime: Invalid value: "${start}": completionTime cannot be set before startTime`,
    ],
    [{}, { ...complete, active: 1 }, 'status.active: Invalid value: 1: active>0 is invalid for finished job'],
    [{}, { ...failed, startTime: null }, 'status.startTime: Required value: startTime is required for finished job'],
    [
      {},
      { ...failed, uncountedTerminatedPods: { failed: ['u'] } },
      'status.uncountedTerminatedPods: Invalid value: {"failed":["u"]}: uncountedTerminatedPods needs to be empty for finished job',
    ],
    [{}, { ...failed, terminating: 1 }, 'status.terminating: Invalid value: 1: terminating>0 is invalid for finished job'],
    [
      {},
      { completedIndexes: '0' },
      'status.completedIndexes: Invalid value: "0": error parsing completedIndexes: too large index: "0"',
      'status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed completion mode',
    ],
    [
      {},
      { failedIndexes: '0' },
      'status.failedIndexes: Invalid value: "0": cannot set non-null failedIndexes when backoffLimitPerIndex is null',
    ],
    [
      failed,
      { ...failed, conditions: [] },
      `${C}: cannot disable the terminal Failed=True condition`,
      `${C}: cannot disable the terminal FailureTarget=True condition`,
    ],
    [
      complete,
      { ...complete, completionTime: null, conditions: is('SuccessCriteriaMet') },
      `${C}: cannot disable the terminal Complete=True condition`,
    ],
    [{ failed: 2 }, { failed: 1 }, 'status.failed: Invalid value: 1: cannot decrease the failed counter'],
    [{ succeeded: 2 }, { succeeded: 1 }, 'status.succeeded: Invalid value: 1: cannot decrease the succeeded counter'],
    [
      complete,
      { ...complete, completionTime: '2026-01-01T00:02:00Z' },
      'status.completionTime: Invalid value: "2026-01-01T00:02:00Z": completionTime cannot be mutated',
    ],
    [{ startTime: start }, {}, 'status.startTime: Required value: startTime cannot be removed for unsuspended job'],
    [{ conditions: is('SuccessCriteriaMet') }, {}, `${C}: cannot disable the SuccessCriteriaMet=True condition`],
    [
      { ...complete, conditions: is('Complete') },
      complete,
      `${C}: cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions`,
    ],
  ])('%j, then %j', (before, status, ...faults) => {
    const spec = JSON.stringify(status).includes('"completedIndexes"') ? { completions: 0 } : {};
    expect(statusFaults('Job', before, status, spec)).toEqual(faults);
  });

  test.each<[JsonObject, ...string[]]>([
    [{ completedIndexes: '0,2-3', failedIndexes: '1,4' }],
    [
      { completedIndexes: '2-1' },
      'status.completedIndexes: Invalid value: "2-1": error parsing completedIndexes: non-increasing order, previous: 2, current: 1',
    ],
    [{ failedIndexes: '7' }, 'status.failedIndexes: Invalid value: "7": error parsing failedIndexes: too large index: "7"'],
    [
      { completedIndexes: '0,2-4', failedIndexes: '1,3' },
      'status.failedIndexes: Invalid value: "1,3": failedIndexes and completedIndexes overlap at index: 3',
    ],
  ])('of an Indexed one: %j', (status, ...faults) => {
    expect(statusFaults('Job', {}, status, indexed)).toEqual(faults);
  });

  test('one that shrinks may count fewer; one with a success policy says that it was met', () => {
    expect(statusFaults('Job', { succeeded: 5 }, { succeeded: 2 }, { ...indexed, completions: 2 })).toEqual([]);
    expect(
      statusFaults(
        'Job',
        {},
        { ...complete, conditions: is('Complete') },
        { ...indexed, successPolicy: { rules: [{ succeededCount: 1 }] } },
      ),
    ).toContain(`${C}: cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True`);
  });
});

test('conditions of a PodDisruptionBudget', () => {
  const good = { type: 'A', status: 'True', reason: 'Fine', message: '', lastTransitionTime: start };
  const faults = (more: JsonObject): string[] =>
    statusFaults('PodDisruptionBudget', {}, { conditions: [applyMergePatch(good, more) as JsonObject] });
  const at = 'status.conditions[0]';
  expect(faults({})).toEqual([]);
  expect(statusFaults('PodDisruptionBudget', {}, { conditions: [good, good] })).toEqual([
    'status.conditions[1].type: Duplicate value: "A"',
  ]);
  expect(faults({ type: '' })[0]).toBe(`${at}.type: Invalid value: "": name part must be non-empty`);
  expect(faults({ status: 'Maybe' })).toEqual([`${at}.status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"`]);
  expect(faults({ observedGeneration: -1 })).toEqual([
    `${at}.observedGeneration: Invalid value: -1: must be greater than or equal to zero`,
  ]);
  expect(faults({ lastTransitionTime: null })).toEqual([`${at}.lastTransitionTime: Required value`]);
  expect(faults({ reason: '' })).toEqual([`${at}.reason: Required value`]);
  expect(faults({ reason: '1' })).toEqual([
    `${at}.reason: Invalid value: "1": a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name', or 'MY_NAME', or 'MyName', or 'ReasonA,ReasonB', or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')`,
  ]);
  expect(faults({ reason: 'a'.repeat(1025) })).toEqual([`${at}.reason: Too long: may not be more than 1024 bytes`]);
  expect(faults({ message: 'a'.repeat(32 * 1024 + 1) })).toEqual([`${at}.message: Too long: may not be more than 32768 bytes`]);
});

test('the phase of a Namespace goes with whether it is being deleted; its finalizers are no business of an update', () => {
  const info = kindInfo('Namespace');
  expect(statusFaults('Namespace', { phase: 'Active' }, { phase: 'Terminating' })).toEqual([
    'status.Phase: Invalid value: "Terminating": may only be \'Active\' if `deletionTimestamp` is empty',
  ]);
  const previous = admitted('Namespace', { metadata: { name: 'team' } });
  previous.metadata = { ...previous.metadata!, deletionTimestamp: start };
  previous.spec = { finalizers: ['kubernetes'] };
  const next = structuredClone(previous);
  expect(texts(info.validateStatusUpdate(next, previous))).toEqual([
    'status.Phase: Invalid value: "Active": may only be \'Terminating\' if `deletionTimestamp` is not empty',
  ]);
  next.spec = undefined;
  info.prepareForUpdate(next, previous);
  expect(next.spec).toEqual({ finalizers: ['kubernetes'] });
});

describe('warnings', () => {
  const NAME = 'which can result in surprising behavior; a DNS label is recommended: [must not contain dots]';
  const warned = (kind: Kind, manifest: JsonObject): string[] => kindInfo(kind).newWarnings(admitted(kind, manifest) as never);
  const cron = {
    metadata: { name: 'tick', namespace: 'default' },
    spec: { schedule: '* * * * *', jobTemplate: { spec: goodJob['spec'] as JsonObject } },
  };

  test.each<[Kind, JsonObject]>([
    ['Deployment', goodWorkload],
    ['ReplicaSet', goodWorkload],
    ['ReplicationController', goodController],
    ['Job', goodJob],
    ['CronJob', cron],
  ])('a name with dots: %s', (kind, good) => {
    const dotted = applyMergePatch(good, { metadata: { name: 'a.b' } }) as JsonObject;
    expect(warned(kind, good)).toEqual([]);
    expect(warned(kind, dotted)).toEqual([`metadata.name: this is used in Pod names and hostnames, ${NAME}`]);
    // Only of a new one: nothing can be done about it later.
    expect(kindInfo(kind).warnings(admitted(kind, dotted) as never)).toEqual([]);
  });

  test('a name with dots: Pod, DaemonSet', () => {
    expect(warned('Pod', applyMergePatch(goodPod, { metadata: { name: 'a.b' } }) as JsonObject)).toEqual([
      `metadata.name: this is used in the Pod's hostname, ${NAME}`,
    ]);
    expect(warned('DaemonSet', applyMergePatch(goodWorkload, { metadata: { name: 'a.b' } }) as JsonObject)).toEqual([]);
  });

  test('a job with very many indexes', () => {
    const spec = { completionMode: 'Indexed', completions: 100_001, parallelism: 10_001 };
    const text =
      'In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail';
    expect(warned('Job', applyMergePatch(goodJob, { spec }) as JsonObject)).toEqual([`spec: ${text}`]);
    expect(warned('CronJob', applyMergePatch(cron, { spec: { jobTemplate: { spec } } }) as JsonObject)).toEqual([
      `spec.jobTemplate.spec: ${text}`,
    ]);
    expect(warned('Job', applyMergePatch(goodJob, { spec: { ...spec, parallelism: 10_000 } }) as JsonObject)).toEqual([]);
  });

  test('a StatefulSet that keeps its whole history, or claims parts of bytes', () => {
    const claim = { metadata: { name: 'd' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1500m' } } } };
    expect(warned('StatefulSet', applyMergePatch(goodWorkload, { spec: { volumeClaimTemplates: [claim] } }) as JsonObject)).toEqual([
      'spec.volumeClaimTemplates[0].spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer',
    ]);
    expect(warned('StatefulSet', applyMergePatch(goodWorkload, { spec: { revisionHistoryLimit: -1 } }) as JsonObject)).toEqual([
      'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended',
    ]);
  });

  const C = 'spec.containers[0]';
  const two = (a: JsonObject, b: JsonObject): JsonObject =>
    podWith({
      containers: [
        { name: 'a', image: 'x', ports: [a] },
        { name: 'b', image: 'x', ports: [b] },
      ],
    });
  test.each<[string, JsonObject, ...string[]]>([
    [
      'a variable built upon',
      containerWith({
        env: [
          { name: 'A', value: '1' },
          { name: 'A', value: '$(A):2' },
        ],
      }),
    ],
    [
      'a variable set to itself',
      containerWith({
        env: [
          { name: 'A', value: '1' },
          { name: 'A', value: '$(A)' },
        ],
      }),
      `${C}.env[1]: hides previous definition of "A", which may be dropped when using apply`,
    ],
    [
      'one port twice',
      two({ containerPort: 80 }, { containerPort: 80, protocol: 'TCP' }),
      'spec.containers[1].ports[0]: duplicate port definition with spec.containers[0].ports[0]',
    ],
    ['one port of two protocols', two({ containerPort: 80 }, { containerPort: 80, protocol: 'UDP' })],
    [
      'one port with and without one of the host',
      two({ containerPort: 80 }, { containerPort: 80, hostPort: 8080 }),
      'spec.containers[1].ports[0]: overlapping port definition with spec.containers[0].ports[0]',
    ],
    [
      'one port of the host at one address and at all',
      two({ containerPort: 80, hostPort: 8080 }, { containerPort: 80, hostPort: 8080, hostIP: '10.0.0.1' }),
      'spec.containers[1].ports[0]: dangerously ambiguous port definition with spec.containers[0].ports[0]',
    ],
    [
      'one name for two ports',
      two({ containerPort: 80, name: 'http' }, { containerPort: 81, name: 'http' }),
      'spec.containers[1].ports[0]: duplicate port name "http" with spec.containers[0].ports[0], services and probes that select ports by name will use spec.containers[0].ports[0]',
    ],
    [
      'an old label of nodes',
      podWith({ nodeSelector: { 'beta.kubernetes.io/os': 'linux' } }),
      'spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead',
    ],
    [
      'an old label in an affinity',
      podWith({
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: 'node-role.kubernetes.io/master', operator: 'Exists' }] }],
            },
          },
        },
      }),
      'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key: node-role.kubernetes.io/master is use "node-role.kubernetes.io/control-plane" instead',
    ],
    [
      'one address twice',
      podWith({
        hostAliases: [
          { ip: '10.0.0.1', hostnames: ['a'] },
          { ip: '10.0.0.1', hostnames: ['b'] },
        ],
      }),
      'spec.hostAliases[1].ip: duplicate ip "10.0.0.1"',
    ],
    [
      'one secret twice',
      podWith({ imagePullSecrets: [{ name: 'a' }, { name: 'a' }] }),
      'spec.imagePullSecrets[1].name: duplicate name "a"',
    ],
    [
      'files that hide each other',
      podWith({
        volumes: [
          {
            name: 'a',
            configMap: {
              name: 'c',
              items: [
                { key: 'x', path: 'p' },
                { key: 'y', path: 'p/q' },
                { key: 'z', path: 'pq' },
              ],
            },
          },
          {
            name: 'b',
            secret: {
              secretName: 's',
              items: [
                { key: 'x', path: 'p' },
                { key: 'y', path: 'p/' },
              ],
            },
          },
          {
            name: 'c',
            projected: {
              sources: [
                { configMap: { name: 'c', items: [{ key: 'x', path: 'p' }] } },
                { serviceAccountToken: { path: 'p', expirationSeconds: 600 } },
              ],
            },
          },
        ],
      }),
      'volume "a" (ConfigMap "c"): overlapping paths: "p/q" with "p"',
      'volume "b" (Secret "s"): overlapping paths: "p" with "p"',
      'volume "c" (Projected): overlapping paths: "p" (ServiceAccountToken) with "p" (ConfigMap "c")',
    ],
    [
      'parts of bytes',
      containerWith({ resources: { limits: { memory: '100m' } } }),
      `${C}.resources.limits[memory]: fractional byte value "100m" is invalid, must be an integer`,
      `${C}.resources.requests[memory]: fractional byte value "100m" is invalid, must be an integer`,
    ],
  ])('%s', (_what, pod, ...sentences) => {
    expect(warned('Pod', pod)).toEqual(sentences);
  });

  test('annotations that are fields now', () => {
    const key = 'scheduler.alpha.kubernetes.io/critical-pod';
    const change = { spec: { template: { metadata: { annotations: { [key]: '' } } } } };
    expect(warned('Deployment', applyMergePatch(goodWorkload, change) as JsonObject)).toEqual([
      `spec.template.metadata.annotations[${key}]: non-functional in v1.16+; use the "priorityClassName" field instead`,
    ]);
    expect(warned('Pod', applyMergePatch(goodPod, { metadata: { annotations: { [key]: '' } } }) as JsonObject)).toEqual([
      `metadata.annotations[${key}]: non-functional in v1.16+; use the "priorityClassName" field instead`,
    ]);
  });
});
