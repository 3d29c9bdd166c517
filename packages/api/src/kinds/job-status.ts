// Faults of a Job's status and of its changes, as whoever writes it through the API is told them. What a spec must be is in job-validation.ts.
import { duplicate, type FieldError, invalid, invalidAsWhole, Path, required } from '../errors.js';
import type { JobStatus } from '../gen/podplane/batch/v1/job.js';
import { deepEqual } from './equal.js';
import { IndexSet, indexesProblem } from './job-indexes.js';
import type { Readable } from './kind-info.js';
import type { DeepReadonly } from './kind-map.js';
import { validateCounts } from './workload-status.js';

type Job = Readable<'Job'>;
type Status = DeepReadonly<JobStatus>;

const STATUS = Path.of('status');
const CONDITIONS = STATUS.child('conditions');

const holds = (status: Status | undefined, type: string): boolean =>
  status?.conditions.some((one) => one.type === type && one.status === 'True') === true;
const isFinished = (status: Status | undefined): boolean => holds(status, 'Complete') || holds(status, 'Failed');

/** Faults of a write of the status. What was wrong before and was not touched is let be, as a spec can change under a status. */
export function validateJobStatus(next: Job, previous: Job): FieldError[] {
  const now = next.status;
  if (now === undefined) return [];
  const was = previous.status;
  return [
    ...validateCounts(now, ['active', 'succeeded', 'failed', 'ready', 'terminating']),
    ...validateUncounted(now),
    ...validateEnd(now, was),
    ...validateIndexTexts(next, was),
    ...validateSteps(next, was),
  ];
}

function validateUncounted({ uncountedTerminatedPods: pods }: Status): FieldError[] {
  const out: FieldError[] = [];
  const seen = new Set<string>();
  for (const list of ['succeeded', 'failed'] as const) {
    for (const [i, uid] of (pods?.[list] ?? []).entries()) {
      const at = STATUS.child('uncountedTerminatedPods', list).index(i);
      if (uid === '') out.push(invalid(at, uid, 'must not be empty'));
      else if (seen.has(uid)) out.push(duplicate(at, uid));
      seen.add(uid);
    }
  }
  return out;
}

/** What an ended job must say, and must not. */
function validateEnd(now: Status, was: Status | undefined): FieldError[] {
  const out: FieldError[] = [];
  const changed = (type: string): boolean => holds(now, type) !== holds(was, type);
  const [complete, failed] = [holds(now, 'Complete'), holds(now, 'Failed')];
  const endChanged = isFinished(now) !== isFinished(was);
  const startMoved = now.startTime !== was?.startTime;
  const timeMoved = now.completionTime !== was?.completionTime;
  const time = STATUS.child('completionTime');
  if (complete && failed && (changed('Complete') || changed('Failed')))
    out.push(invalidAsWhole(CONDITIONS, 'cannot set Complete=True and Failed=true conditions'));
  if (complete && holds(now, 'FailureTarget') && (changed('Complete') || changed('FailureTarget')))
    out.push(invalidAsWhole(CONDITIONS, 'cannot set Complete=True and FailureTarget=true conditions'));
  if (failed && !holds(now, 'FailureTarget') && (changed('Failed') || changed('FailureTarget')))
    out.push(invalidAsWhole(CONDITIONS, 'cannot set Failed=True condition without the FailureTarget=true condition'));
  if (complete && !holds(now, 'SuccessCriteriaMet') && (changed('Complete') || changed('SuccessCriteriaMet')))
    out.push(invalidAsWhole(CONDITIONS, 'cannot set Complete=True condition without the SuccessCriteriaMet=true condition'));
  if (changed('Complete') || timeMoved) {
    if (now.completionTime !== undefined && !complete)
      out.push(invalid(time, now.completionTime, 'cannot set completionTime when there is no Complete=True condition'));
    if (now.completionTime === undefined && complete) out.push(required(time, 'completionTime is required for Complete jobs'));
  }
  if ((startMoved || timeMoved) && Date.parse(now.completionTime ?? '') < Date.parse(now.startTime ?? ''))
    out.push(invalid(time, now.completionTime, 'completionTime cannot be set before startTime'));
  if ((now.ready !== was?.ready || now.active !== was?.active) && (now.ready ?? 0) > (now.active ?? 0))
    out.push(invalid(STATUS.child('ready'), now.ready, 'cannot set more ready pods than active'));
  if (!complete && !failed) return out;
  const pods = now.uncountedTerminatedPods;
  if ((endChanged || now.active !== was?.active) && (now.active ?? 0) > 0)
    out.push(invalid(STATUS.child('active'), now.active, 'active>0 is invalid for finished job'));
  if ((endChanged || startMoved) && now.startTime === undefined)
    out.push(required(STATUS.child('startTime'), 'startTime is required for finished job'));
  if ((endChanged || !deepEqual(pods, was?.uncountedTerminatedPods)) && (pods?.failed.length ?? 0) + (pods?.succeeded.length ?? 0) > 0)
    out.push(invalid(STATUS.child('uncountedTerminatedPods'), pods, 'uncountedTerminatedPods needs to be empty for finished job'));
  if ((endChanged || now.terminating !== was?.terminating) && (now.terminating ?? 0) > 0)
    out.push(invalid(STATUS.child('terminating'), now.terminating, 'terminating>0 is invalid for finished job'));
  return out;
}

