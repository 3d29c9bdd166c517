// TLS handshakes of nodes' sessions, a few at a time: when a server of thousands of nodes comes back they all dial in the same second, and
// whoever else wants something would wait behind all of their handshakes. Which connections are such, is for one-port.ts.
import type { Timer, Timers } from '@podplane/api/system';

/** What is asked of a socket: to say once that it has closed. */
export interface Closing {
  once(event: 'close', listener: () => void): unknown;
  readonly destroyed: boolean;
}

/** So long a peer that is slow, or does not want to end its handshake, keeps others waiting, ms. Its own handshake goes on after that. */
const SLOW_MS = 250;

/** So many that wait no more, besides as many as wait, may be in the line. */
const SPARE = 64;

export class HandshakeQueue<S extends Closing> {
  private readonly running = new Map<S, Timer>();
  private readonly waiting = new Map<S, () => void>();
  /** In order of arrival; with some who do not wait any more. */
  private readonly line: S[] = [];

  /** most: handshakes at a time. */
  constructor(
    private readonly most: number,
    private readonly timers: Timers,
  ) {}

  /** Handshakes that wait for their turn. */
  get length(): number {
    return this.waiting.size;
  }

  /** Sockets that it holds on to. */
  get remembered(): number {
    return this.line.length + this.running.size;
  }

  /**
   * go: called once, now or when it is the socket's turn; never where it closes before. Who came last is next: a client gives up after some
   * seconds and comes again, and in a long line it would be the turn of those who are just about to.
   */
  enter(socket: S, go: () => void): void {
    if (socket.destroyed) return;
    socket.once('close', () => this.leave(socket));
    if (this.running.size < this.most) this.begin(socket, go);
    else {
      this.waiting.set(socket, go);
      this.line.push(socket);
      if (this.line.length > 2 * this.waiting.size + SPARE) this.line.splice(0, this.line.length, ...this.waiting.keys());
    }
  }

  /** The handshake is done, or will never be. Also of sockets that never entered. */
  leave(socket: S): void {
    this.waiting.delete(socket);
    this.running.get(socket)?.cancel();
    if (!this.running.delete(socket)) return;
    while (this.running.size < this.most) {
      const next = this.line.pop();
      if (next === undefined) return;
      const go = this.waiting.get(next);
      this.waiting.delete(next);
      if (go !== undefined) this.begin(next, go);
    }
  }

  private begin(socket: S, go: () => void): void {
    this.running.set(
      socket,
      this.timers.after(SLOW_MS, () => this.leave(socket), { background: true }),
    );
    go();
  }
}
