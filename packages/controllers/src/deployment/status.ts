// A Deployment's status: counts over its sets, and the conditions Available and Progressing. Pure; now in ms of the wall clock.
import type { DeploymentCondition, DeploymentStatus } from '@podplane/api/gen/podplane/apps/v1/deployment';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { nameOf } from '../shared/objects.js';
import { REPLICA_FAILURE } from '../shared/refusals.js';
import { durationText, timeOf, timeText } from '../shared/time.js';
import { boundsOf } from './bounds.js';

type Status = Obj<'Deployment'>['status'];
type Condition = NonNullable<Status>['conditions'][number];

const sum = (sets: readonly Obj<'ReplicaSet'>[], of: (set: Obj<'ReplicaSet'>) => number | undefined): number =>
  sets.reduce((total, set) => total + (of(set) ?? 0), 0);

export const specReplicas = (sets: readonly Obj<'ReplicaSet'>[]): number => sum(sets, (set) => set.spec?.replicas ?? 1);
/** As specReplicas, but of a set that has not acted on a smaller size yet, those that it still has. */
export const heldReplicas = (sets: readonly Obj<'ReplicaSet'>[]): number =>
  sum(sets, (set) => Math.max(set.spec?.replicas ?? 1, set.status?.replicas ?? 0));
export const availableReplicas = (sets: readonly Obj<'ReplicaSet'>[]): number => sum(sets, (set) => set.status?.availableReplicas);
/** As availableReplicas, but of pods that are about to be deleted none is counted: a set may not have acted on its new size yet. */
export const lastingReplicas = (sets: readonly Obj<'ReplicaSet'>[]): number =>
  sum(sets, (set) => Math.min(set.spec?.replicas ?? 1, set.status?.availableReplicas ?? 0));
export const actualReplicas = (sets: readonly Obj<'ReplicaSet'>[]): number => sum(sets, (set) => set.status?.replicas);

export function conditionOf(status: Status, type: string): Condition | undefined {
  return status?.conditions.find((condition) => condition.type === type);
}

/** With one condition set; unchanged where status and reason are as before. The time of transition moves only with the status. */
function withCondition(
  conditions: readonly Condition[],
  type: string,
  status: string,
  reason: string,
  message: string,
  now: number,
): Condition[] {
  const before = conditions.find((c) => c.type === type);
  if (before?.status === status && before.reason === reason) return [...conditions];
  const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timeText(now);
  const condition: DeploymentCondition = { type, status, reason, message, lastUpdateTime: timeText(now), lastTransitionTime };
  return [...conditions.filter((c) => c.type !== type), condition];
}

/** What the newest set cannot make, or any other where that one can: said of the deployment too. */
function withReplicaFailure(
  conditions: readonly Condition[],
  sets: readonly Obj<'ReplicaSet'>[],
  newSet: Obj<'ReplicaSet'> | undefined,
  now: number,
): Condition[] {
  const of = (set: Obj<'ReplicaSet'> | undefined): NonNullable<NonNullable<typeof set>['status']>['conditions'][number] | undefined =>
    set?.status?.conditions.find(({ type }) => type === REPLICA_FAILURE);
  const found = of(newSet) ?? sets.map(of).find((one) => one !== undefined);
  const others = conditions.filter(({ type }) => type !== REPLICA_FAILURE);
  if (found === undefined) return others;
  const before = conditions.find(({ type }) => type === REPLICA_FAILURE);
  const same = before?.status === found.status && before.reason === found.reason && before.message === found.message;
  const { status, reason, message, lastTransitionTime } = found;
  return same
    ? [...conditions]
    : [...others, { type: REPLICA_FAILURE, status, reason, message, lastUpdateTime: timeText(now), lastTransitionTime }];
}

export interface StatusInput {
  readonly deployment: Obj<'Deployment'>;
  readonly sets: readonly Obj<'ReplicaSet'>[];
  readonly newSet: Obj<'ReplicaSet'> | undefined;
  readonly collisionCount: number;
  readonly now: number;
  /** How long the pods of a complete rollout must stay available before it counts as good, ms. */
  readonly bakeMs: number;
}

/** Counts and the condition Available; Progressing as it was. */
export function countStatus({ deployment, sets, newSet, collisionCount, now }: StatusInput): DeploymentStatus {
  const available = availableReplicas(sets);
  const { replicas, maxUnavailable } = boundsOf(deployment);
  const enough = available >= replicas - maxUnavailable;
  const conditions = withCondition(
    withReplicaFailure(deployment.status?.conditions ?? [], sets, newSet, now),
    'Available',
    enough ? 'True' : 'False',
    enough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
    enough ? 'Deployment has minimum availability.' : 'Deployment does not have minimum availability.',
    now,
  );
  return {
    observedGeneration: deployment.metadata?.generation,
    replicas: actualReplicas(sets),
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: sum(sets, (set) => set.status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, specReplicas(sets) - available),
    conditions,
    collisionCount: collisionCount || undefined,
  };
}

