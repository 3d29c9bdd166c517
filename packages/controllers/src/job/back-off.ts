// How long a job waits after failures before its next pod: ever longer, and from the beginning once a pod has succeeded.
import { endedAt, type Pod } from './pods.js';

/** After so many ms a failed pod is replaced; doubled with each further failure. */
const FIRST = 10_000;
const MOST = 600_000;
const DOUBLINGS = 20;

/** The failures of one job since a pod of it last succeeded. */
export class Failures {
  /** When each pod failed, by uid. */
  readonly #failed = new Map<string, number>();
  #success = Number.NEGATIVE_INFINITY;

  /** Takes a pod into account; one that is not over, or was before, changes nothing. Failures that a policy ignores wait as well. */
  note(pod: Pod): void {
    const at = endedAt(pod);
    if (at === undefined) return;
    if (pod.status?.phase === 'Succeeded') {
      if (at <= this.#success) return;
      this.#success = at;
      for (const [uid, time] of this.#failed) if (time <= at) this.#failed.delete(uid);
    } else if (at > this.#success) this.#failed.set(pod.metadata?.uid ?? '', at);
  }

  get count(): number {
    return this.#failed.size;
  }

  /** When the newest was, ms since 1970; 0: there is none. */
  get at(): number {
    let latest = 0;
    for (const at of this.#failed.values()) latest = Math.max(latest, at);
    return latest;
  }
}

/** Ms between a failure, the last of so many, and the next try. */
export function backOffMs(count: number): number {
  return Math.min(MOST, FIRST * 2 ** Math.min(count - 1, DOUBLINGS));
}
