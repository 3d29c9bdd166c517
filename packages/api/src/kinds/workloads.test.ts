// DaemonSets, StatefulSets, Jobs and CronJobs: what is wrong in them, in Kubernetes' words, what may not change, defaults, columns.
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../decode/tree.js';
import { applyMergePatch } from '../patch.js';
import { kindInfo } from './catalogue.js';
import { setJobSelector } from './job.js';
import type { Kind } from './kind-names.js';
import { admitted, createFaults, decoded, goodJob, goodWorkload, NOW, texts, updateFaults } from './testing/pods.js';

const goodCron: JsonObject = {
  metadata: { name: 'tick', namespace: 'default' },
  spec: { schedule: '*/5 * * * *', jobTemplate: { spec: goodJob['spec'] as JsonObject } },
};
const goods: Partial<Record<Kind, JsonObject>> = { DaemonSet: goodWorkload, StatefulSet: goodWorkload, Job: goodJob, CronJob: goodCron };
const withSpec = (kind: Kind, spec: JsonObject): JsonObject => applyMergePatch(goods[kind] ?? {}, { spec }) as JsonObject;
const indexed = { completionMode: 'Indexed', completions: 5 };

describe('faults', () => {
  test.each<[Kind, JsonObject, ...string[]]>([
    ['DaemonSet', { minReadySeconds: -1 }, 'spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0'],
    [
      'DaemonSet',
      { selector: { matchLabels: { app: 'x' } } },
      'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
    ],
    [
      'DaemonSet',
      { selector: { matchLabels: { app: null } } },
      'spec.selector: Invalid value: {}: empty selector is invalid for daemonset',
    ],
    [
      'DaemonSet',
      { updateStrategy: { type: 'Recreate' } },
      'spec.updateStrategy: Unsupported value: {"type":"Recreate"}: supported values: "RollingUpdate", "OnDelete"',
    ],
    [
      'DaemonSet',
      { updateStrategy: { rollingUpdate: { maxUnavailable: 0 } } },
      'spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0',
    ],
    [
      'DaemonSet',
      { updateStrategy: { rollingUpdate: { maxSurge: 1 } } },
      'spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero',
    ],
    [
      'DaemonSet',
      { updateStrategy: { rollingUpdate: { maxUnavailable: '101%' } } },
      'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
    ],
    ['DaemonSet', { updateStrategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: '10%' } } }],
    [
      'DaemonSet',
      { template: { spec: { restartPolicy: 'Never' } } },
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ],
    ['StatefulSet', { replicas: -1 }, 'spec.replicas: Invalid value: -1: must be greater than or equal to 0'],
    ['StatefulSet', { ordinals: { start: -1 } }, 'spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0'],
    [
      'StatefulSet',
      { podManagementPolicy: 'Random' },
      "spec.podManagementPolicy: Invalid value: \"Random\": must be 'OrderedReady' or 'Parallel'",
    ],
    [
      'StatefulSet',
      { updateStrategy: { type: 'Recreate' } },
      'spec.updateStrategy: Invalid value: {"type":"Recreate"}: must be \'RollingUpdate\' or \'OnDelete\'',
    ],
    [
      'StatefulSet',
      { updateStrategy: { rollingUpdate: { partition: -1 } } },
      'spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or equal to 0',
    ],
    [
      'StatefulSet',
      { updateStrategy: { type: 'OnDelete', rollingUpdate: { partition: 1 } } },
      'spec.updateStrategy.rollingUpdate: Invalid value: {"partition":1}: only allowed for updateStrategy \'RollingUpdate\'',
    ],
    [
      'StatefulSet',
      { updateStrategy: { rollingUpdate: { maxUnavailable: 0 } } },
      'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0',
    ],
    [
      'StatefulSet',
      { updateStrategy: { rollingUpdate: { maxUnavailable: '0%' } } },
      'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "0%": cannot be 0',
    ],
    [
      'StatefulSet',
      { updateStrategy: { rollingUpdate: { maxUnavailable: -1 } } },
      'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: -1: must be greater than or equal to 0',
    ],
    ['StatefulSet', { updateStrategy: { rollingUpdate: { maxUnavailable: '50%' } } }],
    [
      'StatefulSet',
      { updateStrategy: { rollingUpdate: { maxUnavailable: '200%' } } },
      'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "200%": must not be greater than 100%',
    ],
    [
      'StatefulSet',
      { volumeClaimTemplates: [{ metadata: { name: 'data' }, spec: {} }] },
      'spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required',
      'spec.volumeClaimTemplates[0].spec.resources[storage]: Required value',
    ],
    [
      'StatefulSet',
      { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Burn' } },
      'spec.persistentVolumeClaimRetentionPolicy.whenDeleted: Unsupported value: "Burn": supported values: "Retain", "Delete"',
    ],
    [
      'StatefulSet',
      { selector: { matchLabels: { app: null } } },
      'spec.selector: Invalid value: {}: empty selector is invalid for statefulset',
    ],
    ['Job', { completions: -1 }, 'spec.completions: Invalid value: -1: must be greater than or equal to 0'],
    ['Job', { parallelism: -1 }, 'spec.parallelism: Invalid value: -1: must be greater than or equal to 0'],
    ['Job', { backoffLimit: -1 }, 'spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0'],
    ['Job', { completions: 0, parallelism: 0 }],
    [
      'Job',
      { template: { spec: { restartPolicy: 'Always' } } },
      'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ],
    [
      'Job',
      { template: { spec: { restartPolicy: null } } },
      'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ],
    [
      'Job',
      { completionMode: 'Indexed', completions: null, parallelism: 2 },
      'spec.completions: Required value: when completion mode is Indexed',
    ],
    ['Job', { completionMode: 'Some' }, 'spec.completionMode: Unsupported value: "Some": supported values: "NonIndexed", "Indexed"'],
    ['Job', { backoffLimitPerIndex: 1 }, 'spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode'],
    [
      'Job',
      { ...indexed, maxFailedIndexes: 6, backoffLimitPerIndex: 1 },
      'spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions',
    ],
    ['Job', { ...indexed, maxFailedIndexes: 2 }, 'spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified'],
    [
      'Job',
      { selector: { matchLabels: { a: 'b' } } },
      'spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` not auto-generated',
    ],
    ['Job', { manualSelector: true }, 'spec.selector: Required value'],
    [
      'Job',
      { podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [3, 1] } }] } },
      'spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,1]: must be ordered',
    ],
    [
      'Job',
      { podFailurePolicy: { rules: [{ action: 'FailIndex', onExitCodes: { operator: 'In', values: [1] } }] } },
      'spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set',
    ],
    [
      'Job',
      { podFailurePolicy: { rules: [{ action: 'Ignore', onExitCodes: { operator: 'In', values: [0] } }] } },
      'spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator',
    ],
    [
      'Job',
      { podFailurePolicy: { rules: [] }, podReplacementPolicy: 'TerminatingOrFailed' },
      'spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"',
    ],
    [
      'Job',
      { podFailurePolicy: { rules: [] }, template: { spec: { restartPolicy: 'OnFailure' } } },
      'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified',
    ],
    [
      'Job',
      { successPolicy: { rules: [{ succeededCount: 1 }] } },
      'spec.successPolicy: Invalid value: {"rules":[{"succeededCount":1}]}: requires indexed completion mode',
    ],
    [
      'Job',
      { ...indexed, successPolicy: { rules: [{ succeededCount: 6 }] } },
      'spec.successPolicy.rules[0].succeededCount: Invalid value: 6: must be less than or equal to 5 (the number of specified completions)',
    ],
    [
      'Job',
      { ...indexed, successPolicy: { rules: [{ succeededIndexes: '3-9' }] } },
      'spec.successPolicy.rules[0].succeededIndexes: Invalid value: "3-9": error parsing succeededIndexes: too large index: "9"',
    ],
    ['CronJob', { schedule: '' }, 'spec.schedule: Required value'],
    ['CronJob', { schedule: '61 * * * *' }, 'spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61'],
    ['CronJob', { schedule: '* * * *' }, 'spec.schedule: Invalid value: "* * * *": expected exactly 5 fields, found 4: [* * * *]'],
    [
      'CronJob',
      { schedule: 'TZ=UTC * * * * *' },
      'spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
    ],
    ['CronJob', { timeZone: 'Mars/Olympus' }, 'spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus'],
    ['CronJob', { timeZone: '' }, 'spec.timeZone: Invalid value: "": timeZone must be nil or non-empty string'],
    [
      'CronJob',
      { timeZone: 'Local' },
      'spec.timeZone: Invalid value: "Local": timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones',
    ],
    [
      'CronJob',
      { concurrencyPolicy: 'Queue' },
      'spec.concurrencyPolicy: Unsupported value: "Queue": supported values: "Allow", "Forbid", "Replace"',
    ],
    ['CronJob', { startingDeadlineSeconds: -1 }, 'spec.startingDeadlineSeconds: Invalid value: -1: must be greater than or equal to 0'],
    [
      'CronJob',
      { jobTemplate: { spec: { template: { spec: { restartPolicy: 'Always' } } } } },
      'spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ],
    [
      'CronJob',
      { jobTemplate: { spec: { manualSelector: true } } },
      'spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "nil", "false"',
    ],
  ])('%s %j', (kind, spec, ...faults) => {
    expect(createFaults(kind, withSpec(kind, spec))).toEqual(faults);
  });

  test('the name of a CronJob leaves room for that of its jobs', () => {
    const named = (length: number): JsonObject => applyMergePatch(goodCron, { metadata: { name: 'a'.repeat(length) } }) as JsonObject;
    expect(createFaults('CronJob', named(52))).toEqual([]);
    expect(createFaults('CronJob', named(53))[0]).toContain('must be no more than 52 characters');
  });
});

