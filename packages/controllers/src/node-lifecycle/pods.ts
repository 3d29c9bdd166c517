// What happens to the pods of a node: not ready while it is silent, lost or deleted when their time is up, themselves again when it returns.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { controllerOf, isPodLost, isPodTerminal, podCondition, REASON_NODE_LOST } from '@podplane/api/pod-state';
import { TAINT_UNREACHABLE, taintText } from '@podplane/api/taints';
import type { ReconcileContext } from '../runtime/types.js';
import { deletePod } from '../shared/delete-pod.js';
import { regarding } from '../shared/objects.js';
import { timeText } from '../shared/time.js';
import type { Sentence } from './taints.js';

type Pod = Obj<'Pod'>;
type Condition = NonNullable<Pod['status']>['conditions'][number];

/** Reason of Ready=False that we set, by which we find what to set back. */
const NODE_NOT_READY = 'NodeNotReady';
const DISRUPTION = 'DisruptionTarget';

function withCondition(pod: Pod, condition: Omit<Condition, 'lastTransitionTime'>, now: number): NonNullable<Pod['status']> {
  const status = pod.status ?? emptyStatus;
  const before = status.conditions.find((c) => c.type === condition.type);
  const lastTransitionTime = before?.status === condition.status ? before.lastTransitionTime : timeText(now);
  return { ...status, conditions: [...status.conditions.filter((c) => c.type !== condition.type), { ...condition, lastTransitionTime }] };
}

const emptyStatus: NonNullable<Pod['status']> = {
  conditions: [],
  hostIPs: [],
  podIPs: [],
  initContainerStatuses: [],
  containerStatuses: [],
  ephemeralContainerStatuses: [],
  resourceClaimStatuses: [],
};

/** Ready=False on pods of a node from which nothing is heard. */
export function markNotReady(context: ReconcileContext, pod: Pod, nodeName: string, lastHeard: string): Pod {
  const { tx } = context;
  if (podCondition(pod, 'Ready')?.status !== 'True') return pod;
  const condition = { type: 'Ready', status: 'False', reason: NODE_NOT_READY, message: `node ${nodeName} is silent` };
  context.becauseFor(pod, `not ready: node ${nodeName} is silent (${lastHeard})`);
  return tx.update('Pod', { ...pod, status: withCondition(pod, condition, tx.now) }, 'any');
}

/**
 * The node is back. Its pods count again; those that we called not ready are ready again if their agent never lost its session, for then
 * it has nothing new to report; otherwise it reports anew.
 */
export function restore(context: ReconcileContext, pod: Pod, nodeName: string, sameSession: boolean): void {
  const { tx } = context;
  let status = pod.status;
  if (status === undefined || isPodTerminal(pod)) return;
  if (isPodLost(pod)) {
    const { reason: _reason, message: _message, ...rest } = status;
    status = {
      ...(status.reason === REASON_NODE_LOST ? rest : status),
      conditions: status.conditions.filter((c) => c.type !== DISRUPTION),
    };
  }
  const ready = podCondition(pod, 'Ready');
  if (sameSession && ready?.status === 'False' && ready.reason === NODE_NOT_READY) {
    status = withCondition({ ...pod, status }, { type: 'Ready', status: 'True' }, tx.now);
  }
  if (status === pod.status) return;
  tx.update('Pod', { ...pod, status }, 'any');
  context.becauseFor(pod, `node ${nodeName} is heard again: its pods count again`);
}

/**
 * Sends a pod away. On a node from which nothing is heard, a pod that its ReplicaSet will replace is only marked as lost: should the node
 * return before the replacement is ready, it goes on (keepOriginal). Every other pod is deleted.
 */
export function evict(context: ReconcileContext, pod: Pod, { taint, seconds }: Sentence, lastHeard: string, keepOriginal: boolean): void {
  const { tx, now } = context;
  const nodeName = pod.spec?.nodeName ?? '';
  const owner = controllerOf(pod);
  if (keepOriginal && taint.key === TAINT_UNREACHABLE && (owner?.kind === 'ReplicaSet' || owner?.kind === 'ReplicationController')) {
    if (isPodLost(pod)) return;
    const message = `Node ${nodeName} is lost (${lastHeard}); ${owner.kind} ${owner.name} replaces the pod`;
    const status = withCondition(pod, { type: DISRUPTION, status: 'True', reason: REASON_NODE_LOST, message }, now);
    tx.update('Pod', { ...pod, status: { ...status, reason: REASON_NODE_LOST, message } }, 'any');
    context.becauseFor(pod, `node ${nodeName} is lost (${lastHeard})`);
    context.event({ regarding: regarding('Pod', pod), type: 'Warning', reason: REASON_NODE_LOST, message });
    return;
  }
  const message = `Taint ${taintText(taint)} of node ${nodeName}: deleting the pod`;
  const condition = { type: DISRUPTION, status: 'True', reason: 'DeletionByTaintManager', message };
  deletePod(tx, tx.update('Pod', { ...pod, status: withCondition(pod, condition, now) }, 'any'));
  const heard = taint.key === TAINT_UNREACHABLE ? ` (${lastHeard})` : '';
  context.becauseFor(
    pod,
    `evicted from node ${nodeName}${heard}: taint ${taintText(taint)}, ${seconds === 0 ? 'not tolerated' : `tolerated for ${seconds} s`}`,
  );
  context.event({ regarding: regarding('Pod', pod), type: 'Normal', reason: 'TaintManagerEviction', message });
}
