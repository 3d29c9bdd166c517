// How long heartbeats of simulated nodes take to their answers, looked at from outside: in front of the link that they dial with.
import type { NodeLink, NodeLinkEvents } from '@podplane/testing/simulated-node';

/** Of the heartbeats answered since the figures were taken last; ms. */
export interface AckFigures {
  readonly answered: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export class AckTimes {
  private times: number[] = [];

  /** The same link, watched. */
  watch(connect: (events: NodeLinkEvents) => NodeLink): (events: NodeLinkEvents) => NodeLink {
    return (events) => {
      let seq = -1;
      let sentAt = 0;
      const link = connect({
        message: (response) => {
          const { message } = response;
          if (message?.$case === 'heartbeatAck' && message.value.seq === seq) this.times.push(performance.now() - sentAt);
          events.message(response);
        },
        closed: () => events.closed(),
      });
      return {
        send: (request) => {
          if (request.message?.$case === 'heartbeat') {
            ({ seq } = request.message.value);
            sentAt = performance.now();
          }
          link.send(request);
        },
        close: (how) => link.close(how),
      };
    };
  }

  take(): AckFigures {
    const sorted = this.times.sort((a, b) => a - b);
    this.times = [];
    const at = (p: number): number => sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))] ?? 0;
    return { answered: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
  }
}
