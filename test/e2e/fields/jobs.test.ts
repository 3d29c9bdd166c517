// What a manifest says of Jobs and CronJobs, seen in how often, when and with what end their pods run.
import type { KindMap } from '@podplane/api/kinds/kind-map';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { engineAnswers, eventually } from '../harness.js';
import { FieldCluster, FOREVER, PATIENCE_MS, scriptContainer } from './field-cluster.js';

type Job = KindMap['Job'];
type Pod = KindMap['Pod'];

const answers = await engineAnswers();
const DONE = 'process.exit(0)';
/** Ends as its index says: 0 well, others with their number. */
const BY_INDEX = 'process.exit(Number(process.env.JOB_COMPLETION_INDEX))';

const spec = (more: string, script: string, policy = 'Never', container = ''): string => `${more}
  template:
    metadata: {annotations: {example.com/note: kept}}
    spec:
      restartPolicy: ${policy}
      terminationGracePeriodSeconds: 0
      containers: [${scriptContainer('main', script, container)}]
`;

const job = (name: string, more: string, script: string, policy?: string): string => `---
apiVersion: batch/v1
kind: Job
metadata: {name: ${name}}
spec:
  ${spec(more, script, policy)}`;

const cron = (name: string, more: string, jobSpec: string): string => `---
apiVersion: batch/v1
kind: CronJob
metadata: {name: ${name}}
spec:
  schedule: '* * * * *'
  ${more}
  jobTemplate:
    metadata: {labels: {of: ${name}}, annotations: {example.com/note: from ${name}}}
    spec:
      ${jobSpec.trimEnd().replaceAll('\n', '\n    ')}\n`;

