// How many of a process full of simulated nodes dial at a time. Each dial is milliseconds of TLS: thousands in one turn of the one loop would
// keep all the other nodes from hearing what the server says to them, which thousands of machines would not do to each other.
import type { ConnectRequest } from '@podplane/api/gen/podplane/node/v1/session';
import type { NodeLink, NodeLinkEvents } from '@podplane/testing/simulated-node';

type Connect = (events: NodeLinkEvents) => NodeLink;

export class DialGate {
  private dialing = 0;
  /** Who came last is next, as the others may give up soon. */
  private readonly waiting: (() => void)[] = [];

  /** most: dials without an answer at a time. */
  constructor(private readonly most: number) {}

  /** The same link; it dials when it is its turn. What is sent before waits. */
  watch(connect: Connect): Connect {
    return (events) => {
      let state: 'waiting' | 'dialing' | 'done' = 'waiting';
      let link: NodeLink | undefined;
      const early: ConnectRequest[] = [];
      const done = (): void => {
        const before = state;
        state = 'done';
        if (before === 'dialing') this.leave();
      };
      this.enter(() => {
        if (state !== 'waiting') return false;
        state = 'dialing';
        link = connect({
          message: (message) => {
            done();
            events.message(message);
          },
          closed: () => {
            done();
            events.closed();
          },
        });
        for (const message of early) link.send(message);
        return true;
      });
      return {
        send: (message) => void (link === undefined ? early.push(message) : link.send(message)),
        close: (how) => {
          done();
          link?.close(how);
        },
      };
    };
  }

  /** begin: false where nobody wants to dial any more. */
  private enter(begin: () => boolean): void {
    this.waiting.push(() => {
      if (begin()) this.dialing++;
    });
    this.next();
  }

  private leave(): void {
    this.dialing--;
    this.next();
  }

  private next(): void {
    while (this.dialing < this.most) {
      const one = this.waiting.pop();
      if (one === undefined) return;
      one();
    }
  }
}