describe('what may not change', () => {
  const changes =
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
  test.each<[Kind, JsonObject, JsonObject, string[]]>([
    ['DaemonSet', {}, { template: { spec: { hostname: 'x' } } }, []],
    ['StatefulSet', {}, { replicas: 9, minReadySeconds: 3, ordinals: { start: 2 }, template: { spec: { hostname: 'x' } } }, []],
    ['StatefulSet', {}, { serviceName: 'other' }, [`spec: Forbidden: ${changes}`]],
    ['StatefulSet', {}, { podManagementPolicy: 'Parallel' }, [`spec: Forbidden: ${changes}`]],
    [
      'Job',
      { completions: 3 },
      { parallelism: 5, suspend: true, backoffLimit: 9, activeDeadlineSeconds: 5, ttlSecondsAfterFinished: 0 },
      [],
    ],
    ['Job', {}, { completions: 2 }, ['spec.completions: Invalid value: 2: field is immutable']],
    ['Job', indexed, { completions: 3, parallelism: 3 }, []],
    ['Job', {}, { completionMode: 'Indexed', completions: 1 }, ['spec.completionMode: Invalid value: "Indexed": field is immutable']],
    ['Job', { suspend: true }, { template: { spec: { nodeSelector: { a: 'b' } } } }, []],
  ])('%s %j, %j', (kind, before, change, faults) => {
    expect(updateFaults(kind, withSpec(kind, before), { spec: change })).toEqual(faults);
  });

  test("the selector, and a running job's template", () => {
    expect(updateFaults('DaemonSet', goodWorkload, { spec: { selector: { matchLabels: { app: 'web', b: 'c' } } } }).join()).toContain(
      'spec.selector: Invalid value: ',
    );
    expect(updateFaults('Job', goodJob, { spec: { template: { spec: { nodeSelector: { a: 'b' } } } } })[0]).toMatch(
      /^spec\.template: Invalid value: .*: field is immutable$/,
    );
  });
});

