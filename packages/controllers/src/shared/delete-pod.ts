// Deleting a pod: with which grace. That its containers stop, and that the object goes then, is done by agent and sessions.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isPodTerminal } from '@podplane/api/pod-state';
import type { Tx } from '@podplane/store/types';
import { nameOf, namespaceOf } from './objects.js';

const DEFAULT_GRACE_SECONDS = 30;

/** Seconds between the request and the end. 0 where there is nothing that could stop: bound nowhere, or over already. requested: the caller's wish. */
export function podDeletionGrace(pod: Obj<'Pod'>, requested?: number): number {
  if (!pod.spec?.nodeName || isPodTerminal(pod)) return 0;
  // At 0 the object would go before its containers have; the least is 1, as in Kubernetes.
  return Math.max(1, requested ?? pod.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS);
}

/** Asks for the deletion of a pod. Returns it as it is then, or undefined where it is gone at once. */
export function deletePod(tx: Tx, pod: Obj<'Pod'>, requested?: number): Obj<'Pod'> | undefined {
  return tx.markDeleted('Pod', namespaceOf(pod), nameOf(pod), podDeletionGrace(pod, requested));
}
