// Whether a job has to end, and why. Pure; what then happens to its pods is in controller.ts.
import { timeOf } from '../shared/time.js';
import type { Job, Pod } from './pods.js';
import { meaningOf, metSuccessRule } from './policies.js';
import type { Tally } from './tally.js';

export interface Verdict {
  readonly succeeds: boolean;
  /** As in Kubernetes: BackoffLimitExceeded, DeadlineExceeded, CompletionsReached, ... */
  readonly reason: string;
  readonly message: string;
}

export interface Judged {
  readonly verdict: Verdict | undefined;
  /** Ms until time alone may change it. */
  readonly againInMs: number | undefined;
}

const fails = (reason: string, message: string): Verdict => ({ succeeds: false, reason, message });

/** now: wall clock, ms. */
export function judge(job: Job, tally: Tally, pods: readonly Pod[], startTime: string | undefined, now: number): Judged {
  const verdict = failure(job, tally, pods) ?? success(job, tally);
  if (verdict !== undefined) return { verdict, againInMs: undefined };
  const deadline = job.spec?.activeDeadlineSeconds;
  const since = timeOf(startTime);
  if (deadline === undefined || Number.isNaN(since) || job.spec?.suspend === true) return { verdict: undefined, againInMs: undefined };
  const left = since + deadline * 1000 - now;
  if (left > 0) return { verdict: undefined, againInMs: left };
  return { verdict: fails('DeadlineExceeded', 'Job was active longer than specified deadline'), againInMs: undefined };
}

function failure(job: Job, tally: Tally, pods: readonly Pod[]): Verdict | undefined {
  const { spec } = job;
  if (tally.verdict !== undefined) return fails('PodFailurePolicy', tally.verdict);
  const limit = spec?.backoffLimit ?? 6;
  // Those that wait for their next try have failed, although they are counted only when it is made.
  let waiting = 0;
  for (const pod of tally.held.values()) if (meaningOf(job, pod).action !== 'Ignore') waiting++;
  if (tally.failed + waiting > limit || restartsExceed(job, pods, limit)) {
    return fails('BackoffLimitExceeded', 'Job has reached the specified backoff limit');
  }
  if (spec?.backoffLimitPerIndex === undefined || tally.failedIndexes.size === 0) return undefined;
  if (spec.maxFailedIndexes !== undefined && tally.failedIndexes.size > spec.maxFailedIndexes) {
    return fails('MaxFailedIndexesExceeded', 'Job has exceeded the specified maximal number of failed indexes');
  }
  const done = tally.failedIndexes.size + tally.succeededIndexes.size;
  if (done < (spec.completions ?? 0)) return undefined;
  return fails('FailedIndexes', 'Job has failed indexes');
}

/** With restartPolicy OnFailure containers fail without their pods; their restarts count. */
function restartsExceed(job: Job, pods: readonly Pod[], limit: number): boolean {
  if (job.spec?.template?.spec?.restartPolicy !== 'OnFailure') return false;
  let restarts = 0;
  for (const { status } of pods) {
    if (status?.phase !== 'Running' && status?.phase !== 'Pending') continue;
    for (const { restartCount } of [...status.initContainerStatuses, ...status.containerStatuses]) restarts += restartCount;
  }
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

function success(job: Job, tally: Tally): Verdict | undefined {
  const rule = metSuccessRule(job, tally.succeededIndexes);
  if (rule !== undefined) return { succeeds: true, reason: 'SuccessPolicy', message: rule };
  const completions = job.spec?.completions;
  const done = completions === undefined ? tally.succeeded > 0 && tally.active.length === 0 : tally.succeeded >= completions;
  if (!done) return undefined;
  return { succeeds: true, reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' };
}
