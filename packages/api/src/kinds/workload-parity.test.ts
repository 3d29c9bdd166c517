// What Kubernetes 1.34 says of workloads besides the tables in the files beside: found by holding every message of pkg/apis/apps, batch, policy
// and core/validation (ReplicationController, metadata) against ours. Where a path differs on purpose, ours is the one in the manifest:
// `template.metadata.labels` for `template.labels`, and the index of a list where Kubernetes leaves it out.
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../decode/tree.js';
import { applyMergePatch } from '../patch.js';
import { kindInfo } from './catalogue.js';
import type { Kind } from './kind-names.js';
import { admitted, createFaults, goodController, goodJob, goodWorkload, updateFaults } from './testing/pods.js';

const goodCron: JsonObject = {
  metadata: { name: 'tick', namespace: 'default' },
  spec: { schedule: '*/5 * * * *', jobTemplate: { spec: goodJob['spec'] as JsonObject } },
};
const goodBudget: JsonObject = { metadata: { name: 'web', namespace: 'default' }, spec: { selector: { matchLabels: { app: 'web' } } } };
const goods: Partial<Record<Kind, JsonObject>> = {
  Deployment: goodWorkload,
  ReplicaSet: goodWorkload,
  DaemonSet: goodWorkload,
  StatefulSet: goodWorkload,
  ReplicationController: goodController,
  Job: goodJob,
  CronJob: goodCron,
  PodDisruptionBudget: goodBudget,
  ControllerRevision: { metadata: { name: 'a', namespace: 'default' }, data: { a: 1 }, revision: 1 },
};
const base = (kind: Kind): JsonObject => goods[kind] ?? {};
const withSpec = (kind: Kind, spec: JsonObject): JsonObject => applyMergePatch(base(kind), { spec }) as JsonObject;
const withMeta = (kind: Kind, metadata: JsonObject): JsonObject => applyMergePatch(base(kind), { metadata }) as JsonObject;

const MISMATCH = '`selector` does not match template `labels`';
const NEGATIVE = 'must be greater than or equal to 0';
const LABELS = 'spec.template.metadata.labels';
const POLICY = 'spec.template.spec.restartPolicy: Unsupported value';
const near = { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'a', operator: 'Near' }] };
const NEAR = '{"matchLabels":{"app":"web"},"matchExpressions":[{"key":"a","operator":"Near"}]}';
const NOT_AN_OPERATOR = 'spec.selector.matchExpressions[0].operator: Invalid value: "Near": not a valid selector operator';
const NAME = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const NAME_HOW = "(e.g. 'MyName', or 'my.name', or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const RULE = 'spec.podFailurePolicy.rules[0]';
const rule = (one: JsonObject): JsonObject => ({ podFailurePolicy: { rules: [one] } });
const codes = (onExitCodes: JsonObject): JsonObject => rule({ action: 'Ignore', onExitCodes });
const many = (count: number, one: JsonObject): JsonObject[] => Array.from({ length: count }, () => one);
const indexed = { completionMode: 'Indexed', completions: 5 };
const success = (...rules: JsonObject[]): JsonObject => ({ ...indexed, successPolicy: { rules } });
const INDEXES = 'spec.successPolicy.rules[0].succeededIndexes: Invalid value';
const huge = { completionMode: 'Indexed', completions: 100_001, backoffLimitPerIndex: 1 };
const WITH_MANY = 'must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index';

