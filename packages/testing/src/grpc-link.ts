// A simulated node's connection over real gRPC with mTLS, by the agent's own port.

import type { Identity } from '@podplane/agent/session/grpc-channel';
import { grpcSessionPort } from '@podplane/agent/session/grpc-port';
import type { NodeLink, NodeLinkEvents } from './simulated-node.js';

/** address: host:port. */
export function grpcLink(address: string, identity: Identity): (events: NodeLinkEvents) => NodeLink {
  const dial = grpcSessionPort(address, () => identity);
  return (events) => {
    const port = dial({ message: (message) => events.message(message), closed: () => events.closed() });
    return {
      // What waits for room is bounded by the node itself: one batch of statuses at a time, and heartbeats.
      send: (message) => void port.send(message).catch(() => undefined),
      close: () => port.close(),
    };
  };
}
