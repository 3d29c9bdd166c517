// The timings of node failure, and what follows from them, in one place.
import { TAINT_NOT_READY, TAINT_SHUTTING_DOWN, TAINT_UNREACHABLE } from '@podplane/api/taints';
import type { PaceConfig } from './pacing.js';

export interface NodeLifecycleConfig {
  /** Silence after which a node counts as lost, ms. With slow heartbeats: at least silencePeriods of their periods. */
  readonly silenceMs: number;
  readonly silencePeriods: number;
  /** From the loss of a session to suspicion, ms: nothing new is placed there. */
  readonly suspectMs: number;
  /** Share of the silence after which a node counts as quiet when we ask whether many fell silent together. */
  readonly quietShare: number;
  /** As many quiet nodes at least, and more than half: then it is we who are cut off. */
  readonly suspicionMin: number;
  /**
   * So long may a well agent take to return, ms: after a start of the server, and after the last return of another node that was away
   * with it, nobody is lost before. At least the silence.
   */
  readonly returnMs: number;
  /** How often a node that is silent, suspected or held back is looked at again, ms. */
  readonly recheckMs: number;
  /** So long after a node's lease is over its fenced pods are replaced, ms: for clocks that run differently, and kernels that take time to kill. */
  readonly fencingMarginMs: number;
  /** Whether a pod of a ReplicaSet on a lost node is kept, should the node return before its replacement is Ready. Otherwise it is deleted at once. */
  readonly keepOriginal: boolean;
  /** How fast nodes are given up. */
  readonly pace: PaceConfig;
  /** Seconds that a pod without an own toleration stays under each NoExecute taint; others evict at once. */
  readonly defaultTolerationSeconds: {
    /** Pods that a controller would replace. */
    readonly managed: Readonly<Record<string, number>>;
    /** Pods that nobody would replace. */
    readonly bare: Readonly<Record<string, number>>;
  };
}

// A bare pod deleted for a short silence would never come back, so these have Kubernetes' five minutes. A node that says itself that
// it is not ready (its Docker Engine restarts) keeps its pods as long, too.
export const defaultNodeLifecycleConfig: NodeLifecycleConfig = {
  silenceMs: 3000,
  silencePeriods: 3,
  suspectMs: 1000,
  quietShare: 0.5,
  suspicionMin: 3,
  // Longer than the longest that an agent lets pass between two dials that can succeed (LONGEST_ABSENCE_MS in redial.ts of the agent). That
  // thousands of handshakes wait in line is in the "last return": as long as the line moves, nobody in it is lost.
  returnMs: 20_000,
  recheckMs: 500,
  fencingMarginMs: 2000,
  keepOriginal: true,
  // Kubernetes gives up a node each 10 s (node-eviction-rate 0.1), and one each 100 s where more than 55 % of a zone of more than 50 nodes
  // are gone; of smaller zones none.
  pace: { burstNodes: 3, burstShare: 0.05, nodesPerSecond: 1, sharePerSecond: 0.02 },
  defaultTolerationSeconds: {
    managed: { [TAINT_UNREACHABLE]: 0, [TAINT_SHUTTING_DOWN]: 0, [TAINT_NOT_READY]: 300 },
    bare: { [TAINT_UNREACHABLE]: 300, [TAINT_SHUTTING_DOWN]: 300, [TAINT_NOT_READY]: 300 },
  },
};

/** How long nodes have to return, ms. */
export function returnOf(config: NodeLifecycleConfig, heartbeatPeriodMs: number): number {
  return Math.max(config.returnMs, silenceOf(config, heartbeatPeriodMs));
}

/** Silence after which a node is lost, ms. */
export function silenceOf(config: NodeLifecycleConfig, heartbeatPeriodMs: number): number {
  return Math.max(config.silenceMs, config.silencePeriods * heartbeatPeriodMs);
}