describe.skipIf(!answers)('jobs', () => {
  const cluster = new FieldCluster();
  let applied = 0;

  const condition = (
    { status }: Job,
    type: string,
  ): { readonly reason?: string | undefined; readonly message?: string | undefined } | undefined =>
    status?.conditions.find((one) => one.type === type && one.status === 'True');
  const until = (name: string, what: string, satisfied: (job: Job) => boolean): Promise<Job> =>
    eventually(`job ${name} ${what}`, () => cluster.get('Job', name), satisfied, PATIENCE_MS);
  const ended = (name: string): Promise<Job> =>
    until(name, 'ends', (one) => (condition(one, 'Complete') ?? condition(one, 'Failed')) !== undefined);
  const podsOf = async (name: string): Promise<Pod[]> =>
    (await cluster.client.list('Pod', { namespace: 'default', labelSelector: `batch.kubernetes.io/job-name=${name}` })).items;
  const isGone = async (name: string): Promise<boolean> =>
    (await cluster.client.list('Job', { namespace: 'default', fieldSelector: `metadata.name=${name}` })).items.length === 0;
  /** Jobs of a CronJob, oldest first. */
  const jobsOf = async (name: string): Promise<Job[]> =>
    (await cluster.client.list('Job', { namespace: 'default', labelSelector: `of=${name}` })).items.sort((a, b) =>
      (a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1,
    );
  const firstOf = async (name: string): Promise<Job> => {
    const found = await eventually(
      `the first job of ${name}`,
      () => jobsOf(name),
      (jobs) => jobs.length > 0,
      PATIENCE_MS,
    );
    return found[0] as Job;
  };

  beforeAll(async () => {
    await cluster.start(1);
    applied = Date.now();
    await cluster.apply(
      [
        // First, as the next minute may be a minute away.
        cron(
          'tick',
          'timeZone: Europe/Berlin\n  successfulJobsHistoryLimit: 0',
          spec('completions: 2\n  parallelism: 2\n  ttlSecondsAfterFinished: 3600', DONE),
        ),
        cron(
          'whole',
          // All that succeed are kept, so that the first one is there as long as the tests.
          'failedJobsHistoryLimit: 0\n  successfulJobsHistoryLimit: 100\n  startingDeadlineSeconds: 100',
          spec(
            "completions: 2\n  parallelism: 1\n  completionMode: Indexed\n  backoffLimitPerIndex: 0\n  maxFailedIndexes: 1\n  podReplacementPolicy: Failed\n  podFailurePolicy: {rules: [{action: FailIndex, onExitCodes: {operator: In, values: [9]}}]}\n  successPolicy: {rules: [{succeededIndexes: '0', succeededCount: 1}]}\n  activeDeadlineSeconds: 300\n  backoffLimit: 3",
            BY_INDEX,
          ),
        ),
        cron('idle', 'suspend: true', spec('suspend: true', DONE)),
        cron('held', 'concurrencyPolicy: Forbid', spec('suspend: true', DONE)),
        job('sum', 'completions: 3\n  parallelism: 2', DONE),
        job(
          'each',
          'completions: 3\n  parallelism: 3\n  completionMode: Indexed\n  backoffLimitPerIndex: 0\n  maxFailedIndexes: 3',
          BY_INDEX,
        ),
        job(
          'most',
          'completions: 4\n  parallelism: 1\n  completionMode: Indexed\n  backoffLimitPerIndex: 0\n  maxFailedIndexes: 0',
          `process.exit(1)`,
        ),
        job('again', 'backoffLimit: 0', 'process.exit(1)'),
        job('late', 'activeDeadlineSeconds: 1', FOREVER),
        job('short', 'ttlSecondsAfterFinished: 0', DONE),
        job('policy', 'podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {operator: In, values: [42]}}]}', 'process.exit(42)'),
        job(
          'enough',
          "completions: 2\n  parallelism: 2\n  completionMode: Indexed\n  successPolicy: {rules: [{succeededIndexes: '0'}]}",
          `if (process.env.JOB_COMPLETION_INDEX === '0') process.exit(0); ${FOREVER}`,
        ),
        job('asleep', 'suspend: true', DONE),
        job('theirs', 'managedBy: example.com/queue', DONE),
        cron('queued', '', spec('managedBy: example.com/queue', DONE)),
        job('replaced', 'podReplacementPolicy: Failed', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1e6)"),
      ].join(''),
    );
    await cluster.apply(`apiVersion: batch/v1
kind: Job
metadata: {name: own}
spec:
  manualSelector: true
  selector: {matchLabels: {mine: "yes"}}
  template:
    metadata: {labels: {mine: "yes"}}
    spec: {restartPolicy: Never, containers: [${scriptContainer('main', DONE)}]}
`);
  });
  afterAll(async () => {
    await cluster.remove();
  });

  it('Job spec.completions, Job spec.parallelism, Job spec.template.metadata: so many succeed, at most so many at once', async () => {
    const { status, spec: kept } = await ended('sum');
    expect(status).toMatchObject({ succeeded: 3, failed: 0 });
    expect(kept?.parallelism).toBe(2);
    const pods = await podsOf('sum');
    expect(pods.map(({ metadata }) => metadata?.annotations['example.com/note'])).toEqual(['kept', 'kept', 'kept']);
    // The third was made when one of the first two had ended.
    const [made, over] = [
      pods.map(({ metadata }) => Date.parse(metadata?.creationTimestamp ?? '')).sort((a, b) => a - b),
      pods.map((pod) => Date.parse(pod.status?.containerStatuses[0]?.state?.terminated?.finishedAt ?? '')).sort((a, b) => a - b),
    ];
    expect(made[2]).toBeGreaterThanOrEqual((over[0] ?? Number.NaN) - 1000);
  });

  it('Job spec.completionMode, Job spec.backoffLimitPerIndex, Job spec.maxFailedIndexes: each index by itself; too many that failed end the job', async () => {
    const each = await ended('each');
    expect(each.status).toMatchObject({ succeeded: 1, completedIndexes: '0', failedIndexes: '1,2', failed: 2 });
    expect(condition(each, 'Failed')?.reason).toBe('FailedIndexes');
    const most = await ended('most');
    expect(condition(most, 'Failed')?.reason).toBe('MaxFailedIndexesExceeded');
    expect(most.status).toMatchObject({ failedIndexes: '0', failed: 1 });
  });

  it('Job spec.backoffLimit: with none the first failure is the last', async () => {
    const again = await ended('again');
    expect(condition(again, 'Failed')?.reason).toBe('BackoffLimitExceeded');
    expect(again.status?.failed).toBe(1);
  });

  it('Job spec.activeDeadlineSeconds: it is ended after it, its pods with it', async () => {
    const late = await ended('late');
    expect(condition(late, 'Failed')?.reason).toBe('DeadlineExceeded');
    await eventually(
      'no pod of it runs',
      () => podsOf('late'),
      (pods) => pods.every(({ status }) => status?.phase !== 'Running'),
      PATIENCE_MS,
    );
  });

  it('Job spec.ttlSecondsAfterFinished: it is deleted with its pods', async () => {
    await eventually(
      'the job is gone',
      () => isGone('short'),
      (gone) => gone,
      PATIENCE_MS,
    );
    await eventually(
      'its pods are gone',
      () => podsOf('short'),
      (pods) => pods.length === 0,
      PATIENCE_MS,
    );
  });

  it('Job spec.podFailurePolicy, Job spec.successPolicy: an exit code ends it as failed, an index as succeeded', async () => {
    const policy = condition(await ended('policy'), 'Failed');
    expect([policy?.reason, policy?.message]).toEqual([
      'PodFailurePolicy',
      expect.stringContaining('failed with exit code 42 matching FailJob rule at index 0'),
    ]);
    const enough = await ended('enough');
    expect([condition(enough, 'SuccessCriteriaMet')?.reason, enough.status?.completedIndexes]).toEqual(['SuccessPolicy', '0']);
  });

  it('Job spec.suspend: no pod while it is, and its pods when it is resumed', async () => {
    await until('asleep', 'is suspended', (one) => condition(one, 'Suspended') !== undefined);
    expect(await podsOf('asleep')).toEqual([]);
    await cluster.client.mergePatch('Job', 'default', 'asleep', { spec: { suspend: false } });
    expect((await ended('asleep')).status?.succeeded).toBe(1);
  });

  it('Job spec.managedBy, CronJob spec.jobTemplate.spec.managedBy: another controller gives such jobs pods and a status, nobody else', async () => {
    await ended('sum');
    const theirs = await cluster.get('Job', 'theirs');
    expect([theirs.status?.conditions, theirs.status?.startTime, await podsOf('theirs')]).toEqual([[], undefined, []]);
    const status = { active: 1, startTime: '2026-01-01T00:00:00Z' };
    await cluster.client.mergePatch('Job', 'default', 'theirs', { status }, { subresource: 'status' });
    expect((await until('theirs', 'says what its controller said', (one) => one.status?.active === 1)).status?.conditions).toEqual([]);
    const made = await firstOf('queued');
    expect([made.spec?.managedBy, made.status?.conditions, await podsOf(made.metadata?.name ?? '')]).toEqual(['example.com/queue', [], []]);
  });

  it('Job spec.podReplacementPolicy: a pod that is ending is replaced when it has ended', async () => {
    const { metadata } = await until('replaced', 'runs', ({ status }) => status?.ready === 1);
    const [pod] = await podsOf('replaced');
    await cluster.client.delete('Pod', 'default', pod?.metadata?.name ?? '', { gracePeriodSeconds: 2 });
    const from = metadata?.resourceVersion;
    const terminating = await cluster.passing('Job', 'replaced', from, 'counts it', ({ status }) => status?.terminating === 1);
    expect(terminating.status?.active).toBe(0);
    await until('replaced', 'has the next one', ({ status }) => status?.active === 1 && status.failed === 1);
  });

  it('Job spec.manualSelector, Job spec.selector: pods are found by labels of its own; otherwise by the uid', async () => {
    expect((await ended('own')).status?.succeeded).toBe(1);
    expect((await cluster.get('Job', 'own')).spec?.selector?.matchLabels).toEqual({ mine: 'yes' });
    const { metadata, spec: set } = await cluster.get('Job', 'sum');
    expect(set?.selector?.matchLabels).toEqual({ 'batch.kubernetes.io/controller-uid': metadata?.uid });
  });

  it('CronJob spec.schedule, CronJob spec.timeZone, CronJob spec.jobTemplate.metadata: a job at the next minute, named after it, with labels and annotations', async () => {
    const first = await firstOf('whole');
    const minute = Number(/-(\d+)$/.exec(first.metadata?.name ?? '')?.[1]) * 60_000;
    expect(minute).toBeGreaterThanOrEqual(applied - 60_000);
    expect(Date.parse(first.metadata?.creationTimestamp ?? '')).toBeGreaterThanOrEqual(minute);
    expect(first.metadata?.annotations['example.com/note']).toBe('from whole');
    expect((await cluster.get('CronJob', 'tick')).spec?.timeZone).toBe('Europe/Berlin');
  });

  it('CronJob spec.suspend, CronJob spec.concurrencyPolicy: a suspended one starts none, Forbid none beside another', async () => {
    await firstOf('held');
    const { status } = await cluster.get('CronJob', 'held');
    expect([status?.active.length, (await jobsOf('held')).length]).toEqual([1, 1]);
    expect(await jobsOf('idle')).toEqual([]);
  });

  it('CronJob spec.successfulJobsHistoryLimit, CronJob spec.failedJobsHistoryLimit, CronJob spec.startingDeadlineSeconds: ended jobs go at once where none are kept', async () => {
    for (const name of ['tick', 'whole']) {
      await eventually(
        `${name} has been scheduled`,
        () => cluster.get('CronJob', name),
        ({ status }) => status?.lastScheduleTime !== undefined,
        PATIENCE_MS,
      );
    }
    await eventually(
      'the job of tick is gone',
      () => jobsOf('tick'),
      (jobs) => jobs.length === 0,
      PATIENCE_MS,
    );
    expect((await cluster.get('CronJob', 'tick')).status?.lastSuccessfulTime).toBeDefined();
    expect((await cluster.get('CronJob', 'whole')).spec?.startingDeadlineSeconds).toBe(100);
  });

  it('CronJob spec.jobTemplate.spec.completions, CronJob spec.jobTemplate.spec.parallelism, CronJob spec.jobTemplate.spec.completionMode, CronJob spec.jobTemplate.spec.backoffLimit, CronJob spec.jobTemplate.spec.backoffLimitPerIndex, CronJob spec.jobTemplate.spec.maxFailedIndexes, CronJob spec.jobTemplate.spec.activeDeadlineSeconds, CronJob spec.jobTemplate.spec.podFailurePolicy, CronJob spec.jobTemplate.spec.successPolicy, CronJob spec.jobTemplate.spec.podReplacementPolicy, CronJob spec.jobTemplate.spec.template.metadata: the job is as the template says, and ends so', async () => {
    const first = await firstOf('whole');
    expect(first.spec).toMatchObject({
      completions: 2,
      parallelism: 1,
      completionMode: 'Indexed',
      backoffLimit: 3,
      backoffLimitPerIndex: 0,
      maxFailedIndexes: 1,
      activeDeadlineSeconds: 300,
      podReplacementPolicy: 'Failed',
      podFailurePolicy: { rules: [{ action: 'FailIndex' }] },
      successPolicy: { rules: [{ succeededIndexes: '0' }] },
      template: { metadata: { annotations: { 'example.com/note': 'kept' } } },
    });
    const over = await ended(first.metadata?.name ?? '');
    expect([condition(over, 'SuccessCriteriaMet')?.reason, over.status?.completedIndexes]).toEqual(['SuccessPolicy', '0']);
  });

  it('CronJob spec.jobTemplate.spec.suspend, CronJob spec.jobTemplate.spec.ttlSecondsAfterFinished: its jobs are made suspended, or deleted after a time', async () => {
    const held = await firstOf('held');
    expect(held.spec?.suspend).toBe(true);
    expect(await podsOf(held.metadata?.name ?? '')).toEqual([]);
    expect((await cluster.get('CronJob', 'tick')).spec?.jobTemplate?.spec?.ttlSecondsAfterFinished).toBe(3600);
  });

  it('CronJob spec.jobTemplate.spec.manualSelector, CronJob spec.jobTemplate.spec.selector: are refused, as in Kubernetes: jobs of one selector would take pods of others', async () => {
    await expect(cluster.apply(cron('no', '', spec('manualSelector: true', DONE)))).rejects.toThrow(
      'spec.jobTemplate.spec.manualSelector: Unsupported value: true',
    );
    await expect(cluster.apply(cron('no', '', spec('selector: {matchLabels: {a: b}}', DONE)))).rejects.toThrow(
      'spec.jobTemplate.spec.selector: Invalid value',
    );
  });
});
