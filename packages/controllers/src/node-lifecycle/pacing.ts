// How fast nodes are given up. A few that are lost together are given up at once; of many, some now and the others at a rate, so that a
// mistake (or a bad hour of a network) does not move a whole cluster before anybody has looked. Pure; ms, monotonic.

export interface PaceConfig {
  /** So many nodes may be given up at once: the larger of a number and a share of the fleet. */
  readonly burstNodes: number;
  readonly burstShare: number;
  /** And so many more a second, the larger again. */
  readonly nodesPerSecond: number;
  readonly sharePerSecond: number;
}

export class Pace {
  private tokens: number | undefined;
  private at = 0;

  constructor(private readonly config: PaceConfig) {}

  /** True: this node may be given up now, and has had its turn. Otherwise in how many ms to ask again. nodes: of the fleet. */
  take(now: number, nodes: number): true | { readonly inMs: number } {
    const burst = Math.max(1, this.config.burstNodes, Math.floor(this.config.burstShare * nodes));
    const perMs = Math.max(this.config.nodesPerSecond, this.config.sharePerSecond * nodes) / 1000;
    this.tokens = Math.min(burst, (this.tokens ?? burst) + (now - this.at) * perMs);
    this.at = now;
    if (this.tokens >= 1) {
      this.tokens -= 1;
      return true;
    }
    return { inMs: perMs > 0 ? Math.ceil((1 - this.tokens) / perMs) : Number.POSITIVE_INFINITY };
  }
}