describe('a new', () => {
  test.each<[Kind, JsonObject, ...string[]]>([
    // ------------------------------------------------------------------------------------------------- selectors, templates
    ['Deployment', { selector: null }, 'spec.selector: Required value', `${LABELS}: Invalid value: {"app":"web"}: ${MISMATCH}`],
    ['ReplicaSet', { selector: null }, 'spec.selector: Required value', `${LABELS}: Invalid value: {"app":"web"}: ${MISMATCH}`],
    ['StatefulSet', { selector: null }, 'spec.selector: Required value', `${LABELS}: Invalid value: {"app":"web"}: ${MISMATCH}`],
    ['Deployment', { selector: near }, NOT_AN_OPERATOR, `spec.selector: Invalid value: ${NEAR}: invalid label selector`],
    ['ReplicaSet', { selector: near }, NOT_AN_OPERATOR, `spec.selector: Invalid value: ${NEAR}: invalid label selector`],
    ['StatefulSet', { selector: near }, NOT_AN_OPERATOR, `spec.selector: Invalid value: ${NEAR}`],
    ['DaemonSet', { selector: near }, NOT_AN_OPERATOR],
    [
      'ReplicaSet',
      { selector: { matchLabels: { app: null } } },
      'spec.selector: Invalid value: {}: empty selector is invalid for deployment',
    ],
    ['Deployment', { template: { metadata: { labels: null } } }, `${LABELS}: Invalid value: null: ${MISMATCH}`],
    ['Deployment', { template: null }, `${LABELS}: Invalid value: null: ${MISMATCH}`, 'spec.template.spec.containers: Required value'],
    ['ReplicationController', { template: { spec: null } }, 'spec.template.spec.containers: Required value'],
    [
      'Deployment',
      { template: { spec: { restartPolicy: 'Now' } } },
      `${POLICY}: "Now": supported values: "Always", "OnFailure", "Never"`,
      `${POLICY}: "Now": supported values: "Always"`,
    ],
    ['Deployment', { template: { metadata: { labels: { 'a b': 'c' } } } }, `${LABELS}: Invalid value: "a b": ${NAME} ${NAME_HOW}`],
    [
      'Deployment',
      { template: { metadata: { annotations: { 'a b': 'c' } } } },
      `spec.template.metadata.annotations: Invalid value: "a b": ${NAME} ${NAME_HOW}`,
    ],
    ['ReplicationController', { selector: { app: 'other' }, template: { metadata: null } }, `${LABELS}: Invalid value: null: ${MISMATCH}`],
    // ----------------------------------------------------------------------------------------------------------- Deployment
    ['Deployment', { minReadySeconds: -1 }, `spec.minReadySeconds: Invalid value: -1: ${NEGATIVE}`],
    ['Deployment', { revisionHistoryLimit: -1 }, `spec.revisionHistoryLimit: Invalid value: -1: ${NEGATIVE}`],
    [
      'Deployment',
      { progressDeadlineSeconds: -1 },
      `spec.progressDeadlineSeconds: Invalid value: -1: ${NEGATIVE}`,
      'spec.progressDeadlineSeconds: Invalid value: -1: must be greater than minReadySeconds',
    ],
    [
      'Deployment',
      { strategy: { rollingUpdate: { maxUnavailable: '0%', maxSurge: '0%' } } },
      'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0',
    ],
    [
      'Deployment',
      { strategy: { rollingUpdate: { maxUnavailable: -1, maxSurge: 0 } } },
      'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: -1: must be greater than or equal to 0',
    ],
    ['Deployment', { strategy: { rollingUpdate: { maxSurge: '200%' } } }],
    ['ReplicaSet', { replicas: -1 }, `spec.replicas: Invalid value: -1: ${NEGATIVE}`],
    ['ReplicaSet', { minReadySeconds: -1 }, `spec.minReadySeconds: Invalid value: -1: ${NEGATIVE}`],
    // ------------------------------------------------------------------------------------------------------------ DaemonSet
    ['DaemonSet', { revisionHistoryLimit: -1 }, `spec.revisionHistoryLimit: Invalid value: -1: ${NEGATIVE}`],
    [
      'DaemonSet',
      { updateStrategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: '101%' } } },
      'spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: "101%": must not be greater than 100%',
    ],
    [
      'DaemonSet',
      { updateStrategy: { rollingUpdate: { maxUnavailable: 'x' } } },
      `spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "x": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%', or '93%', regex used for validation is '[0-9]+%')`,
      'spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0',
    ],
    // ---------------------------------------------------------------------------------------------------------- StatefulSet
    ['StatefulSet', { minReadySeconds: -1 }, `spec.minReadySeconds: Invalid value: -1: ${NEGATIVE}`],
    ['StatefulSet', { revisionHistoryLimit: -1 }],
    [
      'StatefulSet',
      { persistentVolumeClaimRetentionPolicy: { whenScaled: 'Burn' } },
      'spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "Burn": supported values: "Retain", "Delete"',
    ],
    // ------------------------------------------------------------------------------------------------------------------ Job
    ['Job', { activeDeadlineSeconds: -1 }, `spec.activeDeadlineSeconds: Invalid value: -1: ${NEGATIVE}`],
    ['Job', { ttlSecondsAfterFinished: -1 }, `spec.ttlSecondsAfterFinished: Invalid value: -1: ${NEGATIVE}`],
    ['Job', { ...indexed, backoffLimitPerIndex: -1 }, `spec.backoffLimitPerIndex: Invalid value: -1: ${NEGATIVE}`],
    ['Job', { ...indexed, backoffLimitPerIndex: 1, maxFailedIndexes: -1 }, `spec.maxFailedIndexes: Invalid value: -1: ${NEGATIVE}`],
    [
      'Job',
      { maxFailedIndexes: 1 },
      'spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified',
      'spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode',
    ],
    [
      'Job',
      { ...indexed, parallelism: 100_001 },
      'spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed',
    ],
    ['Job', huge, 'spec.maxFailedIndexes: Required value: must be specified when completions is above 100000'],
    ['Job', { ...huge, maxFailedIndexes: 10_001 }, `spec.maxFailedIndexes: Invalid value: 10001: ${WITH_MANY}`],
    ['Job', { ...huge, maxFailedIndexes: 1, parallelism: 10_001 }, `spec.parallelism: Invalid value: 10001: ${WITH_MANY}`],
    [
      'Job',
      { ...huge, completions: 200_000, maxFailedIndexes: 100_001 },
      'spec.maxFailedIndexes: Invalid value: 100001: must be less than or equal to 100000',
      `spec.maxFailedIndexes: Invalid value: 100001: ${WITH_MANY}`,
    ],
    [
      'Job',
      { podReplacementPolicy: 'Soon' },
      'spec.podReplacementPolicy: Unsupported value: "Soon": supported values: "Failed", "TerminatingOrFailed"',
    ],
    [
      'Job',
      { template: { spec: { restartPolicy: 'Now' } } },
      `${POLICY}: "Now": supported values: "Always", "OnFailure", "Never"`,
      `${POLICY}: "Now": supported values: "OnFailure", "Never"`,
    ],
    [
      'Job',
      { podFailurePolicy: { rules: [] }, template: { spec: { restartPolicy: null } } },
      'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ],
    [
      'Job',
      { template: null },
      'spec.template.spec.containers: Required value',
      'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ],
    [
      'Job',
      { template: { metadata: { labels: { 'job-name': 'mine', 'batch.kubernetes.io/job-name': 'sum' } } } },
      `${LABELS}[job-name]: Invalid value: {"job-name":"mine","batch.kubernetes.io/job-name":"sum"}: must be 'sum'`,
    ],
    [
      'Job',
      { template: { metadata: { labels: { 'controller-uid': 'mine' } } } },
      `${LABELS}[controller-uid]: Invalid value: {"controller-uid":"mine"}: must be left out: the server sets it`,
    ],
    ['Job', { manualSelector: true, selector: { matchLabels: { a: 'b' } } }, `${LABELS}: Invalid value: null: ${MISMATCH}`],
    [
      'Job',
      {
        ...indexed,
        template: { metadata: { labels: { a: 'b' } } },
        manualSelector: true,
        selector: { matchExpressions: [{ key: 'a', operator: 'Near' }] },
      },
      NOT_AN_OPERATOR,
    ],
    // ----------------------------------------------------------------------------------------------------- podFailurePolicy
    [
      'Job',
      { podFailurePolicy: { rules: many(21, { action: 'Ignore', onPodConditions: [{ type: 'A' }] }) } },
      'spec.podFailurePolicy.rules: Too many: 21: must have at most 20 items',
    ],
    [
      'Job',
      rule({ action: '', onPodConditions: [{ type: 'A' }] }),
      `${RULE}.action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]`,
    ],
    [
      'Job',
      rule({ action: 'Cry', onPodConditions: [{ type: 'A' }] }),
      `${RULE}.action: Unsupported value: "Cry": supported values: "Count", "FailIndex", "FailJob", "Ignore"`,
    ],
    ['Job', rule({ action: 'Ignore' }), `${RULE}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required`],
    [
      'Job',
      rule({ action: 'Ignore', onExitCodes: { operator: 'In', values: [1] }, onPodConditions: [{ type: 'A' }] }),
      `${RULE}: Invalid value: specifying both OnExitCodes and OnPodConditions is not supported`,
    ],
    ['Job', codes({ operator: '', values: [1] }), `${RULE}.onExitCodes.operator: Required value: valid values: ["In" "NotIn"]`],
    [
      'Job',
      codes({ operator: 'Is', values: [1] }),
      `${RULE}.onExitCodes.operator: Unsupported value: "Is": supported values: "In", "NotIn"`,
    ],
    [
      'Job',
      codes({ operator: 'In', values: [1], containerName: 'z' }),
      `${RULE}.onExitCodes.containerName: Invalid value: "z": must be one of the container or initContainer names in the pod template`,
    ],
    ['Job', codes({ operator: 'NotIn', values: [] }), `${RULE}.onExitCodes.values: Invalid value: []: at least one value is required`],
    [
      'Job',
      codes({ operator: 'In', values: Array.from({ length: 256 }, (_, i) => i + 1) }),
      `${RULE}.onExitCodes.values: Too many: 256: must have at most 255 items`,
    ],
    [
      'Job',
      codes({ operator: 'In', values: [2, 1, 2] }),
      `${RULE}.onExitCodes.values[2]: Duplicate value: 2`,
      `${RULE}.onExitCodes.values: Invalid value: [2,1,2]: must be ordered`,
    ],
    [
      'Job',
      rule({ action: 'Ignore', onPodConditions: many(21, { type: 'A' }) }),
      `${RULE}.onPodConditions: Too many: 21: must have at most 20 items`,
    ],
    [
      'Job',
      rule({ action: 'Ignore', onPodConditions: [{ type: 'a b' }] }),
      `${RULE}.onPodConditions[0].type: Invalid value: "a b": ${NAME} ${NAME_HOW}`,
    ],
    [
      'Job',
      rule({ action: 'Ignore', onPodConditions: [{ type: 'A', status: 'Maybe' }] }),
      `${RULE}.onPodConditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"`,
    ],
    // -------------------------------------------------------------------------------------------------------- successPolicy
    [
      'Job',
      success(),
      'spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy is specified',
    ],
    ['Job', success(...many(21, { succeededCount: 1 })), 'spec.successPolicy.rules: Too many: 21: must have at most 20 items'],
    [
      'Job',
      success({}),
      'spec.successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be specified',
    ],
    ['Job', success({ succeededCount: -1 }), `spec.successPolicy.rules[0].succeededCount: Invalid value: -1: ${NEGATIVE}`],
    [
      'Job',
      success({ succeededCount: 3, succeededIndexes: '0,2' }),
      'spec.successPolicy.rules[0].succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)',
    ],
    [
      'Job',
      success({ succeededIndexes: '1-2-3' }),
      `${INDEXES}: "1-2-3": error parsing succeededIndexes: the fragment "1-2-3" violates the requirement that an index interval can have at most two parts separated by '-'`,
    ],
    [
      'Job',
      success({ succeededIndexes: 'x' }),
      `${INDEXES}: "x": error parsing succeededIndexes: cannot convert string to integer for index: "x"`,
    ],
    [
      'Job',
      success({ succeededIndexes: '3-1' }),
      `${INDEXES}: "3-1": error parsing succeededIndexes: non-increasing order, previous: 3, current: 1`,
    ],
    [
      'Job',
      success({ succeededIndexes: '2,1' }),
      `${INDEXES}: "2,1": error parsing succeededIndexes: non-increasing order, previous: 2, current: 1`,
    ],
    ['Job', success({ succeededIndexes: '5' }), `${INDEXES}: "5": error parsing succeededIndexes: too large index: "5"`],
    // -------------------------------------------------------------------------------------------------------------- CronJob
    ['CronJob', { schedule: '0 0 * * 7' }, 'spec.schedule: Invalid value: "0 0 * * 7": end of range (7) above maximum (6): 7'],
    [
      'CronJob',
      { schedule: 'TZ=UTC 61 * * * *', timeZone: 'UTC' },
      'spec.schedule: Invalid value: "TZ=UTC 61 * * * *": end of range (61) above maximum (59): 61',
      'spec.schedule: Invalid value: "TZ=UTC 61 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
    ],
    ['CronJob', { timeZone: '+01:00' }, 'spec.timeZone: Invalid value: "+01:00": unknown time zone +01:00'],
    ['CronJob', { timeZone: '../etc' }, 'spec.timeZone: Invalid value: "../etc": unknown time zone ../etc'],
    ['CronJob', { successfulJobsHistoryLimit: -1 }, `spec.successfulJobsHistoryLimit: Invalid value: -1: ${NEGATIVE}`],
    ['CronJob', { failedJobsHistoryLimit: -1 }, `spec.failedJobsHistoryLimit: Invalid value: -1: ${NEGATIVE}`],
    [
      'CronJob',
      { jobTemplate: { spec: { selector: { matchLabels: { a: 'b' } } } } },
      'spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` will be auto-generated',
    ],
    [
      'CronJob',
      { jobTemplate: { spec: { completions: -1, backoffLimitPerIndex: 1 } } },
      `spec.jobTemplate.spec.completions: Invalid value: -1: ${NEGATIVE}`,
      'spec.jobTemplate.spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode',
    ],
    [
      'CronJob',
      { jobTemplate: null },
      'spec.jobTemplate.spec.template.spec.containers: Required value',
      'spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ],
    // -------------------------------------------------------------------------------------------------- PodDisruptionBudget
    [
      'PodDisruptionBudget',
      { selector: { matchLabels: { 'a b': 'c' } } },
      `spec.selector.matchLabels: Invalid value: "a b": ${NAME} ${NAME_HOW}`,
    ],
    [
      'PodDisruptionBudget',
      {
        selector: {
          matchExpressions: [
            { key: 'a', operator: 'In' },
            { key: 'b', operator: 'Exists', values: ['c'] },
          ],
        },
      },
      "spec.selector.matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
      "spec.selector.matchExpressions[1].values: Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
    ],
  ])('%s %j', (kind, spec, ...faults) => {
    expect(createFaults(kind, withSpec(kind, spec))).toEqual(faults);
  });

  test('workload says nothing at all', () => {
    const bare = { metadata: { name: 'web', namespace: 'default' } };
    const containers = 'spec.template.spec.containers: Required value';
    const mismatch = `${LABELS}: Invalid value: null: ${MISMATCH}`;
    const never = 'restartPolicy: Required value: valid values: "OnFailure", "Never"';
    for (const kind of ['Deployment', 'ReplicaSet', 'StatefulSet', 'DaemonSet'] as const)
      expect(createFaults(kind, bare)).toEqual(['spec.selector: Required value', mismatch, containers]);
    expect(createFaults('ReplicationController', bare)).toEqual(['spec.selector: Required value', 'spec.template: Required value']);
    expect(createFaults('Job', bare)).toEqual([containers, `spec.template.spec.${never}`]);
    expect(createFaults('CronJob', bare)).toEqual([
      'spec.schedule: Required value',
      'spec.jobTemplate.spec.template.spec.containers: Required value',
      `spec.jobTemplate.spec.template.spec.${never}`,
    ]);
    expect(createFaults('PodDisruptionBudget', bare)).toEqual([]);
  });
});

describe('metadata', () => {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'a', uid: 'u1' };
  const REF = 'metadata.ownerReferences[0]';
  test.each<[Kind, JsonObject, ...string[]]>([
    ['StatefulSet', { name: 'a.b' }, 'metadata.name: Invalid value: "a.b": must not contain dots'],
    ['Deployment', { name: 'a.b' }],
    ['Deployment', { ownerReferences: [{ ...owner, apiVersion: '' }] }, `${REF}.apiVersion: Invalid value: "": version must not be empty`],
    [
      'Deployment',
      { ownerReferences: [{ ...owner, apiVersion: 'a/b/c' }] },
      `${REF}.apiVersion: Invalid value: "a/b/c": version must not be empty`,
    ],
    ['Deployment', { ownerReferences: [{ ...owner, kind: '' }] }, `${REF}.kind: Invalid value: "": must not be empty`],
    ['Deployment', { ownerReferences: [{ ...owner, name: '' }] }, `${REF}.name: Invalid value: "": must not be empty`],
    ['Deployment', { ownerReferences: [{ ...owner, uid: '' }] }, `${REF}.uid: Invalid value: "": must not be empty`],
    [
      'Deployment',
      { ownerReferences: [{ apiVersion: 'v1', kind: 'Event', name: 'a', uid: 'u1' }] },
      `${REF}: Invalid value: {"apiVersion":"v1","kind":"Event","name":"a","uid":"u1"}: /v1, Kind=Event is disallowed from being an owner`,
    ],
    ['Deployment', { finalizers: ['orphan', 'kubernetes', 'a.example/b', 'a.example/b'] }],
    [
      'Deployment',
      { finalizers: ['mine'] },
      'metadata.finalizers[0]: Invalid value: "mine": name is neither a standard finalizer name nor is it fully qualified',
    ],
    [
      'Deployment',
      { finalizers: ['a b'] },
      `metadata.finalizers[0]: Invalid value: "a b": ${NAME} ${NAME_HOW}`,
      'metadata.finalizers[0]: Invalid value: "a b": name is neither a standard finalizer name nor is it fully qualified',
    ],
    [
      'Deployment',
      { finalizers: ['orphan', 'foregroundDeletion'] },
      'metadata.finalizers: Invalid value: ["orphan","foregroundDeletion"]: finalizer orphan and foregroundDeletion cannot be both set',
    ],
  ])('%s %j', (kind, metadata, ...faults) => {
    expect(createFaults(kind, withMeta(kind, metadata))).toEqual(faults);
  });

  test('two controllers: each after the first is held against the first', () => {
    const controller = (name: string): JsonObject => ({ ...owner, name, controller: true });
    const faults = createFaults('Deployment', withMeta('Deployment', { ownerReferences: ['a', 'b', 'c'].map(controller) }));
    expect(faults.map((one) => one.replace(/^.*\]: /, ''))).toEqual(
      ['b', 'c'].map(
        (name) => `Only one reference can have Controller set to true. Found "true" in references for ReplicaSet/a and ReplicaSet/${name}`,
      ),
    );
  });

  test('the last pod of an Indexed job must have a host name', () => {
    const named = (completions: number): JsonObject =>
      applyMergePatch(goodJob, { metadata: { name: 'a'.repeat(61) }, spec: { completionMode: 'Indexed', completions } }) as JsonObject;
    expect(createFaults('Job', named(10))).toEqual([]);
    expect(createFaults('Job', named(11))).toEqual([
      `metadata.name: Invalid value: "${'a'.repeat(61)}": will not able to create pod with invalid DNS label: ${'a'.repeat(61)}-10`,
    ]);
  });

  test('a name that is no longer allowed can still be changed under, and let go', () => {
    const long = applyMergePatch(goodCron, { metadata: { name: 'a'.repeat(60) } }) as JsonObject;
    expect(updateFaults('CronJob', long, { spec: { suspend: true } })).toEqual([]);
    const dotted = applyMergePatch(goodWorkload, { metadata: { name: 'a.b' } }) as JsonObject;
    expect(updateFaults('StatefulSet', dotted, { spec: { replicas: 0 } })).toEqual([]);
  });
});

