// Which pods have a right to this node when the next one comes. Whether that one fits beside them is fit.ts's to say.
import type { AssignmentStore } from '../session/assignments.js';
import type { Room } from './fit.js';
import type { PodWorker } from './worker.js';
import type { NodeFacts } from './worker-types.js';

interface Holder {
  readonly nodeName: string;
  readonly references: Pick<AssignmentStore, 'node' | 'pods'>;
  facts(): NodeFacts;
}

/**
 * What the pod of this uid finds here. workers: those of all pods that there are. One that the server has forgotten does not count, though it
 * may take a moment to end, nor does it with the kubelet: the scheduler has given its room away already.
 */
export function roomBeside(uid: string, host: Holder, workers: Iterable<PodWorker>): Room {
  const { node, pods } = host.references;
  const others = [];
  for (const { ref, pod, placed } of workers) if (ref.uid !== uid && placed && pod !== undefined && pods.has(ref.uid)) others.push(pod);
  const words = node && { labels: node.metadata?.labels ?? {}, taints: node.spec?.taints ?? [] };
  return { nodeName: host.nodeName, allocatable: host.facts().allocatable, node: words, others };
}
