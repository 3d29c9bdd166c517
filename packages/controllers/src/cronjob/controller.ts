// CronJobs: a Job for each time of the schedule. Which times are due is in times.ts; what becomes of the Jobs is their own controller's.
import { CronJobStatus } from '@podplane/api/gen/podplane/batch/v1/cron_job';
import { Job as JobMessage } from '@podplane/api/gen/podplane/batch/v1/job';
import { deepEqual } from '@podplane/api/kinds/equal';
import { jobKind, setJobSelector } from '@podplane/api/kinds/job';
import type { KindMap, Obj } from '@podplane/api/kinds/kind-map';
import { controllerOf, isBeingDeleted } from '@podplane/api/pod-state';
import type { Change, ReadView } from '@podplane/store/types';
import type { ReconcileContext, ReconcileResult, Reconciler } from '../runtime/types.js';
import { Backlog } from '../shared/backlog.js';
import { controllerReference, keyOf, nameOf, namespaceOf, parseKey, regarding, uidOf } from '../shared/objects.js';
import { durationText, timeOf } from '../shared/time.js';
import { dueOf, MANY, SCHEDULE_SINCE, scheduleOf, secondsText, zonedText } from './times.js';

type CronJob = Obj<'CronJob'>;
type Job = Obj<'Job'>;

const SCHEDULED = 'batch.kubernetes.io/cronjob-scheduled-timestamp';
/** Clocks are set, and machines sleep: no time is slept for longer than this, ms, so nothing is late by more. */
const LONGEST_SLEEP = 60_000;
/** Most jobs deleted in one reconcile. */
const BURST = 250;

/** Jobs that are to go since a limit is lower. */
interface Clearing {
  readonly spec: CronJob['spec'];
  readonly jobs: Backlog;
}

const ended = (job: Job): 'Complete' | 'Failed' | undefined => {
  const found = job.status?.conditions.find(({ type, status }) => status === 'True' && (type === 'Complete' || type === 'Failed'));
  return found === undefined ? undefined : found.type === 'Complete' ? 'Complete' : 'Failed';
};

export class CronJobController implements Reconciler {
  readonly name = 'cronjob';
  /** Up to which missed time was told, by uid. Losing it tells once more. */
  readonly #told = new Map<string, number>();
  /** For which time it was told that an earlier job still runs, by uid. */
  readonly #waiting = new Map<string, number>();
  /** The schedule of each CronJob as it was last seen, by key. */
  readonly #schedules = new Map<string, { readonly uid: string; readonly text: string }>();
  /** Jobs that somebody else made for a CronJob and that were told, by its uid. */
  readonly #others = new Map<string, Set<string>>();

  /** By key. Losing it costs one look at all jobs. */
  readonly #clearing = new Map<string, Clearing>();

  *keysFor(change: Change): Iterable<string> {
    if (change.kind === 'CronJob') yield keyOf(change.object);
    else if (change.kind === 'Job') {
      const owner = controllerOf(change.object);
      if (owner?.kind === 'CronJob') yield `${namespaceOf(change.object)}/${owner.name}`;
    }
  }

  *allKeys(view: ReadView): Iterable<string> {
    for (const cron of view.list('CronJob')) yield keyOf(cron);
  }

  reconcile(key: string, context: ReconcileContext): ReconcileResult {
    const { namespace, name } = parseKey(key);
    const { tx, now } = context;
    const found = tx.get('CronJob', namespace, name);
    if (found?.spec === undefined) {
      this.#schedules.delete(key);
      this.#clearing.delete(key);
      return undefined;
    }
    const cron = this.#noteSchedule(context, key, found);
    const uid = uidOf(cron);
    if (isBeingDeleted(cron)) {
      this.#told.delete(uid);
      this.#waiting.delete(uid);
      this.#others.delete(uid);
      return undefined;
    }
    const event = (type: 'Normal' | 'Warning', reason: string, message: string): void =>
      context.event({ regarding: regarding('CronJob', cron), type, reason, message });
    // Of very many, nothing else is looked at before they are gone.
    if (this.#clearSome(key, cron, context, event)) return { requeueAfterMs: 0 };
    const jobs = [...tx.index('Job', 'controller', uid)].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
    const status = this.#observe(cron, jobs, event);
    const excess = excessOf(cron, jobs);
    for (const job of excess.slice(0, BURST)) deleteJob(context, cron, job, event);
    const more = excess.length > BURST;
    if (more) {
      const left = new Backlog();
      for (const job of excess.slice(BURST)) left.add('Job', job);
      this.#clearing.set(key, { spec: cron.spec, jobs: left });
    }
    let wait = Number.POSITIVE_INFINITY;
    const schedule = scheduleOf(cron);
    if (schedule === undefined) event('Warning', 'UnParseableCronJobSchedule', `unparseable schedule: ${cron.spec?.schedule ?? ''}`);
    else if (cron.spec?.suspend !== true) {
      const due = dueOf(cron, schedule, now);
      this.#tellMissed(cron, due, event);
      if (due.time !== undefined) this.#start(context, cron, due.time, jobs, status, event);
      if (due.next !== undefined) wait = Math.min(LONGEST_SLEEP, due.next - now);
    }
    if (!deepEqual(cron.status, status)) tx.update('CronJob', { ...cron, status }, 'any');
    if (more) return { requeueAfterMs: 0 };
    return Number.isFinite(wait) ? { requeueAfterMs: Math.max(1, wait) } : undefined;
  }

  /** A schedule that was changed holds from then on: its times of before were never due. Kubernetes starts the newest of them at its next look. */
  #noteSchedule({ tx, now }: ReconcileContext, key: string, cron: CronJob): CronJob {
    const { schedule = '', timeZone = '' } = cron.spec ?? {};
    const seen = { uid: uidOf(cron), text: `${schedule} ${timeZone}` };
    const before = this.#schedules.get(key);
    this.#schedules.set(key, seen);
    if (before === undefined || before.uid !== seen.uid || before.text === seen.text || cron.metadata === undefined) return cron;
    const annotations = { ...cron.metadata.annotations, [SCHEDULE_SINCE]: secondsText(now) };
    return tx.update('CronJob', { ...cron, metadata: { ...cron.metadata, annotations } }, 'any');
  }

