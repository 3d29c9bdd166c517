// One look at one job that has not ended: counts what ended, decides, makes and deletes pods, writes the status. Which pods it gets, and when
// a look is made, is in controller.ts.
import type { ApiError } from '@podplane/api/errors';
import type { JobCondition, JobStatus } from '@podplane/api/gen/podplane/batch/v1/job';
import { deepEqual } from '@podplane/api/kinds/equal';
import { isBeingDeleted, isPodReady, isPodTerminal } from '@podplane/api/pod-state';
import type { Tx } from '@podplane/store/types';
import { isTerminating } from '../admission/namespace.js';
import { chooseForDeletion } from '../replicaset/ranking.js';
import { type ReconcileContext, type ReconcileResult, unlessDecided } from '../runtime/types.js';
import type { Ages } from '../shared/ages.js';
import { makePod } from '../shared/create-pod.js';
import { deletePod } from '../shared/delete-pod.js';
import { countText, nameOf, namespaceOf, namesText, regarding, uidOf } from '../shared/objects.js';
import { isRefused, tellRefused } from '../shared/refusals.js';
import { timeText } from '../shared/time.js';
import { backOffMs, type Failures } from './back-off.js';
import { judge, type Verdict } from './end.js';
import { endedAt, failuresBefore, ignoredBefore, indexOf, isIndexed, isTracked, type Job, newPod, type Pod, TRACKING } from './pods.js';
import { meaningOf } from './policies.js';
import { type Tally, tallyOf } from './tally.js';

/** Most pods made or let go in one look. */
const BURST = 500;
const EVENTS_EACH = 20;

/** Lets a pod go: it has been counted, or need not be. */
export function release(tx: Tx, pod: Pod): void {
  if (pod.metadata === undefined || !isTracked(pod)) return;
  const finalizers = pod.metadata.finalizers.filter((one) => one !== TRACKING);
  tx.update('Pod', { ...pod, metadata: { ...pod.metadata, finalizers } }, 'any');
}

/** Whether a condition of the job is true. */
export const holds = (job: Job, type: string): boolean =>
  job.status?.conditions.some((one) => one.type === type && one.status === 'True') === true;

function endingOf(verdict: Verdict | undefined): 'no' | 'failed' | 'succeeded' {
  if (verdict === undefined) return 'no';
  return verdict.succeeds ? 'succeeded' : 'failed';
}

export class Pass {
  readonly #context: ReconcileContext;
  readonly #job: Job;
  readonly #now: number;
  readonly #pods: readonly Pod[];
  readonly #failures: Failures;
  readonly #ages: Ages;
  #conditions: JobCondition[];
  #wait = Number.POSITIVE_INFINITY;
  /** Numbers that this pass changes after the count. */
  #active = 0;
  #ready = 0;
  #terminating = 0;
  #failed = 0;
  /** A pod could not be made, and may be later. */
  #refused = false;
  #said = false;

  /** pods: all but those that are over and counted. */
  constructor(context: ReconcileContext, job: Job, pods: readonly Pod[], failures: Failures, ages: Ages) {
    this.#context = context;
    this.#job = job;
    this.#pods = pods;
    this.#failures = failures;
    this.#ages = ages;
    this.#now = context.now;
    this.#conditions = (job.status?.conditions ?? []).map((one) => ({ ...one }));
  }

