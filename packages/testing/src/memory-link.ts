// A connection between a node and the server's sessions, in memory: messages are encoded and decoded as on the wire, arrive in order after a
// latency, and may be cut. No gRPC, no real time.
import { ConnectRequest, ConnectResponse } from '@podplane/api/gen/podplane/node/v1/session';
import type { System } from '@podplane/api/system';
import type { SessionInput, SessionPort } from '@podplane/server/sessions/port';
import type { NodeLink, NodeLinkEvents } from './simulated-node.js';

export interface LinkOptions {
  /** One way, ms; each message takes between a half and one and a half of it. */
  readonly latencyMs: number;
  /** Joins the other side. Throws or returns undefined when the server is not there. */
  readonly accept: (port: SessionPort) => SessionInput | undefined;
}

/** One direction: in order, each delayed. */
class Lane {
  private freeAt = 0;
  private open = true;

  constructor(
    private readonly system: System,
    private readonly latencyMs: number,
  ) {}

  deliver(fn: () => void): void {
    const at = Math.max(this.freeAt, this.system.clock.monotonic() + this.latencyMs * (0.5 + this.system.random.next()));
    this.freeAt = at;
    this.system.timers.after(at - this.system.clock.monotonic(), () => {
      if (this.open) fn();
    });
  }

  cut(): void {
    this.open = false;
  }
}

/** Dials; the node's side of the connection. */
export function memoryLink(system: System, options: LinkOptions, events: NodeLinkEvents): NodeLink {
  const up = new Lane(system, options.latencyMs);
  const down = new Lane(system, options.latencyMs);
  let closedBySever = false;
  let input: SessionInput | undefined;
  const port: SessionPort = {
    send(message) {
      const bytes = ConnectResponse.encode(message).finish();
      down.deliver(() => events.message(ConnectResponse.decode(bytes)));
      return true;
    },
    close() {
      if (closedBySever) return;
      closedBySever = true;
      up.cut();
      down.deliver(() => events.closed());
    },
  };
  up.deliver(() => {
    input = options.accept(port);
    if (input === undefined) down.deliver(() => events.closed());
  });
  return {
    send(message) {
      const bytes = ConnectRequest.encode(message).finish();
      up.deliver(() => input?.message(ConnectRequest.decode(bytes)));
    },
    close(how) {
      down.cut();
      if (how === 'reset')
        up.deliver(() => {
          up.cut();
          input?.closed();
        });
      else up.cut(); // the server hears nothing and finds out by itself
    },
  };
}
