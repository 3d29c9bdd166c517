// Fenced pods on nodes from which nothing is heard: nothing is done about them until the node's lease is surely over; then they have ended,
// and their objects go at once, so that whoever owns them makes the next incarnation. When that is, is judged in controller.ts.
import { fencingOf, isFenced } from '@podplane/api/fencing';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { controllerOf, isPodTerminal } from '@podplane/api/pod-state';
import type { NodeLiveness, ReconcileContext } from '../runtime/types.js';
import { nameOf, namespaceOf, regarding } from '../shared/objects.js';
import { durationText, timeText } from '../shared/time.js';

type Pod = Obj<'Pod'>;

export const REASON_FENCED = 'FencedByNode';

/**
 * What becomes of a pod of a silent node besides what taints do: left alone for so long, or removed now. undefined: taints decide.
 *   strict          only once the lease is over, whatever else is wanted of it
 *   none, with a    at once where it has to go anyway: it asked for being replaced without waiting, and its name must be free for that
 *   lasting name
 */
export function fencedWait(pod: Pod, nodeName: string, liveness: NodeLiveness, marginMs: number, now: number): number | undefined {
  if (isFenced(pod)) return Math.max(0, liveness.leaseOver(nodeName) + marginMs - now);
  return fencingOf(pod) === 'none' && controllerOf(pod)?.kind === 'StatefulSet' ? 0 : undefined;
}

/** The pod's object goes, as failed, so that what counts ends counts this one. why: with the pod as its subject. */
export function removeEnded(context: ReconcileContext, pod: Pod, reason: string, why: string): void {
  const { tx, now } = context;
  const message = `The pod ${why}`;
  context.becauseFor(pod, `${nameOf(pod)} ${why}`);
  let ended = pod;
  if (!isPodTerminal(pod) && pod.status !== undefined) {
    const condition = { type: 'DisruptionTarget', status: 'True', reason, message, lastTransitionTime: timeText(now) };
    const conditions = [...pod.status.conditions.filter(({ type }) => type !== condition.type), condition];
    ended = tx.update('Pod', { ...pod, status: { ...pod.status, phase: 'Failed', reason, message, conditions } }, 'any');
  }
  tx.markDeleted('Pod', namespaceOf(ended), nameOf(ended), 0);
  context.event({ regarding: regarding('Pod', pod), type: 'Warning', reason, message });
}

/** Why a fenced pod of a node may be taken for ended. overForMs: since the lease is over. */
export function fencedWords(nodeName: string, overForMs: number): string {
  return `was stopped by node ${nodeName} before its lease ended, ${durationText(overForMs)} ago`;
}
