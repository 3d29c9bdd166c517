// For how long pods have been on a node with NoExecute taints, and which of them are to go for it when their tolerations give out. Kept in memory
// only: after a restart of the server the time is taken from the pods themselves.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { podCondition } from '@podplane/api/pod-state';
import type { ReconcileContext } from '../runtime/types.js';
import { keyOf, regarding, uidOf } from '../shared/objects.js';
import { timeOf } from '../shared/time.js';

type Pod = Obj<'Pod'>;

interface Stay {
  /** Monotonic, ms. */
  readonly since: number;
  /** It was said that it has to go. */
  sentenced: boolean;
}

export class Stays {
  #stays = new Map<string, Stay>();
  #seen = new Map<string, Stay>();

  /** Ms that a pod has been on the node: a toleration of 10 s gives a pod that comes to a node tainted long ago 10 s, too. */
  stayedMs(pod: Pod, { now, monotonic }: ReconcileContext): number {
    const uid = uidOf(pod);
    let stay = this.#stays.get(uid);
    if (stay === undefined) {
      const came = timeOf(podCondition(pod, 'PodScheduled')?.lastTransitionTime ?? pod.metadata?.creationTimestamp);
      stay = { since: monotonic - Math.max(0, now - (came || now)), sentenced: false };
    }
    this.#seen.set(uid, stay);
    return monotonic - stay.since;
  }

  /** The pod has to go, now or later (or has not to); told where it was to go and is not any more. */
  sentence(pod: Pod, hasToGo: boolean, context: ReconcileContext): void {
    const stay = this.#seen.get(uidOf(pod));
    if (stay === undefined) return;
    if (stay.sentenced && !hasToGo) {
      const message = `Cancelling deletion of Pod ${keyOf(pod)}`;
      context.event({ regarding: regarding('Pod', pod), type: 'Normal', reason: 'TaintManagerEviction', message });
    }
    stay.sentenced = hasToGo;
  }

  /** Pods that wait for their end. */
  get anySentenced(): boolean {
    for (const { sentenced } of this.#stays.values()) if (sentenced) return true;
    return false;
  }

  /** All pods of the node have been looked at: those that were not are gone. */
  looked(): void {
    this.#stays = this.#seen;
    this.#seen = new Map();
  }
}
