// What a controller is: a pure decider over a transaction and a clock. Who calls it, when, and with what retries is in pump.ts and queue.ts.

import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodTerminal } from '@podplane/api/pod-state';
import type { Random } from '@podplane/api/system';
import type { Change, Key, ReadView, Tx } from '@podplane/store/types';
import type { Trigger } from './queue.js';

export interface EventInput {
  readonly regarding: {
    readonly kind: string;
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
    readonly fieldPath?: string;
  };
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
}

export interface ReconcileContext {
  /** Reads and writes of this one reconcile; committed when it returns, undone when it throws. */
  readonly tx: Tx;
  /** Wall clock, ms; the same during one reconcile. */
  readonly now: number;
  /** Monotonic clock, ms; for deadlines that are not in objects. */
  readonly monotonic: number;
  readonly random: Random;
  /** Recorded after the commit, de-duplicated by count. */
  event(input: EventInput): void;
  /** What asked for this key: the weightiest change since the last reconcile; undefined: only time. */
  readonly trigger?: Trigger | undefined;
  /**
   * Why this reconcile writes, in the words of the decision; the last call counts. of: the object whose wish it carries out, which may be gone:
   * the cause is what was last asked of it. Without it the cause is what asked for the key. Where nothing is said, objects say how they
   * stand (status-words.ts).
   */
  because(reason: string, of?: Obj | Key): void;
  /** The same for one of the objects that it writes. */
  becauseFor(object: Obj, reason: string): void;
}

/** The object whose wish is carried out, where no decision asked for the key: as the second argument of because(). */
export function unlessDecided(context: ReconcileContext, wish: Obj): Obj | undefined {
  return context.trigger?.weight === 'decision' ? undefined : wish;
}

/** The same for what makes pods go: that another pod has ended is never why. */
export function unlessDecidedToGo(context: ReconcileContext, wish: Obj): Obj | undefined {
  const { change } = context.trigger ?? {};
  if (change?.kind !== 'Pod') return unlessDecided(context, wish);
  const ended = change.type === 'deleted' || isBeingDeleted(change.object) || isPodTerminal(change.object as Obj<'Pod'>);
  return ended ? wish : unlessDecided(context, wish);
}

/**
 * requeueAfterMs: look again then, whatever happens. refused: something could not be made, which was written down; look again after the
 * key's back-off. A throw means back-off too, and that nothing is written.
 */
export type ReconcileResult = { readonly requeueAfterMs?: number; readonly refused?: boolean } | undefined;

export interface Reconciler {
  readonly name: string;
  /** Which keys a change concerns. Pure. */
  keysFor(change: Change, view: ReadView): Iterable<string>;
  /** All keys there are; called at start and after the store recovered. */
  allKeys(view: ReadView): Iterable<string>;
  reconcile(key: string, context: ReconcileContext): ReconcileResult;
}

/** What the sessions know of nodes' life; never in the store. Times are of the monotonic clock. */
export interface NodeLiveness {
  /** When the last heartbeat (or any message) of the node came; undefined: never since this server started. */
  lastHeard(nodeName: string): number | undefined;
  /** Wall clock of the same moment, for messages. */
  lastHeardWall(nodeName: string): number | undefined;
  /** A session is open just now. */
  connected(nodeName: string): boolean;
  /** The node said that its host shuts down. */
  saidGoodbye(nodeName: string): boolean;
  /**
   * From when on the node surely has no lease: all of its fenced pods have ended. Never earlier than the longest lease that a server before
   * this one may have granted.
   */
  leaseOver(nodeName: string): number;
  /** When this server began to accept sessions. */
  readonly servingSince: number;
  /** Ms that our own loop was stalled recently, credited to every deadline; 0 when all is well. */
  readonly stallCredit: number;
  /** The period of heartbeats that nodes are told now, ms; it grows with their number, and silence is counted in it. */
  heartbeatPeriodMs?(): number;
}
