// Faults of the statuses of workloads, as whoever writes them through the API is told them: controllers of others. That of Jobs is in job-status.ts.
import { type FieldError, invalid, Path } from '../errors.js';

const STATUS = Path.of('status');
const NOT_NEGATIVE = 'must be greater than or equal to 0';

type Counts = Readonly<Record<string, unknown>>;

const countOf = (status: Counts, field: string): number => {
  const value = status[field];
  return typeof value === 'number' ? value : 0;
};

/** Counts that must not be negative. */
export function validateCounts(status: object | undefined, fields: readonly string[], path = STATUS): FieldError[] {
  const counts = (status ?? {}) as Counts;
  return fields.flatMap((field) => {
    const count = countOf(counts, field);
    return count < 0 ? [invalid(path.child(field), count, NOT_NEGATIVE)] : [];
  });
}

/** Counts that are part of another one. words: how the greater one is called in the message, where not status.FIELD. */
export function validateParts(
  status: object | undefined,
  fields: readonly string[],
  whole: string,
  words = `status.${whole}`,
): FieldError[] {
  const counts = (status ?? {}) as Counts;
  return fields.flatMap((field) => {
    const count = countOf(counts, field);
    return count > countOf(counts, whole) ? [invalid(STATUS.child(field), count, `cannot be greater than ${words}`)] : [];
  });
}

type Collisions = { readonly collisionCount?: number | undefined } | undefined;

/** How often names collided is counted upwards only: an old hash must not come back. */
export function validateCollisions(next: Collisions, previous: Collisions): FieldError[] {
  const count = next?.collisionCount ?? 0;
  return count < (previous?.collisionCount ?? 0) ? [invalid(STATUS.child('collisionCount'), count, 'cannot be decremented')] : [];
}

/** Of ReplicaSets and ReplicationControllers. */
export function validateReplicasStatus(status: object | undefined): FieldError[] {
  const parts = ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'];
  return [
    ...validateCounts(status, ['replicas', ...parts, 'observedGeneration']),
    ...validateParts(status, parts, 'replicas'),
    ...validateParts(status, ['availableReplicas'], 'readyReplicas', 'readyReplicas'),
  ];
}

/** Of Deployments. */
export function validateDeploymentStatus(status: object | undefined): FieldError[] {
  const parts = ['updatedReplicas', 'readyReplicas', 'availableReplicas'];
  return [
    ...validateCounts(status, ['observedGeneration', 'replicas', ...parts, 'unavailableReplicas', 'collisionCount']),
    ...validateParts(status, parts, 'replicas'),
    ...validateParts(status, ['availableReplicas'], 'readyReplicas', 'readyReplicas'),
  ];
}

/** Of StatefulSets. */
export function validateStatefulSetStatus(status: object | undefined): FieldError[] {
  const parts = ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'];
  return [
    ...validateCounts(status, ['replicas', ...parts, 'observedGeneration', 'collisionCount']),
    ...validateParts(status, parts, 'replicas'),
    ...validateParts(status, ['availableReplicas'], 'readyReplicas'),
  ];
}

const ON_NODES = [
  'currentNumberScheduled',
  'numberMisscheduled',
  'desiredNumberScheduled',
  'numberReady',
  'observedGeneration',
  'updatedNumberScheduled',
  'numberAvailable',
  'numberUnavailable',
  'collisionCount',
];

/** Of DaemonSets. */
export function validateDaemonSetStatus(status: object | undefined): FieldError[] {
  return validateCounts(status, ON_NODES);
}
