// When an agent dials its server again, and how long it waits for an answer to a dial. What a session is, is in session.ts.
import type { System } from '@podplane/api/system';

/**
 * For dialing, TLS and Hello together. A connection that only hangs must not cost the lease, so the first try is short; a busy server takes
 * its time with handshakes, so each gets longer.
 */
const CONNECT_FIRST_MS = 4_000;
const CONNECT_MAX_MS = 10_000;
const RETRY_FIRST_MS = 200;
const RETRY_MAX_MS = 1_000;
export const RETRY_SLOW_MS = 5_000;
const RETRY_REFUSED_MS = 15_000;
/** Agents that are asked to dial again come spread over this time besides what they are told. */
export const RETRY_SPREAD_MS = 200;
/** An agent that starts with its server need not wait long for it. */
const FAST_START_MS = 30_000;
/** Each wait is jittered by a quarter. */
const MOST_JITTER = 1.25;

/**
 * The longest that an agent lets pass, ms, between the moment in which its server can be reached (again) and its next dial: it has only just
 * begun to wait for one that will not be answered, and waits before the next; or was refused. The server must not give up a node before.
 */
export const LONGEST_ABSENCE_MS = Math.max(CONNECT_MAX_MS + RETRY_SLOW_MS * MOST_JITTER, RETRY_REFUSED_MS * MOST_JITTER);

export class Redial {
  private retryMs = RETRY_FIRST_MS;
  private connectMs = CONNECT_FIRST_MS;
  private readonly fastUntil: number;

  constructor(private readonly system: System) {
    this.fastUntil = system.clock.monotonic() + FAST_START_MS;
  }

  /** How long the dial that begins now waits for its answer, ms. */
  patience(): number {
    const patienceMs = this.connectMs;
    this.connectMs = Math.min(this.connectMs * 1.5, CONNECT_MAX_MS);
    return patienceMs;
  }

  /** Ms until the next dial: 200 ms growing to 1 s while the lease lasts (so that it is renewed in time), 5 s after. */
  delay(leased: boolean): number {
    if (!leased && this.system.clock.monotonic() >= this.fastUntil) return this.jittered(RETRY_SLOW_MS);
    const delayMs = this.retryMs;
    this.retryMs = Math.min(this.retryMs * 1.5, RETRY_MAX_MS);
    return this.jittered(delayMs);
  }

  /** Ms until the next dial of an agent that was refused. */
  afterRefusal(then: 'soon' | 'retry'): number {
    return this.jittered(then === 'soon' ? RETRY_MAX_MS : RETRY_REFUSED_MS);
  }

  /** The server has welcomed it. */
  succeeded(): void {
    this.retryMs = RETRY_FIRST_MS;
    this.connectMs = CONNECT_FIRST_MS;
  }

  private jittered(ms: number): number {
    return ms * (2 - MOST_JITTER + 2 * (MOST_JITTER - 1) * this.system.random.next());
  }
}