test('a job gets its selector and labels with its uid, and keeps them when its manifest is sent again', () => {
  const job = admitted('Job', goodJob);
  setJobSelector(job);
  expect(job.spec?.selector).toBeUndefined();
  if (job.metadata !== undefined) job.metadata.uid = 'u1';
  setJobSelector(job);
  expect(job.spec?.selector?.matchLabels).toEqual({ 'batch.kubernetes.io/controller-uid': 'u1' });
  expect(job.spec?.template?.metadata?.labels).toEqual({
    'batch.kubernetes.io/controller-uid': 'u1',
    'batch.kubernetes.io/job-name': 'sum',
    'controller-uid': 'u1',
    'job-name': 'sum',
  });
  const info = kindInfo('Job');
  expect(texts(info.validateUpdate(job, job))).toEqual([]);
  const again = decoded('Job', goodJob);
  info.setDefaults(again);
  info.prepareForUpdate(again, job);
  expect(texts(info.validateUpdate(again, job))).toEqual([]);
  expect(again.spec).toEqual(job.spec);
});

test('defaults', () => {
  expect(admitted('DaemonSet', goodWorkload).spec).toMatchObject({
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
    revisionHistoryLimit: 10,
  });
  expect(admitted('StatefulSet', goodWorkload).spec).toMatchObject({
    replicas: 1,
    podManagementPolicy: 'OrderedReady',
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 0 } },
    revisionHistoryLimit: 10,
  });
  const job = { parallelism: 1, completions: 1, completionMode: 'NonIndexed', backoffLimit: 6, suspend: false, manualSelector: false };
  expect(admitted('Job', goodJob).spec).toMatchObject({ ...job, podReplacementPolicy: 'TerminatingOrFailed' });
  expect(admitted('Job', withSpec('Job', { parallelism: 3 })).spec?.completions).toBeUndefined();
  expect(admitted('Job', withSpec('Job', { ...indexed, backoffLimitPerIndex: 1 })).spec?.backoffLimit).toBe(2 ** 31 - 1);
  expect(admitted('CronJob', goodCron).spec).toMatchObject({
    concurrencyPolicy: 'Allow',
    suspend: false,
    successfulJobsHistoryLimit: 3,
    failedJobsHistoryLimit: 1,
    // Its jobs get the rest when they are made.
    jobTemplate: { spec: { completions: undefined, backoffLimit: undefined, template: { spec: { dnsPolicy: 'ClusterFirst' } } } },
  });
});

