// Counting a job's pods, each exactly once: one that ended is counted and let go in the same transaction, so nothing has to be
// remembered in between (status.uncountedTerminatedPods stays empty). Decides only; controller.ts writes.
import { IndexSet } from '@podplane/api/kinds/job-indexes';
import { isBeingDeleted, isPodReady } from '@podplane/api/pod-state';
import { endedAt, failuresBefore, ignoredBefore, indexOf, isIndexed, isTracked, type Job, type Pod, standingOf } from './pods.js';
import { meaningOf } from './policies.js';

export interface Tally {
  /** Wait or run, and are not on their way out. */
  readonly active: readonly Pod[];
  /** Being deleted and not over. */
  readonly terminating: number;
  readonly ready: number;
  /** To be let go: they are in the numbers below, or need not be. */
  readonly release: readonly Pod[];
  /** Failed pods of indexes whose next try is still to come: counted when it has been made, for until then they are its memory. */
  readonly held: ReadonlyMap<number, Pod>;
  readonly succeeded: number;
  readonly failed: number;
  readonly succeededIndexes: IndexSet;
  readonly failedIndexes: IndexSet;
  /** A rule of the podFailurePolicy ends the job. */
  readonly verdict: string | undefined;
}

/** finishing: the job is to end, so every pod that it still has counts as failed, or not at all where it succeeds. */
export function tallyOf(job: Job, pods: readonly Pod[], finishing: 'no' | 'failed' | 'succeeded'): Tally {
  const byIndex = isIndexed(job);
  const completions = job.spec?.completions ?? 0;
  const perIndex = job.spec?.backoffLimitPerIndex;
  const replaceLate = job.spec?.podReplacementPolicy === 'Failed';
  const succeededIndexes = IndexSet.below(job.status?.completedIndexes ?? '', completions);
  const failedIndexes = IndexSet.below(job.status?.failedIndexes ?? '', completions);
  let succeeded = job.status?.succeeded ?? 0;
  let failed = job.status?.failed ?? 0;
  let [terminating, ready] = [0, 0];
  let verdict: string | undefined;
  const active: Pod[] = [];
  const release: Pod[] = [];
  const failures: { readonly pod: Pod; readonly index: number | undefined }[] = [];
  for (const pod of pods) {
    const standing = standingOf(pod, replaceLate);
    if (isBeingDeleted(pod) && pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed') terminating++;
    if (standing === 'active') {
      active.push(pod);
      if (isPodReady(pod)) ready++;
      continue;
    }
    if (standing === 'leaving' || !isTracked(pod)) continue;
    const index = byIndex ? indexOf(pod) : undefined;
    if (byIndex && (index === undefined || index >= completions)) release.push(pod);
    else if (standing === 'failed') failures.push({ pod, index });
    else {
      release.push(pod);
      if (index === undefined) succeeded++;
      else succeededIndexes.add(index);
    }
  }
  const held = new Map<number, Pod>();
  const alive = new Set(active.map(indexOf));
  for (const { pod, index } of failures) {
    const meaning = meaningOf(job, pod);
    if (meaning.action === 'FailJob' && finishing === 'no') verdict ??= meaning.message;
    if (finishing === 'succeeded' && isBeingDeleted(pod) && pod.status?.phase !== 'Failed') {
      release.push(pod);
      continue;
    }
    // Pods that are ended because the job ends say nothing about their indexes.
    const isOwn = finishing === 'no' || pod.status?.phase === 'Failed';
    if (perIndex !== undefined && index !== undefined && isOwn && meaning.action !== 'FailJob') {
      const ignored = meaning.action === 'Ignore';
      if (meaning.action === 'FailIndex' || (!ignored && failuresBefore(pod) >= perIndex)) {
        if (!succeededIndexes.has(index)) failedIndexes.add(index);
      } else if (
        finishing === 'no' &&
        !alive.has(index) &&
        !succeededIndexes.has(index) &&
        !failedIndexes.has(index) &&
        job.spec?.suspend !== true
      ) {
        const other = held.get(index);
        if (other === undefined || isNewerTry(pod, other)) {
          if (other !== undefined) {
            release.push(other);
            if (meaningOf(job, other).action !== 'Ignore') failed++;
          }
          held.set(index, pod);
          continue;
        }
      }
    }
    release.push(pod);
    if (meaning.action !== 'Ignore') failed++;
  }
  if (byIndex) succeeded = succeededIndexes.size;
  return { active, terminating, ready, release, held, succeeded, failed, succeededIndexes, failedIndexes, verdict };
}

/** Whether of two failed pods of one index the first is the one whose numbers go on. */
function isNewerTry(pod: Pod, other: Pod): boolean {
  const difference = failuresBefore(pod) + ignoredBefore(pod) - failuresBefore(other) - ignoredBefore(other);
  return difference > 0 || (difference === 0 && (endedAt(pod) ?? 0) >= (endedAt(other) ?? 0));
}
