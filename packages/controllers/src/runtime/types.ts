// What a controller is: a pure decider over a transaction and a clock. Who calls it, when, and with what retries is in pump.ts and queue.ts.
import type { Random } from '@podplane/api/system';
import type { Change, ReadView, Tx } from '@podplane/store/types';

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
  /** The words for the cause of this transaction; default: the controller's name. */
  because(reason: string): void;
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
