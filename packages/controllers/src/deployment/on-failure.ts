// What becomes of a rollout that fails, where a Deployment's annotations ask for something: it goes back to the last good revision, or it
// is paused. Decides only; that a rollout is complete, baking or out of time is found by status.ts, what is written is written by controller.ts.
//
// It never flaps: a set that failed is marked, a rollout that is itself a way back is never taken back, and a paused one goes on only when
// somebody says so.
import type { DeploymentCondition } from '@podplane/api/gen/podplane/apps/v1/deployment';
import type { Obj } from '@podplane/api/kinds/kind-map';
import type { OnFailure } from '@podplane/api/kinds/on-failure';
import type { ReadView } from '@podplane/store/types';
import { activePods } from '../replicaset/pods.js';
import { nameOf } from '../shared/objects.js';
import { timeText } from '../shared/time.js';
import { FAILED, REVISION, ROLLBACK_OF, ROLLED_OUT, revisionOf } from './annotations.js';
import { BAKE_INTERRUPTED, BAKING, conditionOf, deadlineOf, TIMED_OUT } from './status.js';

type Deployment = Obj<'Deployment'>;
type ReplicaSet = Obj<'ReplicaSet'>;
type Pod = Obj<'Pod'>;
type Conditions = NonNullable<Deployment['status']>['conditions'];

/** The condition that says what was done about a failed rollout; it stands until the next one. */
export const ROLLOUT_FAILED = 'RolloutFailed';

/** A container of it ends again and again, and waits for its next try. */
export function isCrashLooping(pod: Pod): boolean {
  return crashLoopOf(pod) !== undefined;
}

function crashLoopOf({ status }: Pod): string | undefined {
  const found = status?.containerStatuses.find(({ state }) => state?.waiting?.reason === 'CrashLoopBackOff');
  return found === undefined ? undefined : `container ${found.name}: ${found.state?.waiting?.message || 'CrashLoopBackOff'}`;
}

/** What keeps a pod from starting, in a few words. */
function troubleOf(pod: Pod): string | undefined {
  for (const { name, state } of [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]) {
    const { waiting, terminated } = state ?? {};
    const reason = waiting?.reason ?? '';
    if (reason !== '' && reason !== 'ContainerCreating' && reason !== 'PodInitializing') return `container ${name}: ${reason}`;
    if (terminated !== undefined && terminated.exitCode !== 0) return `container ${name} ended with exit code ${terminated.exitCode}`;
  }
  const scheduled = pod.status?.conditions.find(({ type }) => type === 'PodScheduled');
  return scheduled?.status === 'False' ? `not scheduled: ${(scheduled.message ?? '').split('\n')[0]}` : undefined;
}

/** Why the rollout of the newest set has failed; undefined: it has not. */
function whyFailed(deployment: Deployment, newSet: ReplicaSet, conditions: Conditions, view: ReadView): string | undefined {
  const reason = conditions.find(({ type }) => type === 'Progressing')?.reason;
  if (reason === TIMED_OUT) {
    const pods = activePods(view, newSet);
    const pod = pods.find((one) => troubleOf(one) !== undefined);
    const trouble = pod === undefined ? '' : ` (pod ${nameOf(pod)}: ${troubleOf(pod) ?? ''})`;
    return `made no progress for ${deadlineOf(deployment) ?? 0} s${trouble}`;
  }
  if (reason !== BAKING && reason !== BAKE_INTERRUPTED) return undefined;
  const pod = activePods(view, newSet).find(isCrashLooping);
  return pod === undefined ? undefined : `did not stay available: pod ${nameOf(pod)}, ${crashLoopOf(pod) ?? ''}`;
}

export type Response =
  | { readonly kind: 'none' }
  /** to: the set whose template comes back. */
  | { readonly kind: 'rollback'; readonly why: string; readonly to: ReplicaSet }
  | { readonly kind: 'pause'; readonly why: string }
  /** Nothing can be done: there is nothing to go back to, or the way back itself has failed. */
  | { readonly kind: 'give-up'; readonly why: string; readonly reason: 'NothingToRollBackTo' | 'RollbackFailed' };

const annotation = (set: ReplicaSet, key: string): string | undefined => set.metadata?.annotations[key];

/** The newest set before that was once rolled out well. */
export function lastGood(sets: readonly ReplicaSet[], newSet: ReplicaSet): ReplicaSet | undefined {
  return sets
    .filter((set) => set !== newSet && annotation(set, ROLLED_OUT) !== undefined && annotation(set, FAILED) === undefined)
    .reduce<ReplicaSet | undefined>((best, set) => (best === undefined || revisionOf(set) > revisionOf(best) ? set : best), undefined);
}

/** What is to be done about the rollout of the newest set. conditions: as they are now. */
export function responseTo(
  { how }: OnFailure,
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  newSet: ReplicaSet,
  conditions: Conditions,
  view: ReadView,
): Response {
  // Done already.
  if (annotation(newSet, FAILED) !== undefined) return { kind: 'none' };
  const why = whyFailed(deployment, newSet, conditions, view);
  if (why === undefined) return { kind: 'none' };
  if (how === 'pause') return { kind: 'pause', why };
  if (annotation(newSet, ROLLBACK_OF) !== undefined) return { kind: 'give-up', why, reason: 'RollbackFailed' };
  const to = lastGood(sets, newSet);
  return to === undefined ? { kind: 'give-up', why, reason: 'NothingToRollBackTo' } : { kind: 'rollback', why, to };
}

/** What is said of a response, in events and in the condition. */
export function wordsOf(
  response: Exclude<Response, { kind: 'none' }>,
  newSet: ReplicaSet,
): { readonly reason: string; readonly message: string } {
  const failed = `Revision ${annotation(newSet, REVISION) ?? '?'} (${nameOf(newSet)}) ${response.why}`;
  switch (response.kind) {
    case 'rollback':
      return {
        reason: 'RolledBack',
        message: `${failed}; rolled back to revision ${annotation(response.to, REVISION) ?? '?'} (${nameOf(response.to)})`,
      };
    case 'pause':
      return { reason: 'RolloutPaused', message: `${failed}; the rollout is paused` };
    case 'give-up':
      return {
        reason: response.reason,
        message: `${failed}; ${response.reason === 'RollbackFailed' ? `it was itself the way back from ${annotation(newSet, ROLLBACK_OF) ?? ''}, so nothing more is done` : 'there is no earlier revision that was complete'}`,
      };
  }
}

/** The conditions with what was done. now: wall clock, ms. */
export function withFailure(
  conditions: readonly DeploymentCondition[],
  reason: string,
  message: string,
  now: number,
): DeploymentCondition[] {
  const condition = {
    type: ROLLOUT_FAILED,
    status: 'True',
    reason,
    message,
    lastUpdateTime: timeText(now),
    lastTransitionTime: timeText(now),
  };
  return [...conditions.filter(({ type }) => type !== ROLLOUT_FAILED), condition];
}

/** Whether somebody has let a rollout go on that was paused here. */
export function isResumed(deployment: Deployment, newSet: ReplicaSet): boolean {
  return (
    deployment.spec?.paused !== true &&
    annotation(newSet, FAILED) !== undefined &&
    conditionOf(deployment.status, ROLLOUT_FAILED)?.reason === 'RolloutPaused'
  );
}

/** Whether the condition still says something about the newest set. */
export function isAbout(newSet: ReplicaSet | undefined): boolean {
  return newSet !== undefined && (annotation(newSet, FAILED) ?? annotation(newSet, ROLLBACK_OF)) !== undefined;
}
