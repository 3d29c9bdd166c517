// Which pods of a node go now, and when the next one does: by taints and tolerations, by leases where they are fenced, and not all nodes at
// once. Whether the node is heard is judged in judge.ts; what "go" means for a pod is in pods.ts and fenced.ts.
import { FENCING_ANNOTATION, isFenced } from '@podplane/api/fencing';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodTerminal, REASON_NODE_LOST } from '@podplane/api/pod-state';
import { OWN_NO_EXECUTE_TAINTS, TAINT_UNREACHABLE } from '@podplane/api/taints';
import type { NodeLiveness, ReconcileContext } from '../runtime/types.js';
import { nameOf, regarding } from '../shared/objects.js';
import type { NodeLifecycleConfig } from './config.js';
import { fencedWait, fencedWords, REASON_FENCED, removeEnded } from './fenced.js';
import { Pace } from './pacing.js';
import { evict, markNotReady } from './pods.js';
import type { Stays } from './stays.js';
import { type Standing, sentenceOf } from './taints.js';

/** What is remembered of a node's turn among those that are given up. */
export interface Turn {
  /** It had it. */
  given: boolean;
  /** It waits for it, which was said. */
  told: boolean;
}

export interface Move {
  readonly node: Obj<'Node'>;
  /** Nothing is heard of it, and we trust that. */
  readonly silent: boolean;
  /** Its host said that it shuts down. */
  readonly shutdown: boolean;
  readonly standing: readonly Standing[];
  readonly turn: Turn;
  readonly stays: Stays;
  /** When it was heard last, for people. */
  readonly lastHeard: string;
}

export class Evictions {
  readonly #liveness: NodeLiveness;
  readonly #config: NodeLifecycleConfig;
  readonly #pace: Pace;

  constructor(liveness: NodeLiveness, config: NodeLifecycleConfig) {
    this.#liveness = liveness;
    this.#config = config;
    this.#pace = new Pace(config.pace);
  }

  /** Returns ms until the next pod's time is up. */
  move(move: Move, context: ReconcileContext): number {
    const { node, silent, shutdown, standing, stays, lastHeard } = move;
    const { tx, monotonic } = context;
    const name = nameOf(node);
    let next = Number.POSITIVE_INFINITY;
    let turnInMs: number | undefined;
    for (const pod of Array.from(tx.index('Pod', 'node', name))) {
      if (isPodTerminal(pod)) continue;
      const marked = silent ? markNotReady(context, pod, name, lastHeard) : pod;
      const deleted = isBeingDeleted(pod);
      const sentence = deleted ? undefined : sentenceOf(marked, standing, stays.stayedMs(marked, context), this.#config);
      if (!deleted) stays.sentence(marked, sentence !== undefined, context);
      const byLease = (silent || shutdown) && (deleted || sentence?.taint.key === TAINT_UNREACHABLE);
      const fenced = byLease ? fencedWait(marked, name, this.#liveness, this.#config.fencingMarginMs, monotonic) : undefined;
      if (sentence === undefined && fenced === undefined) continue;
      let wait = Math.max(sentence?.inMs ?? 0, fenced ?? 0);
      if (wait === 0 && silent) wait = turnInMs ??= this.#turnOf(move, context);
      if (wait > 0) next = Math.min(next, wait);
      else if (fenced !== undefined) this.#remove(context, marked, name);
      else if (sentence !== undefined) {
        // Somebody has set it, maybe long ago.
        if (!OWN_NO_EXECUTE_TAINTS.has(sentence.taint.key)) context.because(`node ${name} is tainted`, node);
        evict(context, marked, sentence, lastHeard, this.#config.keepOriginal);
      }
    }
    stays.looked();
    return next;
  }

  #remove(context: ReconcileContext, pod: Obj<'Pod'>, name: string): void {
    if (isFenced(pod)) removeEnded(context, pod, REASON_FENCED, fencedWords(name, context.monotonic - this.#liveness.leaseOver(name)));
    else removeEnded(context, pod, REASON_NODE_LOST, `is replaced without waiting for lost node ${name} (${FENCING_ANNOTATION}: none)`);
  }

  /** Ms until a silent node is given up; many that are lost together wait for their turn. */
  #turnOf({ node, turn }: Move, context: ReconcileContext): number {
    if (turn.given) return 0;
    const taken = this.#pace.take(context.monotonic, context.tx.count('Node'));
    if (taken === true) {
      turn.given = true;
      return 0;
    }
    if (!turn.told) {
      turn.told = true;
      const message = 'Many nodes are lost together; the pods of this one are moved when it is its turn';
      context.event({ regarding: regarding('Node', node), type: 'Warning', reason: 'EvictionsPaced', message });
    }
    // Of hundreds that wait only one gets what the next moment gives: that all ask for it would be most of the work.
    return Math.max(taken.inMs, this.#config.recheckMs);
  }
}
