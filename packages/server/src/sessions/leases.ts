// The leases that nodes are granted, and when they are surely over. How long the longest one is that was ever granted outlives the server:
// it is durable before such a lease is granted, so that the next server knows for how long nodes may believe this one.
import type { System, Timer } from '@podplane/api/system';
import type { MetaTable } from '@podplane/store/types';

const LONGEST = 'fencing/longest-lease-ms';
const TERM = 'fencing/term';
/** What a node says counts up to here: terms are seconds. */
const MOST_TERM = 2 ** 42;

export class LeaseGrants implements Disposable {
  /** Ends by node, monotonic ms. */
  private readonly ends = new Map<string, number>();
  /** Which machine had the last one of a node. */
  private readonly machines = new Map<string, string>();
  private readonly since: number;
  /** The longest lease that may be granted now: it is durable. */
  private allowedMs: number;
  /** The longest that this server wanted. */
  private wantedMs = 0;
  private writing = false;
  private readonly settle: Timer;

  private constructor(
    private readonly meta: MetaTable,
    private readonly system: System,
    private ownTerm: number,
    /** Of the server before; 0: there was none. */
    readonly previousTerm: number,
    /** The longest lease that servers before this one may have granted, ms. */
    readonly inheritedMs: number,
    allowedMs: number,
  ) {
    this.since = system.clock.monotonic();
    this.allowedMs = allowedMs;
    // Then nobody has a lease of theirs any more, and the next server need not wait for it.
    this.settle = system.timers.after(inheritedMs, () => this.record(Math.max(allowedMs, this.wantedMs)), { background: true });
  }

  /** Grows with each server on these data. */
  get term(): number {
    return this.ownTerm;
  }

  /** The longest lease that may hold now, ms. */
  get longestMs(): number {
    return Math.max(this.inheritedMs, this.allowedMs);
  }

  /**
   * A node knows of a server of this term: on older data, and with a clock that was set back, ours may be lower, and nobody would listen to us.
   * Resolves when a higher one is durable. Rejects with StoreError.
   */
  outbid(term: number): Promise<void> {
    if (term <= this.ownTerm || term > MOST_TERM) return Promise.resolve();
    this.ownTerm = term + 1;
    return this.meta.set(TERM, String(this.ownTerm));
  }

  /** leaseMs: the least that is going to be granted. Resolves when it may be. Rejects with StoreError. */
  static async open(meta: MetaTable, system: System, leaseMs: number): Promise<LeaseGrants> {
    const before = Number(meta.get(LONGEST) ?? leaseMs);
    // A backup that was restored has an old number; the clock makes it a new one.
    const previous = Number(meta.get(TERM) ?? 0);
    const term = Math.max(previous + 1, Math.floor(system.clock.now() / 1000));
    await Promise.all([meta.set(TERM, String(term)), meta.set(LONGEST, String(Math.max(before, leaseMs)))]);
    return new LeaseGrants(meta, system, term, previous, before, leaseMs);
  }

  /** A heartbeat of the node is about to be acknowledged. Returns for how long it counts, ms: what is wanted, or less until that is durable. */
  grant(nodeName: string, wantedMs: number, machineId = ''): number {
    this.wantedMs = Math.max(this.wantedMs, wantedMs);
    if (this.wantedMs > this.allowedMs) this.record(this.wantedMs);
    const leaseMs = Math.min(wantedMs, this.allowedMs);
    this.machines.set(nodeName, machineId);
    this.ends.set(nodeName, Math.max(this.ends.get(nodeName) ?? 0, this.system.clock.monotonic() + leaseMs));
    return leaseMs;
  }

  /**
   * From when on the node surely has no lease, monotonic ms: it counts its own from when it sent the heartbeat, which is before it was
   * acknowledged here.
   */
  over(nodeName: string): number {
    return Math.max(this.ends.get(nodeName) ?? 0, this.since + this.inheritedMs);
  }

  /** As over, for another machine that is to be this node: at once where nobody but that machine was. */
  overFor(nodeName: string, machineId: string): number {
    return this.machines.get(nodeName) === machineId ? 0 : this.over(nodeName);
  }

  [Symbol.dispose](): void {
    this.settle.cancel();
  }

  private record(ms: number): void {
    if (this.writing) return;
    this.writing = true;
    const held = this.system.clock.monotonic() < this.since + this.inheritedMs ? this.inheritedMs : 0;
    this.meta.set(LONGEST, String(Math.max(ms, held))).then(
      () => {
        this.writing = false;
        this.allowedMs = Math.max(this.allowedMs, ms);
      },
      () => {
        this.writing = false; // the store is sealed: what may be granted stays as it is, and the next heartbeat tries again
      },
    );
  }
}
