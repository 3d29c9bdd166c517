// When each node was heard last, and whether our own loop was able to hear. Memory only, never in the store. What follows from it
// is the node lifecycle controller's business.
import type { System, Timer } from '@podplane/api/system';
import type { NodeLiveness } from '@podplane/controllers/runtime/types';
import type { LeaseGrants } from './leases.js';

/** How often the loop is looked at, and how late it may be before that counts as a stall, ms. */
const TICK_MS = 100;
const STALL_MS = 500;
/** How long a stall is credited: until nodes that could not be heard have had their turn. */
const CREDIT_MS = 30_000;

interface Node {
  heard: number;
  heardWall: number;
  connected: boolean;
  goodbye: boolean;
}

export class Liveness implements NodeLiveness, Disposable {
  readonly servingSince: number;
  private readonly nodes = new Map<string, Node>();
  private stalls: { readonly at: number; readonly ms: number }[] = [];
  private ticker: Timer | undefined;
  private expected: number;

  /** heartbeatPeriodMs: what nodes are told now. */
  constructor(
    private readonly system: System,
    readonly heartbeatPeriodMs: () => number,
    private readonly leases: Pick<LeaseGrants, 'over'>,
  ) {
    this.servingSince = system.clock.monotonic();
    this.expected = this.servingSince + TICK_MS;
    this.arm();
  }

  lastHeard(nodeName: string): number | undefined {
    return this.nodes.get(nodeName)?.heard;
  }

  lastHeardWall(nodeName: string): number | undefined {
    return this.nodes.get(nodeName)?.heardWall;
  }

  connected(nodeName: string): boolean {
    return this.nodes.get(nodeName)?.connected ?? false;
  }

  saidGoodbye(nodeName: string): boolean {
    return this.nodes.get(nodeName)?.goodbye ?? false;
  }

  leaseOver(nodeName: string): number {
    return this.leases.over(nodeName);
  }

  get stallCredit(): number {
    const now = this.system.clock.monotonic();
    let credit = 0;
    for (const stall of this.stalls) if (now - stall.at < CREDIT_MS) credit += stall.ms;
    // A tick that is overdue right now counts too: whoever asks may run before the ticker does.
    const late = now - this.expected;
    return late > STALL_MS ? credit + late : credit;
  }

  /** Anything came from the node. */
  heard(nodeName: string): void {
    const { clock } = this.system;
    const node = this.nodes.get(nodeName);
    if (node === undefined)
      this.nodes.set(nodeName, { heard: clock.monotonic(), heardWall: clock.now(), connected: false, goodbye: false });
    else {
      node.heard = clock.monotonic();
      node.heardWall = clock.now();
    }
  }

  opened(nodeName: string): void {
    this.heard(nodeName);
    const node = this.nodes.get(nodeName);
    if (node === undefined) return;
    node.connected = true;
    node.goodbye = false;
  }

  closed(nodeName: string): void {
    const node = this.nodes.get(nodeName);
    if (node !== undefined) node.connected = false;
  }

  goodbye(nodeName: string): void {
    const node = this.nodes.get(nodeName);
    if (node !== undefined) node.goodbye = true;
  }

  /** The Node object is gone. */
  forget(nodeName: string): void {
    if (this.nodes.get(nodeName)?.connected === false) this.nodes.delete(nodeName);
  }

  [Symbol.dispose](): void {
    this.ticker?.cancel();
  }

  private arm(): void {
    this.ticker = this.system.timers.after(
      TICK_MS,
      () => {
        const now = this.system.clock.monotonic();
        const late = now - this.expected;
        if (late > STALL_MS) this.stalls = [...this.stalls.filter((stall) => now - stall.at < CREDIT_MS), { at: now, ms: late }];
        this.expected = now + TICK_MS;
        this.arm();
      },
      { background: true },
    );
  }
}