function cells(kind: Kind, manifest: JsonObject): Record<string, string> {
  const times = { metadata: { creationTimestamp: '2026-01-01T00:00:00Z' } };
  const object = decoded(kind, applyMergePatch(applyMergePatch(goods[kind] ?? {}, times), manifest) as JsonObject);
  return Object.fromEntries(kindInfo(kind).columns.map((column) => [column.name, column.value(object, { now: NOW })]));
}

test('columns', () => {
  expect(
    cells('DaemonSet', {
      spec: { template: { spec: { nodeSelector: { disk: 'ssd' } } } },
      status: { desiredNumberScheduled: 3, currentNumberScheduled: 2, numberReady: 1, updatedNumberScheduled: 2, numberAvailable: 1 },
    }),
  ).toMatchObject({ Desired: '3', Current: '2', Ready: '1', 'Up-to-date': '2', Available: '1', 'Node Selector': 'disk=ssd', Age: '10m' });
  expect(cells('StatefulSet', { spec: { replicas: 3 }, status: { readyReplicas: 2 } })).toMatchObject({ Ready: '2/3', Containers: 'a' });
  const start = { startTime: '2026-01-01T00:00:00Z', succeeded: 2 };
  expect(cells('Job', { spec: { completions: 5 }, status: start })).toMatchObject({
    Status: 'Running',
    Completions: '2/5',
    Duration: '10m',
  });
  expect(
    cells('Job', {
      spec: { parallelism: 3 },
      status: { ...start, completionTime: '2026-01-01T00:01:00Z', conditions: [{ type: 'Complete', status: 'True' }] },
    }),
  ).toMatchObject({ Status: 'Complete', Completions: '2/1 of 3', Duration: '60s' });
  expect(cells('CronJob', { status: { lastScheduleTime: '2026-01-01T00:05:00Z', active: [{ name: 'x' }] } })).toMatchObject({
    Schedule: '*/5 * * * *',
    Timezone: '<none>',
    Suspend: 'False',
    Active: '1',
    'Last Schedule': '5m',
  });
});
