// The eviction call inside one transaction: its errors in Kubernetes' words. Whether a budget lets a pod go is decided in
// @podplane/controllers/disruption, by what is true in this very transaction.
import { ApiError, notFound } from '@podplane/api/errors';
import { type EvictionVerdict, evictPod } from '@podplane/controllers/disruption/eviction';
import type { Propagation } from '@podplane/controllers/owner-gc/propagation';
import type { Tx } from '@podplane/store/types';
import { checkPreconditions, type Deleted, type DeleteOptions } from './deletion.js';

export type EvictOptions = DeleteOptions;

/** After how many seconds a blocked eviction may be tried again, as Kubernetes suggests. */
const RETRY_SECONDS = 10;

/** Throws ApiError: NotFound, Conflict, TooManyRequests (a budget), InternalError (several budgets). */
export function evict(tx: Tx, namespace: string, name: string, options: EvictOptions): Deleted {
  const pod = tx.get('Pod', namespace, name);
  if (pod === undefined) throw notFound('Pod', namespace, name);
  checkPreconditions(pod, { kind: 'Pod', namespace, name }, options);
  const propagation = options.propagationPolicy === '' ? undefined : (options.propagationPolicy as Propagation); // checked before
  const done = evictPod(tx, pod, { graceSeconds: options.graceSeconds, propagation, message: 'Eviction API: evicting' });
  if (done.kind !== 'evicted') throw refusal(done, namespace, name);
  return { object: done.pod ?? pod, gone: done.pod === undefined };
}

function refusal(verdict: Exclude<EvictionVerdict, { kind: 'allowed' }>, namespace: string, name: string): ApiError {
  const target = { kind: 'Pod', namespace, name };
  if (verdict.kind === 'ambiguous') {
    return new ApiError(
      'InternalError',
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
      {
        target,
        causes: verdict.budgets.map((budget) => ({
          reason: 'DisruptionBudget',
          message: `The disruption budget ${budget} is about it`,
          field: '',
        })),
        advice: `Leave one of ${verdict.budgets.join(', ')}, or change their selectors so that only one matches the pod; or delete the pod: podplane delete pod ${name} -n ${namespace}`,
      },
    );
  }
  return new ApiError('TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
    target,
    causes: [{ reason: 'DisruptionBudget', message: verdict.why, field: '' }],
    advice: `Try again when more of its pods are ready; see: podplane describe pdb ${verdict.budget} -n ${namespace}`,
    retryAfterSeconds: RETRY_SECONDS,
  });
}
