// A simulated node's connection over real gRPC with mTLS, by the agent's own port.

import type { Identity } from '@podplane/agent/session/grpc-channel';
import { grpcSessionPort } from '@podplane/agent/session/grpc-port';
import type { NodeLink, NodeLinkEvents } from './simulated-node.js';

/**
 * address: host:port. For one node. Silence leaves the connection open and says nothing more on it, as a hung agent or a cut cable does:
 * the server learns it from the heartbeats that do not come.
 */
export function grpcLink(address: string, identity: Identity): (events: NodeLinkEvents) => NodeLink {
  const dial = grpcSessionPort(address, () => identity);
  let silent: { close(): void } | undefined;
  return (events) => {
    silent?.close();
    silent = undefined;
    let open = true;
    const port = dial({ message: (message) => open && events.message(message), closed: () => events.closed() });
    return {
      // What waits for room is bounded by the node itself: one batch of statuses at a time, and heartbeats.
      send: (message) => void (open && port.send(message).catch(() => undefined)),
      close: (how) => {
        open = false;
        if (how === 'silent') silent = port;
        else port.close();
      },
    };
  };
}
