// The rarer faults of Jobs and CronJobs, in Kubernetes' words: limits of large jobs, policies, indexes, time zones; and what may change of one
// that waits. The common ones are in workloads.test.ts.
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../decode/tree.js';
import { applyMergePatch } from '../patch.js';
import type { Kind } from './kind-names.js';
import { createFaults, goodJob, updateFaults } from './testing/pods.js';

const goodCron: JsonObject = {
  metadata: { name: 'c', namespace: 'default' },
  spec: { schedule: '*/5 * * * *', jobTemplate: { spec: goodJob['spec'] as JsonObject } },
};
const withSpec = (kind: Kind, spec: JsonObject): JsonObject => applyMergePatch(kind === 'Job' ? goodJob : goodCron, { spec }) as JsonObject;
const indexed: JsonObject = { completionMode: 'Indexed', completions: 5 };

describe('faults', () => {
  test.each<[Kind, JsonObject, ...string[]]>([
    [
      'Job',
      { ...indexed, completions: 100_001, parallelism: 10_001, backoffLimitPerIndex: 1 },
      'spec.maxFailedIndexes: Required value: must be specified when completions is above 100000',
      'spec.parallelism: Invalid value: 10001: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index',
    ],
    [
      'Job',
      { ...indexed, completions: 200_000, backoffLimitPerIndex: 1, maxFailedIndexes: 100_001 },
      'spec.maxFailedIndexes: Invalid value: 100001: must be less than or equal to 100000',
      'spec.maxFailedIndexes: Invalid value: 100001: must be less than or equal to 10000 when completions are above 100000 and used with backoff limit per index',
    ],
    [
      'Job',
      { ...indexed, parallelism: 100_001 },
      'spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed',
    ],
    [
      'Job',
      { podFailurePolicy: { rules: [] }, template: { spec: { restartPolicy: 'Always' } } },
      'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ],
    [
      'Job',
      { podFailurePolicy: { rules: [{ action: '', onExitCodes: { operator: '', values: [2, 2, 1] } }] } },
      'spec.podFailurePolicy.rules[0].action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]',
      'spec.podFailurePolicy.rules[0].onExitCodes.operator: Required value: valid values: ["In" "NotIn"]',
      'spec.podFailurePolicy.rules[0].onExitCodes.values[1]: Duplicate value: 2',
      'spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [2,2,1]: must be ordered',
    ],
    [
      'Job',
      { podFailurePolicy: { rules: [{ action: 'Count', onPodConditions: Array.from({ length: 21 }, () => ({ type: 'A' })) }] } },
      'spec.podFailurePolicy.rules[0].onPodConditions: Too many: 21: must have at most 20 items',
    ],
    [
      'Job',
      {
        ...indexed,
        successPolicy: {
          rules: [
            { succeededIndexes: '1-2-3' },
            { succeededIndexes: '3,1' },
            { succeededIndexes: 'x' },
            { succeededIndexes: '0-1', succeededCount: 3 },
          ],
        },
      },
      `spec.successPolicy.rules[0].succeededIndexes: Invalid value: "1-2-3": error parsing succeededIndexes: the fragment "1-2-3" violates the requirement that an index interval can have at most two parts separated by '-'`,
      'spec.successPolicy.rules[1].succeededIndexes: Invalid value: "3,1": error parsing succeededIndexes: non-increasing order, previous: 3, current: 1',
      'spec.successPolicy.rules[2].succeededIndexes: Invalid value: "x": error parsing succeededIndexes: cannot convert string to integer for index: "x"',
      'spec.successPolicy.rules[3].succeededCount: Invalid value: 3: must be less than or equal to 2 (the number of indexes in the specified succeededIndexes field)',
    ],
    [
      'CronJob',
      { schedule: 'CRON_TZ=UTC * * * * *', timeZone: 'Etc/UTC' },
      'spec.schedule: Invalid value: "CRON_TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
    ],
    ['Job', { managedBy: 'kubernetes.io/job-controller' }],
    ['Job', { managedBy: 'example.com/a/b' }],
    ['Job', { managedBy: '' }, 'spec.managedBy: Required value'],
    ['Job', { managedBy: 'queue' }, 'spec.managedBy: Invalid value: "queue": must be a domain-prefixed path (such as "acme.io/foo")'],
    ['Job', { managedBy: `a.b/${'x'.repeat(60)}` }, 'spec.managedBy: Too long: may not be more than 63 bytes'],
    [
      'Job',
      { managedBy: 'a.b/x y' },
      "spec.managedBy: Invalid value: \"x y\": Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')",
    ],
    ['CronJob', { timeZone: '+01:00' }, 'spec.timeZone: Invalid value: "+01:00": unknown time zone +01:00'],
    ['CronJob', { timeZone: 'Etc/GMT+1' }],
  ])('%s %j', (kind, spec, ...faults) => {
    expect(createFaults(kind, withSpec(kind, spec))).toEqual(faults);
  });

  test('the name of an Indexed job leaves room for its indexes', () => {
    const named = (name: string): JsonObject =>
      applyMergePatch(withSpec('Job', { ...indexed, completions: 101 }), { metadata: { name } }) as JsonObject;
    expect(createFaults('Job', named('a'.repeat(59)))).toEqual([]);
    expect(createFaults('Job', named('a.b'))).toEqual([
      'metadata.name: Invalid value: "a.b": will not able to create pod with invalid DNS label: a.b-100',
    ]);
  });
});

describe('what may change', () => {
  test.each<[JsonObject, JsonObject, string[]]>([
    [indexed, { completions: 3 }, ['spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism']],
    [indexed, { parallelism: 3 }, []],
    [{ suspend: true }, { template: { metadata: { labels: { a: 'b' }, annotations: { c: 'd' } } } }, []],
    [{ suspend: true }, { template: { spec: { affinity: { nodeAffinity: {} } } } }, []],
  ])('of a Job %j: %j', (before, change, faults) => {
    expect(updateFaults('Job', withSpec('Job', before), { spec: change })).toEqual(faults);
  });

  test('not the labels of a job that is not suspended', () => {
    expect(updateFaults('Job', goodJob, { spec: { template: { metadata: { labels: { a: 'b' } } } } })[0]).toMatch(
      /^spec\.template: Invalid value: .*: field is immutable$/,
    );
  });
});
