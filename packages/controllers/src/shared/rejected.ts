// Pods that their nodes did not take, as nothing about such a node need change before the next one is made: they are replaced ever more seldom,
// or a template that fits nowhere would be tried hundreds of times a second. How a node says so is in the agent.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isPodRejected } from '@podplane/api/pod-state';
import { uidOf } from './objects.js';

/** ms; as of DaemonSets' pods that fail. */
const FIRST_MS = 1000;
/** ms; as of containers that crash. */
const MOST_MS = 5 * 60_000;

interface Known {
  /** What the pods are made by: another one is worth a try at once. */
  readonly maker: unknown;
  readonly rejected: ReadonlySet<string>;
  readonly delay: number;
  readonly until: number;
}

export class RejectionBackOff {
  /** By workload, or by what of it is replaced alone. Losing it costs one early try. */
  readonly #known = new Map<string, Known>();

  /**
   * How long no pod is made in place of those that were rejected, ms; 0: now. maker: changes when pods are made in another way. pods: all that
   * there are for this key, also well ones. now: monotonic, ms.
   */
  wait(key: string, maker: unknown, pods: Iterable<Obj<'Pod'>>, now: number): number {
    const rejected = new Set<string>();
    for (const pod of pods) if (isPodRejected(pod)) rejected.add(uidOf(pod));
    const before = this.#known.get(key);
    if (rejected.size === 0) {
      // The one that was may have been deleted to be replaced: what is known of it counts for the next.
      if (before !== undefined && (before.maker !== maker || isForgotten(before, now))) this.#known.delete(key);
      return 0;
    }
    let next: Known;
    if (before !== undefined && before.maker !== maker) next = { maker, rejected, delay: 0, until: now };
    else if (before === undefined) next = { maker, rejected, delay: FIRST_MS, until: now + FIRST_MS };
    else if (before.until > now || [...rejected].every((uid) => before.rejected.has(uid))) next = { ...before, rejected };
    else {
      // Those that came while it waited were made together with the first; these were made since.
      const delay = isForgotten(before, now) ? FIRST_MS : Math.min(MOST_MS, Math.max(FIRST_MS, before.delay * 2));
      next = { maker, rejected, delay, until: now + delay };
    }
    this.#known.set(key, next);
    return Math.max(0, next.until - now);
  }

  /** The workload is gone; with all that begins with its key. */
  forget(key: string): void {
    for (const one of this.#known.keys()) if (one === key || one.startsWith(`${key} `)) this.#known.delete(one);
  }
}

/** Long over its time: it went well meanwhile, so it starts from the beginning. */
const isForgotten = ({ until, delay }: Known, now: number): boolean => now > until + 2 * delay;
