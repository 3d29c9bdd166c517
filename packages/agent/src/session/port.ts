// The message port that a session talks through. gRPC is one (grpc-port.ts); tests and the simulation have theirs.
import type { ConnectRequest, ConnectResponse } from '@podplane/api/gen/podplane/node/v1/session';

export interface SessionPort {
  /** Resolves when the message was taken over (flow control). Rejects when the port is closed. */
  send(message: ConnectRequest): Promise<void>;
  /** Ends it at once. `closed` is not called any more. */
  close(): void;
}

export interface PortClosed {
  /** unreachable: nobody answers. unauthorized: certificate or CA are not accepted. ended: the other side ended it. */
  readonly code: 'unreachable' | 'unauthorized' | 'ended';
  readonly message: string;
}

export interface PortHandlers {
  message(message: ConnectResponse): void;
  /** Once, when the port is of no use any more. Never within the call that made the port. */
  closed(reason: PortClosed): void;
}

/** Dials. What is sent before the connection stands waits. */
export type SessionPortFactory = (handlers: PortHandlers) => SessionPort;
