// A controller's pod is not admitted: what its owner's events and conditions say then, in Kubernetes' words, and what makes it worth another try.
import { ApiError } from '@podplane/api/errors';
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import type { Change, ReadView } from '@podplane/store/types';
import { isTerminating } from '../admission/namespace.js';
import { DEFAULT_ACCOUNT } from '../admission/service-account.js';
import type { ReconcileContext } from '../runtime/types.js';
import { keyOf, nameOf, namespaceOf, regarding } from './objects.js';
import { timeText } from './time.js';

export const FAILED_CREATE = 'FailedCreate';
export const REPLICA_FAILURE = 'ReplicaFailure';

type Workload = 'ReplicaSet' | 'ReplicationController' | 'DaemonSet' | 'StatefulSet' | 'Job';

/** Tells of it, unless the namespace is going and the owner with it. message: what the event says; default: as for most kinds. */
export function tellRefused(
  context: ReconcileContext,
  kind: Kind,
  owner: Obj,
  error: ApiError,
  message = `Error creating: ${error.message}`,
): void {
  if (isTerminating(error)) return;
  context.because(`a pod of ${nameOf(owner)} was refused`);
  context.event({ regarding: regarding(kind, owner), type: 'Warning', reason: FAILED_CREATE, message });
}

type Condition = NonNullable<NonNullable<Obj<'ReplicaSet'>['status']>['conditions']>[number];

/** Conditions of a set with what it cannot make, in place of what was said before. refusal undefined: all is well. now: wall clock, ms. */
export function withFailure(conditions: readonly Condition[], refusal: string | undefined, now: number): Condition[] {
  const before = conditions.find(({ type }) => type === REPLICA_FAILURE);
  const others = conditions.filter((one) => one !== before);
  if (refusal === undefined) return others;
  const lastTransitionTime = before === undefined ? timeText(now) : before.lastTransitionTime;
  return [...others, { type: REPLICA_FAILURE, status: 'True', reason: FAILED_CREATE, message: refusal, lastTransitionTime }];
}

export const isRefused = <T extends object>(made: T | ApiError): made is ApiError => made instanceof ApiError;

/** The workloads of a kind whose pods run as a service account that is there from now on: they may have waited for it. */
export function* keysOfAccount(change: Change, view: ReadView, kind: Workload): Generator<string> {
  if (change.kind !== 'ServiceAccount' || change.type !== 'added') return;
  const account = nameOf(change.object);
  for (const workload of view.list(kind, namespaceOf(change.object)) as Iterable<Obj<Workload>>)
    if ((workload.spec?.template?.spec?.serviceAccountName || DEFAULT_ACCOUNT) === account) yield keyOf(workload);
}
