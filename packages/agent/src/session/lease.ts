// The lease of the node, as the agent counts it: from the moment the acknowledged heartbeat was sent. Pure bookkeeping in monotonic ms.

export class Lease {
  private readonly sentAt = new Map<number, number>();
  private seq = 0;
  private end = 0;

  /** Until when the server promised to replace nothing of this node; 0: there was never a lease. */
  get until(): number {
    return this.end;
  }

  /** A heartbeat goes out now. Returns its number. */
  sent(now: number): number {
    this.seq++;
    this.sentAt.set(this.seq, now);
    return this.seq;
  }

  acknowledged(seq: number, leaseMillis: number): void {
    const sent = this.sentAt.get(seq);
    if (sent === undefined) return;
    // Answers come in order: older ones are covered by this one.
    for (const other of this.sentAt.keys()) if (other <= seq) this.sentAt.delete(other);
    this.end = Math.max(this.end, sent + leaseMillis);
  }

  /** When the oldest heartbeat without an answer was sent. */
  get oldestUnanswered(): number | undefined {
    const first = this.sentAt.values().next();
    return first.done === true ? undefined : first.value;
  }

  connected(): void {
    this.sentAt.clear();
  }

  /** Answers to what was sent before do not come any more. */
  disconnected(): void {
    this.sentAt.clear();
  }
}