/** All pods are of the newest template and available, and no other is left. */
export function isComplete(deployment: Obj<'Deployment'>, status: Status): boolean {
  const wanted = deployment.spec?.replicas ?? 1;
  return (
    (status?.updatedReplicas ?? 0) === wanted &&
    (status?.replicas ?? 0) === wanted &&
    (status?.availableReplicas ?? 0) === wanted &&
    (status?.observedGeneration ?? 0) >= (deployment.metadata?.generation ?? 0)
  );
}

function hasMoved(before: Status, after: DeploymentStatus): boolean {
  const old = (s: Status): number => (s?.replicas ?? 0) - (s?.updatedReplicas ?? 0);
  return (
    (after.updatedReplicas ?? 0) > (before?.updatedReplicas ?? 0) ||
    old(after) < old(before) ||
    (after.readyReplicas ?? 0) > (before?.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before?.availableReplicas ?? 0)
  );
}

export const AVAILABLE = 'NewReplicaSetAvailable';
export const TIMED_OUT = 'ProgressDeadlineExceeded';
/** Complete, but its pods have to stay available for a time. */
export const BAKING = 'Baking';
/** One of them did not; the rollout has to become complete again. */
export const BAKE_INTERRUPTED = 'BakeInterrupted';

/** Seconds without progress after which a rollout counts as failed; undefined: never. */
export function deadlineOf(deployment: Obj<'Deployment'>): number | undefined {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  return seconds === undefined || seconds <= 0 || seconds >= 2 ** 31 - 1 ? undefined : seconds;
}

/** status with the condition Progressing as the counts say. before: the status as it is stored. */
export function withProgress(input: StatusInput, status: DeploymentStatus): DeploymentStatus {
  const { deployment, newSet, now, bakeMs } = input;
  const deadline = deadlineOf(deployment);
  if (deadline === undefined) return { ...status, conditions: status.conditions.filter((c) => c.type !== 'Progressing') };
  const current = conditionOf(status, 'Progressing');
  if (status.replicas === status.updatedReplicas && current?.reason === AVAILABLE) return status;
  const what = newSet === undefined ? `Deployment "${nameOf(deployment)}"` : `ReplicaSet "${nameOf(newSet)}"`;
  const set = (value: string, reason: string, message: string, from = status.conditions): DeploymentStatus => ({
    ...status,
    conditions: withCondition(from, 'Progressing', value, reason, message, now) as DeploymentCondition[],
  });
  if (isComplete(deployment, status)) {
    const since = current?.reason === BAKING ? timeOf(current.lastUpdateTime) : now;
    if (current?.reason !== AVAILABLE && now < since + bakeMs)
      return set('True', BAKING, `${what} is complete; it is good when its pods have stayed available for ${durationText(bakeMs)}.`);
    return set('True', AVAILABLE, `${what} has successfully progressed.`);
  }
  if (current?.reason === BAKING) return set('True', BAKE_INTERRUPTED, `${what} was complete, but its pods did not stay available.`);
  if (hasMoved(deployment.status, status)) {
    // Progress always moves the time of the last update, from which the deadline counts.
    const moved = set(
      'True',
      'ReplicaSetUpdated',
      `${what} is progressing.`,
      status.conditions.filter((c) => c.type !== 'Progressing'),
    );
    if (current?.status !== 'True') return moved;
    return {
      ...moved,
      conditions: moved.conditions.map((c) => (c.type === 'Progressing' ? { ...c, lastTransitionTime: current.lastTransitionTime } : c)),
    };
  }
  if (isTimedOut(current, deadline, now)) return set('False', TIMED_OUT, `${what} has timed out progressing.`);
  return status;
}

function isTimedOut(current: Condition | undefined, deadlineSeconds: number, now: number): boolean {
  if (current === undefined || current.reason === AVAILABLE) return false;
  if (current.reason === TIMED_OUT) return true;
  const since = timeOf(current.lastUpdateTime);
  return !Number.isNaN(since) && now >= since + deadlineSeconds * 1000;
}

/** Ms until the deadline, or the end of the bake time, has to be looked at; undefined: it does not run. */
export function deadlineInMs(deployment: Obj<'Deployment'>, status: DeploymentStatus, bakeMs: number, now: number): number | undefined {
  const deadline = deadlineOf(deployment);
  const current = conditionOf(status, 'Progressing');
  if (deadline === undefined || current === undefined || current.reason === AVAILABLE || current.reason === TIMED_OUT) return undefined;
  if (deployment.spec?.paused) return undefined;
  if (current.reason === BAKING) return Math.max(1, timeOf(current.lastUpdateTime) + bakeMs - now);
  return Math.max(1, timeOf(current.lastUpdateTime) + deadline * 1000 - now);
}

/** The condition Progressing set to a reason, from which moment the deadline counts anew. */
export function withReason(
  conditions: readonly Condition[],
  status: 'True' | 'Unknown',
  reason: string,
  message: string,
  now: number,
): Condition[] {
  const before = conditions.find(({ type }) => type === 'Progressing');
  const fresh = withCondition(
    conditions.filter((one) => one !== before),
    'Progressing',
    status,
    reason,
    message,
    now,
  );
  if (before?.status !== status) return fresh;
  return fresh.map((one) => (one.type === 'Progressing' ? { ...one, lastTransitionTime: before.lastTransitionTime } : one));
}
