// What an agent does when the server refuses it. Who asks is agent.ts.

/** The Node object was deleted: what runs here is to end, and the certificate is of no use any more. */
export const NODE_REMOVED = 'NodeRemoved';

/** Trying again is of no use after these. */
const FINAL = new Set(['CertificateRevoked', 'WrongCluster', NODE_REMOVED]);
/** Two agents of one node supersede each other again and again; what a dead one said that arrives late does so once. */
const RIVAL_MS = 300_000;

/** soon: in a moment; retry: after a while; stop: never again. */
export type AfterRefusal = 'soon' | 'retry' | 'stop';

export class Refusals {
  private supersededAt: number | undefined;

  /** now: monotonic ms. */
  judge(reason: string, now: number): AfterRefusal {
    if (FINAL.has(reason)) return 'stop';
    if (reason !== 'Superseded') return 'retry';
    const before = this.supersededAt;
    this.supersededAt = now;
    return before !== undefined && now - before < RIVAL_MS ? 'stop' : 'soon';
  }
}
