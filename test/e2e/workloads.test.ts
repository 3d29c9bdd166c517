// DaemonSets, StatefulSets, Jobs and CronJobs on real Docker: each kind's main life, from the manifest to what its containers print.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually, Playground } from './harness.js';

const container = (script: string): string => `
      containers:
        - name: main
          image: podplane-example/web:1
          imagePullPolicy: IfNotPresent
          command: [node, -e, ${JSON.stringify(script)}]`;
const STAY = "console.log('up', require('os').hostname()); process.on('SIGTERM', () => process.exit(0)); setInterval(() => {}, 1e6)";

function workload(kind: string, name: string, more: string): string {
  return `apiVersion: apps/v1
kind: ${kind}
metadata: {name: ${name}}
spec:
  selector: {matchLabels: {app: ${name}}}
${more}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      terminationGracePeriodSeconds: 2${container(STAY)}
`;
}

interface JobObject {
  readonly status: {
    readonly succeeded?: number;
    readonly failed?: number;
    readonly completedIndexes?: string;
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason?: string;
      readonly message?: string;
    }[];
  };
}
interface PodList {
  readonly items: readonly { readonly metadata: { readonly name: string }; readonly spec: { readonly nodeName?: string } }[];
}

const answers = await engineAnswers();

describe.skipIf(!answers)('workloads', () => {
  const play = new Playground();
  const apply = async (manifest: string): Promise<void> => {
    const outcome = await play.cli(['apply', '-f', '-'], manifest);
    expect(outcome.code, outcome.stderr).toBe(0);
  };
  const ended = (name: string): Promise<JobObject> =>
    eventually(
      `job ${name} ends`,
      () => play.json<JobObject>('get', 'job', name),
      (job) => job.status.conditions?.some(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True') === true,
      120_000,
    );

  beforeAll(async () => {
    await play.start(2);
  });
  afterAll(async () => {
    await play.remove();
  });

  it('a DaemonSet runs once on each node and is rolled out anew', async () => {
    await apply(workload('DaemonSet', 'probe', ''));
    const { items } = await play.json<PodList>('get', 'pods', '-l', 'app=probe');
    expect(items.map(({ spec }) => spec.nodeName).sort()).toEqual([play.node(1), play.node(2)]);
    await play.must('rollout', 'restart', 'ds/probe');
    expect(await play.must('rollout', 'status', 'ds/probe')).toContain('successfully rolled out');
    expect(await play.must('rollout', 'history', 'ds/probe')).toMatch(/^1 .*\n2 /m);
  });

  it('a StatefulSet has its names and goes back to the revision before', async () => {
    await apply(workload('StatefulSet', 'db', '  replicas: 2\n  serviceName: db'));
    expect((await play.must('exec', 'db-1', '--', 'hostname')).trim()).toBe('db-1');
    await play.must('scale', 'sts/db', '--replicas', '3');
    await play.must('rollout', 'status', 'sts/db');
    const words = await eventually(
      'its first words',
      () => play.must('logs', 'db-2'),
      (text) => text !== '',
    );
    expect(words).toBe('up db-2\n');
    await play.must('rollout', 'restart', 'sts/db');
    await play.must('rollout', 'status', 'sts/db');
    await play.must('rollout', 'undo', 'sts/db');
    expect(await play.must('rollout', 'status', 'sts/db')).toContain('successfully rolled out');
  });

  it('an Indexed Job counts each index once; one that fails is told with its reason', async () => {
    await apply(`apiVersion: batch/v1
kind: Job
metadata: {name: sum}
spec:
  completions: 5
  parallelism: 3
  completionMode: Indexed
  template:
    spec:
      restartPolicy: Never${container("console.log('index', process.env.JOB_COMPLETION_INDEX, require('os').hostname())")}
---
apiVersion: batch/v1
kind: Job
metadata: {name: broken}
spec:
  suspend: true
  podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: [42]}}]}
  template:
    spec:
      restartPolicy: Never${container('process.exit(42)')}
`);
    expect((await ended('sum')).status).toMatchObject({ succeeded: 5, completedIndexes: '0-4' });
    const lines = await eventually(
      'five lines',
      async () => (await play.must('logs', 'job/sum')).trim().split('\n').sort(),
      ({ length }) => length >= 5,
    );
    expect(lines).toEqual([0, 1, 2, 3, 4].map((index) => `index ${index} sum-${index}`));
    const resumed = await play.cli(
      ['apply', '-f', '-'],
      (await play.must('get', 'job', 'broken', '-o', 'yaml')).replace('suspend: true', 'suspend: false'),
    );
    // Whether apply still saw it running is a matter of milliseconds.
    expect(resumed.stdout + resumed.stderr).toContain('job.batch/broken configured');
    const failed = (await ended('broken')).status.conditions?.find(({ type }) => type === 'Failed');
    expect(failed).toMatchObject({ reason: 'PodFailurePolicy' });
    expect(failed?.message).toContain('failed with exit code 42 matching FailJob rule at index 0');
    await play.must('delete', 'job', 'sum', 'broken');
    expect((await play.json<PodList>('get', 'pods', '-l', 'job-name')).items).toEqual([]);
  });

  it('a CronJob starts a job at the next minute', async () => {
    await apply(`apiVersion: batch/v1
kind: CronJob
metadata: {name: tick}
spec:
  schedule: '* * * * *'
  timeZone: Europe/Berlin
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: OnFailure${container("console.log('tick')").replaceAll('\n', '\n    ')}
`);
    const line = await eventually(
      'a job of tick ends',
      () => play.must('get', 'jobs').catch(() => ''),
      (table) => /^tick-\d+ +Complete +1\/1/m.test(table),
      180_000,
    );
    expect(line).toMatch(/tick-\d+/);
    expect(await play.must('logs', 'cj/tick')).toBe('tick\n');
  });
});