  /** Deletes some of those that were found to be too many. Returns whether there are more. */
  #clearSome(key: string, cron: CronJob, context: ReconcileContext, event: Tell): boolean {
    const clearing = this.#clearing.get(key);
    if (clearing === undefined) return false;
    const some = clearing.spec === cron.spec ? clearing.jobs.take(context.tx, BURST) : [];
    for (const { object } of some) if (!isBeingDeleted(object)) deleteJob(context, cron, object as Job, event);
    if (some.length > 0 && clearing.jobs.size > 0) return true;
    this.#clearing.delete(key);
    return false;
  }

  /** The status after what became of its jobs. */
  #observe(cron: CronJob, jobs: readonly Job[], event: Tell): CronJobStatus {
    const known = new Map((cron.status?.active ?? []).map((one) => [one.uid ?? '', one.name ?? '']));
    let success = timeOf(cron.status?.lastSuccessfulTime) || 0;
    for (const job of jobs) {
      const how = ended(job);
      if (how === undefined) {
        if (!known.has(uidOf(job)) && !isBeingDeleted(job)) this.#tellOther(cron, job, event);
        continue;
      }
      if (known.has(uidOf(job))) event('Normal', 'SawCompletedJob', `Saw completed job: ${nameOf(job)}, condition: ${how}`);
      if (how === 'Complete') success = Math.max(success, timeOf(job.status?.completionTime) || 0);
    }
    const there = new Set(jobs.map(uidOf));
    for (const [uid, name] of known) if (!there.has(uid)) event('Normal', 'MissingJob', `Active job went missing: ${name}`);
    return CronJobStatus.fromPartial({
      // A job that somebody else made in our name (a run by hand) is nobody's reason to wait, nor to be replaced.
      active: jobs.filter((job) => ended(job) === undefined && known.has(uidOf(job))).map(referenceTo),
      lastScheduleTime: cron.status?.lastScheduleTime,
      lastSuccessfulTime: success === 0 ? undefined : secondsText(success),
    });
  }

  #tellOther(cron: CronJob, job: Job, event: Tell): void {
    const told = this.#others.get(uidOf(cron)) ?? new Set();
    if (told.has(uidOf(job))) return;
    this.#others.set(uidOf(cron), told.add(uidOf(job)));
    event('Warning', 'UnexpectedJob', `Saw a job that the controller did not create or forgot: ${nameOf(job)}`);
  }

  #tellMissed(cron: CronJob, { missed, firstMissed, lastMissed, time }: ReturnType<typeof dueOf>, event: Tell): void {
    if (missed === 0 || firstMissed === undefined || lastMissed === undefined) return;
    const before = this.#told.get(uidOf(cron)) ?? 0;
    // Those that wait for an earlier job are not missed for good before a newer one is due.
    if (lastMissed <= before) return;
    this.#told.set(uidOf(cron), lastMissed);
    const when = missed === 1 ? secondsText(firstMissed) : `from ${secondsText(firstMissed)} to ${secondsText(lastMissed)}`;
    const count = missed >= MANY ? `${MANY} or more` : String(missed);
    const what = `Missed ${count} scheduled time${missed === 1 ? '' : 's'} (${when})`;
    const seconds = cron.spec?.startingDeadlineSeconds;
    const then =
      time === undefined
        ? `; more than ${seconds ?? 0} s late, so no job is started for ${missed === 1 ? 'it' : 'them'}`
        : `; only the newest, ${secondsText(time)}, still counts`;
    event('Warning', missed >= MANY ? 'TooManyMissedTimes' : 'MissSchedule', what + then);
  }

  #start(context: ReconcileContext, cron: CronJob, time: number, jobs: readonly Job[], status: CronJobStatus, event: Tell): void {
    const { tx, now } = context;
    const own = new Set(status.active.map((one) => one.uid ?? ''));
    // One that is being deleted still runs: it is there until its pods have ended.
    const running = jobs.filter((job) => own.has(uidOf(job)));
    const policy = cron.spec?.concurrencyPolicy;
    if (policy === 'Forbid' && running.length > 0) {
      if (this.#waiting.get(uidOf(cron)) === time) return;
      this.#waiting.set(uidOf(cron), time);
      event('Normal', 'JobAlreadyActive', 'Not starting job because prior execution is running and concurrency policy is Forbid');
      return;
    }
    const name = `${nameOf(cron)}-${Math.floor(time / 60_000)}`;
    const taken = tx.get('Job', namespaceOf(cron), name);
    if (taken !== undefined && controllerOf(taken)?.uid !== uidOf(cron)) {
      event('Warning', 'FailedCreate', `Error creating job: jobs.batch "${name}" already exists and belongs to something else`);
      return;
    }
    if (policy === 'Replace') {
      for (const job of running) {
        if (!isBeingDeleted(job)) tx.markDeleted('Job', namespaceOf(job), nameOf(job), 0);
        context.becauseFor(job, `concurrencyPolicy Replace: the run of ${secondsText(time)} takes its place`);
        event('Normal', 'SuccessfulDelete', `Deleted job ${nameOf(job)}`);
      }
      status.active = [];
    }
    status.lastScheduleTime = secondsText(time);
    if (taken !== undefined) return;
    tx.create('Job', newJob(cron, name, time, now));
    const job = tx.edit('Job', namespaceOf(cron), name, setJobSelector);
    status.active.push(referenceTo(job));
    const late = now - time > 1000 ? `, ${durationText(now - time)} late` : '';
    context.because(`schedule ${cron.spec?.schedule ?? ''} of CronJob ${nameOf(cron)} due ${secondsText(time)}${late}`);
    event('Normal', 'SuccessfulCreate', `Created job ${name}`);
  }
}

