// How often nodes say that they live, and for how long it counts, by how many nodes there are. What follows from silence is the node lifecycle
// controller's business.
export interface SessionTimings {
  /** Of a few nodes; grows with their number. */
  readonly heartbeatPeriodMs: number;
  /** Heartbeats taken per second, at most, over all nodes. */
  readonly heartbeatsPerSecond: number;
  /** How long a heartbeat counts; at least five periods. */
  readonly leaseMs: number;
}

/**
 * A heartbeat and its answer cost the server 80 to 100 µs, TLS and the kernel included (`npm run bench -- heartbeats`), so that 3,000 a second
 * are about a quarter of a core. Up to 3,000 nodes beat once a second; of 5,000 a silent one is noticed after 5 s.
 */
export const DEFAULT_SESSION_TIMINGS: SessionTimings = { heartbeatPeriodMs: 1000, heartbeatsPerSecond: 3000, leaseMs: 15_000 };

/** Periods that a lease lasts at least: that a few heartbeats are late must not cost a node its lease. */
const LEASE_PERIODS = 5;

/** What so many nodes are told, ms. */
export function heartbeatPeriodOf(timings: SessionTimings, nodes: number): number {
  return Math.max(timings.heartbeatPeriodMs, Math.ceil((nodes / timings.heartbeatsPerSecond) * 1000));
}

/** How long a heartbeat of one of so many nodes counts, ms. */
export function leaseOf(timings: SessionTimings, nodes: number): number {
  return Math.max(timings.leaseMs, LEASE_PERIODS * heartbeatPeriodOf(timings, nodes));
}
