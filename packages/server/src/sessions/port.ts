// What a session talks to: a message port. gRPC, tests and the simulation each bring their own (../grpc/session.ts is gRPC's). No behaviour here.
import type { ConnectRequest, ConnectResponse } from '@podplane/api/gen/podplane/node/v1/session';

/** The server's way to one agent. */
export interface SessionPort {
  /** False: taken, but the buffer is full; say nothing more that can wait before drained. */
  send(message: ConnectResponse): boolean;
  /** Ends the stream after what was sent before. */
  close(): void;
}

/** What the port tells the session. After closed nothing more comes. */
export interface SessionInput {
  message(message: ConnectRequest): void;
  drained(): void;
  closed(): void;
}

export type ServerMessage = NonNullable<ConnectResponse['message']>;
export type AgentMessage = NonNullable<ConnectRequest['message']>;