  run(): ReconcileResult {
    const job = this.#job;
    const suspended = job.spec?.suspend === true;
    let startTime = job.status?.startTime;
    let verdict = this.#standingVerdict();
    // A resumed job's time counts anew.
    const starts = startTime === undefined || (verdict === undefined && holds(job, 'Suspended'));
    if (!suspended && starts) startTime = timeText(this.#now);
    let tally = tallyOf(job, this.#pods, endingOf(verdict));
    if (verdict === undefined) {
      const judged = judge(job, tally, this.#pods, startTime, this.#now);
      verdict = judged.verdict;
      if (judged.againInMs !== undefined) this.#wait = Math.min(this.#wait, judged.againInMs);
      if (verdict !== undefined) {
        this.#setCondition(verdict.succeeds ? 'SuccessCriteriaMet' : 'FailureTarget', verdict);
        this.#say(`Job ${nameOf(job)}: ${this.#endWords(verdict)}`);
        tally = tallyOf(job, this.#pods, endingOf(verdict));
      }
    }
    for (const pod of tally.release.slice(0, BURST)) release(this.#context.tx, pod);
    if (tally.release.length > BURST) {
      // The rest is counted in the next pass: here only what was let go may be.
      return this.#partly(startTime, tally, endingOf(verdict));
    }
    this.#active = tally.active.length;
    this.#ready = tally.ready;
    this.#terminating = tally.terminating;
    this.#failed = tally.failed;
    // A job that is over is not suspended nor resumed any more.
    if (verdict === undefined) this.#suspension(suspended);
    if (verdict !== undefined) this.#endPods(tally, verdict);
    else if (suspended) this.#letGo(tally.active, 'Suspended');
    else if (!isBeingDeleted(job)) this.#manage(tally);
    const over = verdict !== undefined && this.#active === 0 && this.#terminating === 0;
    if (over && verdict !== undefined) this.#finish(verdict, tally.succeeded);
    this.#write(tally, startTime, over && verdict?.succeeds === true);
    const again = Number.isFinite(this.#wait) ? { requeueAfterMs: Math.max(0, this.#wait) } : {};
    return { ...again, refused: this.#refused };
  }

  /** Counts as many of the ended pods as one pass may. */
  #partly(startTime: string | undefined, tally: Tally, finishing: 'no' | 'failed' | 'succeeded'): ReconcileResult {
    const some = new Set(tally.release.slice(0, BURST));
    const rest = new Set(tally.release);
    const counted = tallyOf(
      this.#job,
      this.#pods.filter((pod) => some.has(pod) || !rest.has(pod)),
      finishing,
    );
    this.#active = counted.active.length;
    this.#ready = counted.ready;
    this.#terminating = counted.terminating;
    this.#failed = counted.failed;
    this.#write(counted, startTime, false);
    return { requeueAfterMs: 0 };
  }

  /** Says that the job was suspended or resumed, where it was. */
  #suspension(suspended: boolean): void {
    if (suspended === holds(this.#job, 'Suspended')) return;
    const [reason, message] = suspended ? (['JobSuspended', 'Job suspended'] as const) : (['JobResumed', 'Job resumed'] as const);
    this.#say(message);
    this.#setCondition('Suspended', { reason, message, succeeds: false }, suspended ? 'True' : 'False');
    this.#tell('Normal', suspended ? 'Suspended' : 'Resumed', message);
  }

  /** Why this pass writes; the last that is said holds. */
  #say(words: string): void {
    this.#said = true;
    this.#context.because(words, unlessDecided(this.#context, this.#job));
  }

  /** Decided already, and waiting for its pods to end. */
  #standingVerdict(): Verdict | undefined {
    for (const { type, status, reason, message } of this.#conditions) {
      if (status !== 'True' || (type !== 'FailureTarget' && type !== 'SuccessCriteriaMet')) continue;
      return { reason: reason ?? '', message: message ?? '', succeeds: type === 'SuccessCriteriaMet' };
    }
    return undefined;
  }

  #endPods(tally: Tally, verdict: Verdict): void {
    if (tally.active.length === 0) return;
    const replaceLate = this.#job.spec?.podReplacementPolicy === 'Failed';
    const names: string[] = [];
    for (const pod of tally.active) {
      names.push(nameOf(pod));
      // Ended by us: it is counted here, unless it shall be seen to its end first.
      if (!replaceLate || verdict.succeeds) {
        this.#letGoOne(pod);
        if (!verdict.succeeds) this.#failed++;
      } else {
        const left = deletePod(this.#context.tx, pod);
        this.#leaves(pod);
        if (left !== undefined) this.#terminating++;
      }
    }
    this.#say(`Job ${nameOf(this.#job)}: ${this.#endWords(verdict)}: delete ${countText(names.length, 'pod')}`);
    this.#tellPods('SuccessfulDelete', 'Deleted', names);
  }

  /** Deletes a pod without counting it. */
  #letGoOne(pod: Pod): void {
    const { tx } = this.#context;
    const left = deletePod(tx, pod);
    if (left !== undefined) release(tx, left);
    this.#leaves(pod);
    if (tx.get('Pod', namespaceOf(pod), nameOf(pod)) !== undefined) this.#terminating++;
  }

  #leaves(pod: Pod): void {
    this.#active--;
    if (isPodReady(pod)) this.#ready--;
  }

  #letGo(pods: readonly Pod[], why: string): void {
    if (pods.length === 0) return;
    for (const pod of pods) this.#letGoOne(pod);
    this.#say(`${why}: delete ${countText(pods.length, 'pod')} of ${nameOf(this.#job)}`);
    this.#tellPods('SuccessfulDelete', 'Deleted', pods.map(nameOf));
  }

  #manage(tally: Tally): void {
    const { spec } = this.#job;
    const parallelism = spec?.parallelism ?? 1;
    const surplus = isIndexed(this.#job) ? surplusIndexes(this.#job, tally) : [];
    const idle = new Set(surplus);
    const active = tally.active.filter((pod) => !idle.has(pod));
    const open = spec?.completions === undefined ? undefined : spec.completions - tally.succeeded - tally.failedIndexes.size;
    // Without completions the first success ends it: what runs then runs to its end.
    const want = open === undefined ? (tally.succeeded > 0 ? active.length : parallelism) : Math.min(parallelism, Math.max(0, open));
    if (active.length > want) surplus.push(...chooseForDeletion(active, active.length - want, new Map()));
    this.#letGo(surplus, `${active.length} active, ${want} wanted`);
    const leaving = spec?.podReplacementPolicy === 'Failed' ? tally.terminating : 0;
    const missing = want - active.length - leaving;
    if (missing > 0) this.#create(tally, active, missing);
  }

  #create(tally: Tally, active: readonly Pod[], missing: number): void {
    const { tx, random } = this.#context;
    const job = this.#job;
    const perIndex = job.spec?.backoffLimitPerIndex !== undefined;
    const common = perIndex ? 0 : this.#backOffLeft('', this.#failures);
    if (common > 0) {
      this.#wait = Math.min(this.#wait, common);
      return;
    }
    const names: string[] = [];
    let refused: ApiError | undefined;
    const make = (index: number | undefined, failures: number, ignored: number): boolean => {
      const isFree = (name: string): boolean => tx.get('Pod', namespaceOf(job), name) === undefined;
      const pod = newPod(job, { index, failures, ignored }, this.#now, isFree, (length) => random.suffix(length));
      const made = makePod(tx, pod, pod.metadata?.generateName ?? '');
      if (isRefused(made)) {
        refused = made;
        return false;
      }
      names.push(nameOf(pod));
      this.#active++;
      return true;
    };
    const count = Math.min(missing, BURST);
    if (isIndexed(job)) {
      // With podReplacementPolicy Failed an index is taken until its pod has ended.
      const leaving =
        job.spec?.podReplacementPolicy === 'Failed' ? this.#pods.filter((pod) => isBeingDeleted(pod) && !isPodTerminal(pod)) : [];
      const taken = new Set([...active, ...leaving].map(indexOf));
      for (const index of tally.succeededIndexes.missing(job.spec?.completions ?? 0)) {
        if (names.length >= count) break;
        if (taken.has(index) || tally.failedIndexes.has(index)) continue;
        const before = tally.held.get(index);
        const isIgnored = before !== undefined && meaningOf(job, before).action === 'Ignore';
        const failures = before === undefined ? 0 : failuresBefore(before) + (isIgnored ? 0 : 1);
        const ignored = before === undefined ? 0 : ignoredBefore(before) + (isIgnored ? 1 : 0);
        if (before !== undefined) {
          const left = this.#backOffLeft(String(index), { count: failures + ignored, at: endedAt(before) ?? 0 });
          if (left > 0) {
            this.#wait = Math.min(this.#wait, left);
            continue;
          }
        }
        if (!make(index, failures, ignored)) break;
        if (before === undefined) continue;
        release(tx, before);
        if (!isIgnored) this.#failed++;
      }
    } else while (names.length < count && make(undefined, 0, 0));
    if (refused !== undefined) {
      tellRefused(this.#context, 'Job', job, refused);
      this.#refused = !isTerminating(refused);
    } else if (missing > BURST) this.#wait = 0;
    if (names.length === 0) return;
    const { completions, parallelism = 1 } = job.spec ?? {};
    const done = completions === undefined ? '' : `${tally.succeeded} of ${completions} succeeded, `;
    const failed = this.#failed === 0 ? '' : `${this.#failed} failed, `;
    const now = `${done}${failed}${active.length} of ${parallelism} at work`;
    this.#say(`Job ${nameOf(job)}: ${now}: create ${countText(names.length, 'pod')}`);
    this.#tellPods('SuccessfulCreate', 'Created', names);
  }

  /** Ms until the next try, of an index or ("") of the job. */
  #backOffLeft(index: string, { count, at }: { readonly count: number; readonly at: number }): number {
    if (count === 0) return 0;
    return backOffMs(count) - this.#ages.of(`failure ${uidOf(this.#job)} ${index}`, at, this.#now, this.#context.monotonic);
  }

  #finish(verdict: Verdict, succeeded: number): void {
    this.#setCondition(verdict.succeeds ? 'Complete' : 'Failed', verdict);
    if (verdict.succeeds) {
      if (succeeded > (this.#job.spec?.completions ?? succeeded))
        this.#tell('Warning', 'TooManySucceededPods', 'Too many succeeded pods running after completion count reached');
      this.#tell('Normal', 'Completed', 'Job completed');
    } else this.#tell('Warning', verdict.reason, verdict.message);
    const ttl = this.#job.spec?.ttlSecondsAfterFinished;
    if (ttl !== undefined) this.#wait = ttl * 1000;
  }

  /** A verdict with the limit that it is about. */
  #endWords({ reason, message }: Verdict): string {
    const { backoffLimit = 6, activeDeadlineSeconds = 0 } = this.#job.spec ?? {};
    if (reason === 'BackoffLimitExceeded') return `backoffLimit ${backoffLimit} exceeded`;
    return reason === 'DeadlineExceeded' ? `activeDeadlineSeconds ${activeDeadlineSeconds} are over` : message;
  }

  #setCondition(type: string, { reason, message }: Verdict, status: 'True' | 'False' = 'True'): void {
    const time = timeText(this.#now);
    const condition = { type, status, reason, message, lastProbeTime: time, lastTransitionTime: time };
    const at = this.#conditions.findIndex((one) => one.type === type);
    if (at >= 0) this.#conditions[at] = condition;
    else this.#conditions.push(condition);
  }

  #write(tally: Tally, startTime: string | undefined, complete: boolean): void {
    const job = this.#job;
    const byIndex = isIndexed(job);
    const failedIndexes = job.spec?.backoffLimitPerIndex === undefined ? undefined : String(tally.failedIndexes);
    const status: JobStatus = {
      conditions: this.#conditions,
      startTime,
      completionTime: complete ? timeText(this.#now) : undefined,
      active: this.#active,
      ready: this.#ready,
      terminating: this.#terminating,
      succeeded: tally.succeeded,
      failed: this.#failed,
      completedIndexes: byIndex ? String(tally.succeededIndexes) : undefined,
      failedIndexes,
      uncountedTerminatedPods: { succeeded: [], failed: [] },
    };
    const same = deepEqual(job.status, status);
    if (!this.#said && (!same || tally.release.length > 0)) {
      const counts = `${this.#active} active, ${tally.succeeded} succeeded, ${this.#failed} failed`;
      this.#context.because(`Job ${nameOf(job)} counts ${counts}`);
    }
    if (!same) this.#context.tx.update('Job', { ...job, status }, 'any');
  }

  #tell(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#context.event({ regarding: regarding('Job', this.#job), type, reason, message });
  }

  #tellPods(reason: string, verb: string, names: readonly string[]): void {
    if (names.length > EVENTS_EACH) this.#tell('Normal', reason, `${verb} ${names.length} pods: ${namesText(names)}`);
    else for (const name of names) this.#tell('Normal', reason, `${verb} pod: ${name}`);
  }
}

/** Pods of indexes that are done or do not exist, and all but the most advanced of an index. */
function surplusIndexes(job: Job, tally: Tally): Pod[] {
  const byIndex = new Map<number, Pod[]>();
  const surplus: Pod[] = [];
  for (const pod of tally.active) {
    const index = indexOf(pod);
    const idle = index === undefined || index >= (job.spec?.completions ?? 0);
    if (idle || tally.succeededIndexes.has(index) || tally.failedIndexes.has(index)) surplus.push(pod);
    else byIndex.set(index, [...(byIndex.get(index) ?? []), pod]);
  }
  for (const pods of byIndex.values()) if (pods.length > 1) surplus.push(...chooseForDeletion(pods, pods.length - 1, new Map()));
  return surplus;
}