describe('a change of', () => {
  test.each<[Kind, JsonObject, JsonObject, ...string[]]>([
    ['Job', indexed, { completions: 3 }, 'spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism'],
    [
      'Job',
      {},
      rule({ action: 'Ignore', onPodConditions: [{ type: 'A' }] }),
      'spec.podFailurePolicy: Invalid value: {"rules":[{"action":"Ignore","onPodConditions":[{"type":"A","status":"True"}]}]}: field is immutable',
    ],
    ['Job', indexed, { backoffLimitPerIndex: 1 }, 'spec.backoffLimitPerIndex: Invalid value: 1: field is immutable'],
    [
      'Job',
      indexed,
      { successPolicy: { rules: [{ succeededCount: 1 }] } },
      'spec.successPolicy: Invalid value: {"rules":[{"succeededCount":1}]}: field is immutable',
    ],
    [
      'Job',
      { suspend: true },
      { template: { metadata: { labels: { a: 'b' }, annotations: { c: 'd' } }, spec: { tolerations: [{ operator: 'Exists' }] } } },
    ],
    ['Deployment', {}, { replicas: -1 }, `spec.replicas: Invalid value: -1: ${NEGATIVE}`],
    ['StatefulSet', {}, { revisionHistoryLimit: 3, persistentVolumeClaimRetentionPolicy: { whenScaled: 'Delete' } }],
    ['CronJob', {}, { schedule: '* * *' }, 'spec.schedule: Invalid value: "* * *": expected exactly 5 fields, found 3: [* * *]'],
    ['CronJob', {}, { timeZone: 'Mars/Olympus' }, 'spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus'],
    [
      'PodDisruptionBudget',
      { minAvailable: 1 },
      { minAvailable: '200%' },
      'spec.minAvailable: Invalid value: "200%": must not be greater than 100%',
    ],
    ['PodDisruptionBudget', { minAvailable: 1 }, { minAvailable: null, maxUnavailable: 1, selector: { matchLabels: { app: 'other' } } }],
    ['ReplicationController', {}, { selector: { app: 'x' } }, `${LABELS}: Invalid value: {"app":"web"}: ${MISMATCH}`],
  ])('%s %j: %j', (kind, before, change, ...faults) => {
    expect(updateFaults(kind, withSpec(kind, before), { spec: change })).toEqual(faults);
  });

  test("a suspended job's affinity: to nodes only", () => {
    const affinity = (more: JsonObject): JsonObject => ({ spec: { template: { spec: { affinity: more } } } });
    const nodeAffinity = {
      preferredDuringSchedulingIgnoredDuringExecution: [
        { weight: 1, preference: { matchExpressions: [{ key: 'a', operator: 'Exists' }] } },
      ],
    };
    const podAffinity = { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'kubernetes.io/hostname', labelSelector: {} }] };
    const suspended = withSpec('Job', { suspend: true });
    expect(updateFaults('Job', suspended, affinity({ nodeAffinity }))).toEqual([]);
    expect(updateFaults('Job', applyMergePatch(suspended, affinity({ nodeAffinity })) as JsonObject, affinity(null as never))).toEqual([]);
    expect(updateFaults('Job', suspended, affinity({ podAffinity })).at(-1)).toMatch(
      /^spec\.template: Invalid value: .*: field is immutable$/,
    );
  });

  test('a ControllerRevision: its revision, not its data', () => {
    expect(updateFaults('ControllerRevision', base('ControllerRevision'), { revision: -1 })).toEqual([
      `revision: Invalid value: -1: ${NEGATIVE}`,
    ]);
  });

  test('times that only the server sets: what is sent is not looked at', () => {
    expect(updateFaults('Deployment', goodWorkload, { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } })).toEqual([
      'metadata.deletionTimestamp: Invalid value: "2026-01-01T00:00:00Z": field is immutable',
    ]);
    const info = kindInfo('Deployment');
    const previous = admitted('Deployment', goodWorkload);
    const times = {
      uid: 'u1',
      creationTimestamp: '2026-01-01T00:00:00Z',
      deletionTimestamp: '2026-01-02T00:00:00Z',
      deletionGracePeriodSeconds: 0,
    };
    previous.metadata = { ...previous.metadata!, ...times };
    const next = structuredClone(previous);
    next.metadata = {
      ...next.metadata!,
      ...times,
      uid: undefined,
      creationTimestamp: '2020-01-01T00:00:00Z',
      deletionTimestamp: undefined,
    };
    info.prepareForUpdate(next, previous);
    expect(next.metadata).toMatchObject(times);
    expect(info.validateUpdate(next, previous)).toEqual([]);
  });
});