function validateIndexTexts({ spec, status }: Job, was: Status | undefined): FieldError[] {
  const out: FieldError[] = [];
  const { completedIndexes = '', failedIndexes } = status ?? {};
  const completions = spec?.completions;
  const completedMoved = completedIndexes !== (was?.completedIndexes ?? '');
  const failedMoved = failedIndexes !== was?.failedIndexes;
  const [completed, failed] = [STATUS.child('completedIndexes'), STATUS.child('failedIndexes')];
  if (completedMoved && completions !== undefined) {
    const problem = indexesProblem(completedIndexes, completions);
    if (problem !== undefined) out.push(invalid(completed, completedIndexes, `error parsing completedIndexes: ${problem}`));
  }
  if (failedMoved && failedIndexes !== undefined && completions !== undefined && spec?.backoffLimitPerIndex !== undefined) {
    const problem = indexesProblem(failedIndexes, completions);
    if (problem !== undefined) out.push(invalid(failed, failedIndexes, `error parsing failedIndexes: ${problem}`));
  }
  if (completedMoved && completedIndexes !== '' && spec?.completionMode !== 'Indexed')
    out.push(invalid(completed, completedIndexes, 'cannot set non-empty completedIndexes when non-indexed completion mode'));
  if (failedMoved && failedIndexes !== undefined && spec?.backoffLimitPerIndex === undefined)
    out.push(invalid(failed, failedIndexes, 'cannot set non-null failedIndexes when backoffLimitPerIndex is null'));
  if ((completedMoved || failedMoved) && completions !== undefined && failedIndexes !== undefined) {
    const failedOnes = IndexSet.parse(failedIndexes, completions);
    const shared = failedOnes && IndexSet.parse(completedIndexes, completions)?.firstCommon(failedOnes);
    if (shared !== undefined) out.push(invalid(failed, failedIndexes, `failedIndexes and completedIndexes overlap at index: ${shared}`));
  }
  return out;
}

/** From one status to the next: what has been reached stays, what has been counted stays counted. */
function validateSteps({ spec, status: now }: Job, was: Status | undefined): FieldError[] {
  const out: FieldError[] = [];
  const met = holds(now, 'SuccessCriteriaMet');
  if (met && holds(now, 'Failed')) out.push(invalidAsWhole(CONDITIONS, 'cannot set SuccessCriteriaMet=True and Failed=true conditions'));
  if (met && holds(now, 'FailureTarget'))
    out.push(invalidAsWhole(CONDITIONS, 'cannot set SuccessCriteriaMet=True and FailureTarget=true conditions'));
  if (spec?.successPolicy !== undefined && !met && holds(now, 'Complete'))
    out.push(invalidAsWhole(CONDITIONS, 'cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True'));
  for (const type of ['Failed', 'Complete', 'FailureTarget']) {
    if (holds(was, type) && !holds(now, type)) out.push(invalidAsWhole(CONDITIONS, `cannot disable the terminal ${type}=True condition`));
  }
  // An Indexed job that shrinks forgets what is beyond its end.
  const elastic = spec?.completionMode === 'Indexed' && spec.completions === spec.parallelism;
  for (const field of ['failed', 'succeeded'] as const) {
    const [count, before] = [now?.[field] ?? 0, was?.[field] ?? 0];
    if (count < before && !(field === 'succeeded' && elastic))
      out.push(invalid(STATUS.child(field), count, `cannot decrease the ${field} counter`));
  }
  const [time, before] = [now?.completionTime, was?.completionTime];
  if (time !== undefined && before !== undefined && time !== before)
    out.push(invalid(STATUS.child('completionTime'), time, 'completionTime cannot be mutated'));
  if (was?.startTime !== undefined && was.startTime !== now?.startTime && spec?.suspend !== true)
    out.push(required(STATUS.child('startTime'), 'startTime cannot be removed for unsuspended job'));
  const metBefore = holds(was, 'SuccessCriteriaMet');
  if (metBefore && !met) out.push(invalidAsWhole(CONDITIONS, 'cannot disable the SuccessCriteriaMet=True condition'));
  if (holds(was, 'Complete') && !metBefore && met)
    out.push(invalidAsWhole(CONDITIONS, 'cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions'));
  return out;
}