type Tell = (type: 'Normal' | 'Warning', reason: string, message: string) => void;

function referenceTo(job: Job): CronJobStatus['active'][number] {
  const { name, namespace, uid, resourceVersion } = job.metadata ?? {};
  void resourceVersion; // it would change with every status of the job
  return { kind: 'Job', apiVersion: 'batch/v1', name, namespace, uid };
}

/** The Job for one time. Named after it, so that there is never a second one. */
function newJob(cron: CronJob, name: string, time: number, now: number): KindMap['Job'] {
  const { jobTemplate } = cron.spec ?? {};
  const job = JobMessage.fromPartial({
    metadata: {
      name,
      namespace: namespaceOf(cron),
      labels: { ...jobTemplate?.metadata?.labels },
      annotations: { ...jobTemplate?.metadata?.annotations, [SCHEDULED]: zonedText(time, cron.spec?.timeZone) },
    },
  });
  job.spec = structuredClone(jobTemplate?.spec) as KindMap['Job']['spec'];
  jobKind.setDefaults(job);
  jobKind.prepareForCreate(job, now);
  job.metadata?.ownerReferences.push(controllerReference('CronJob', cron));
  return job;
}

/** The ended jobs beyond the limits, the oldest first. */
function excessOf(cron: CronJob, jobs: readonly Job[]): Job[] {
  const limits = { Complete: cron.spec?.successfulJobsHistoryLimit ?? 3, Failed: cron.spec?.failedJobsHistoryLimit ?? 1 };
  return (['Complete', 'Failed'] as const).flatMap((how) => {
    const kept = jobs.filter((job) => ended(job) === how && !isBeingDeleted(job));
    const excess = kept.length - limits[how];
    if (excess <= 0) return [];
    const started = new Map(kept.map((job) => [job, timeOf(job.status?.startTime) || 0]));
    kept.sort((a, b) => (started.get(a) ?? 0) - (started.get(b) ?? 0) || (nameOf(a) < nameOf(b) ? -1 : 1));
    return kept.slice(0, excess);
  });
}

function deleteJob(context: ReconcileContext, cron: CronJob, job: Job, event: Tell): void {
  context.tx.markDeleted('Job', namespaceOf(job), nameOf(job), 0);
  const [limit, count] =
    ended(job) === 'Complete'
      ? (['successfulJobsHistoryLimit', cron.spec?.successfulJobsHistoryLimit ?? 3] as const)
      : (['failedJobsHistoryLimit', cron.spec?.failedJobsHistoryLimit ?? 1] as const);
  context.becauseFor(job, `${limit} ${count} of CronJob ${nameOf(cron)}`);
  event('Normal', 'SuccessfulDelete', `Deleted job ${nameOf(job)}`);
}
