// The lease of the node, as the agent counts it: from the moment the acknowledged heartbeat was sent. Pure bookkeeping in ms of two clocks:
// the session's own, and the one of leases, which counts suspend (see fencing/keeper.ts).

interface Sent {
  readonly at: number;
  readonly leaseAt: number;
}

export class Lease {
  private readonly sentAt = new Map<number, Sent>();
  private seq = 0;
  private end = 0;
  /** The highest term that was heard of. */
  private term = 0;

  /** Until when the server promised to replace nothing of this node, by the clock of leases; 0: there was never a lease. */
  get until(): number {
    return this.end;
  }

  /** The highest term that was heard of; 0: none. */
  get newestTerm(): number {
    return this.term;
  }

  /** A heartbeat goes out now, by both clocks. Returns its number. */
  sent(now: number, leaseNow = now): number {
    this.seq++;
    this.sentAt.set(this.seq, { at: now, leaseAt: leaseNow });
    return this.seq;
  }

  /** What a server of an older term grants is no lease: the one that followed it does not know of it. */
  acknowledged(seq: number, leaseMillis: number, term = 0): void {
    const sent = this.sentAt.get(seq);
    if (sent === undefined) return;
    // Answers come in order: older ones are covered by this one.
    for (const other of this.sentAt.keys()) if (other <= seq) this.sentAt.delete(other);
    if (!this.inTerm(term)) return;
    this.end = Math.max(this.end, sent.leaseAt + leaseMillis);
  }

  /** False: this server has been followed by another one. */
  inTerm(term: number): boolean {
    if (term < this.term) return false;
    this.term = term;
    return true;
  }

  /** When the oldest heartbeat without an answer was sent, by the session's clock. */
  get oldestUnanswered(): number | undefined {
    const first = this.sentAt.values().next();
    return first.done === true ? undefined : first.value.at;
  }

  connected(): void {
    this.sentAt.clear();
  }

  /** Answers to what was sent before do not come any more. */
  disconnected(): void {
    this.sentAt.clear();
  }
}
