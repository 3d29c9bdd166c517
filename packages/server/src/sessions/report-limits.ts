// How much each agent may have the server do: a budget a node for every kind of report, so that one that is broken or hostile costs the
// others nothing. A well node stays far below all of them. What becomes of what is too much (it waits, it is dropped, the session ends) is
// decided in session.ts and sessions.ts; budgets outlive sessions, or an agent would only have to connect again.
import type { System } from '@podplane/api/system';
import { type Budget, TokenBucket } from './token-bucket.js';

/** Bytes of a pod's status that count as one more. */
const STATUS_UNIT_BYTES = 8 * 1024;
/** A report that had to be looked through and refused costs more than one that could be written. */
const REFUSED_COST = 10;
/** A node is told of no more often than this, ms. */
const TELL_MS = 60_000;

const BUDGETS = {
  /** Each pod's status counts one, and one for each 8 KiB. 110 pods that start at once report about 600 within 15 s. */
  podStatuses: { burst: 2000, perSecond: 200 },
  /** Writes; agents report a change of theirs, or a pressure that comes and goes. */
  nodeStatus: { burst: 20, perSecond: 1 },
  events: { burst: 1000, perSecond: 20 },
  volumeReports: { burst: 2000, perSecond: 100 },
  tokenRequests: { burst: 500, perSecond: 10 },
  resyncs: { burst: 60, perSecond: 2 },
  hellos: { burst: 20, perSecond: 1 },
  /** Lines in the server's log. */
  complaints: { burst: 20, perSecond: 0.2 },
} as const satisfies Record<string, Budget>;

export type Limited = keyof typeof BUDGETS;

const WORDS: Record<Exclude<Limited, 'complaints'>, string> = {
  podStatuses: 'statuses of its pods faster than the server takes them: they wait, and only the newest of each pod counts',
  nodeStatus: 'its own status faster than the server takes it: only the newest counts, at most one a second',
  events: 'events faster than the server takes them: some are dropped',
  volumeReports: 'volumes faster than the server takes it: the session was ended',
  tokenRequests: 'requests for tokens faster than the server answers them: some are refused',
  resyncs: 'requests for all assignments faster than the server answers them: the session was ended',
  hellos: 'hellos faster than the server takes them: it is asked to wait',
};

interface NodeLimits {
  readonly buckets: { readonly [L in Limited]: TokenBucket };
  readonly toldAt: Map<Limited, number>;
}

export class ReportLimits {
  readonly #nodes = new Map<string, NodeLimits>();

  /** tell: what becomes an event of the node, and how often it may. */
  constructor(
    private readonly system: Pick<System, 'clock'>,
    private readonly tell: (nodeName: string, message: string) => void,
  ) {}

  /** ms until a report of this kind is taken; 0: now. */
  waitMs(nodeName: string, what: Exclude<Limited, 'complaints'>): number {
    const wait = this.#of(nodeName).buckets[what].waitMs;
    if (wait > 0) this.#tell(nodeName, what);
    return wait;
  }

  /** Whether one is taken, which counts then. */
  take(nodeName: string, what: Limited): boolean {
    const taken = this.#of(nodeName).buckets[what].take();
    if (!taken && what !== 'complaints') this.#tell(nodeName, what);
    return taken;
  }

  /** The first so many that there is room for, which count then. */
  some<T>(nodeName: string, what: Exclude<Limited, 'complaints'>, reports: readonly T[]): readonly T[] {
    const bucket = this.#of(nodeName).buckets[what];
    const taken = reports.slice(0, bucket.room);
    bucket.spend(taken.length);
    if (taken.length < reports.length) this.#tell(nodeName, what);
    return taken;
  }

  spend(nodeName: string, what: Limited, cost: number): void {
    this.#of(nodeName).buckets[what].spend(cost);
  }

  /** A batch of statuses was looked at. bytes: of those that were written. */
  spendStatuses(nodeName: string, batch: { readonly reports: number; readonly refused: number; readonly bytes: number }): void {
    this.spend(nodeName, 'podStatuses', batch.reports + batch.refused * REFUSED_COST + Math.floor(batch.bytes / STATUS_UNIT_BYTES));
  }

  /** The node is gone. */
  forget(nodeName: string): void {
    this.#nodes.delete(nodeName);
  }

  #of(nodeName: string): NodeLimits {
    let limits = this.#nodes.get(nodeName);
    if (limits === undefined) {
      const { clock } = this.system;
      const buckets = {
        podStatuses: new TokenBucket(clock, BUDGETS.podStatuses),
        nodeStatus: new TokenBucket(clock, BUDGETS.nodeStatus),
        events: new TokenBucket(clock, BUDGETS.events),
        volumeReports: new TokenBucket(clock, BUDGETS.volumeReports),
        tokenRequests: new TokenBucket(clock, BUDGETS.tokenRequests),
        resyncs: new TokenBucket(clock, BUDGETS.resyncs),
        hellos: new TokenBucket(clock, BUDGETS.hellos),
        complaints: new TokenBucket(clock, BUDGETS.complaints),
      };
      limits = { buckets, toldAt: new Map() };
      this.#nodes.set(nodeName, limits);
    }
    return limits;
  }

  #tell(nodeName: string, what: Exclude<Limited, 'complaints'>): void {
    const { toldAt } = this.#of(nodeName);
    const now = this.system.clock.monotonic();
    if (now - (toldAt.get(what) ?? Number.NEGATIVE_INFINITY) < TELL_MS) return;
    toldAt.set(what, now);
    this.tell(nodeName, `the agent sends ${WORDS[what]}`);
  }
}
