// What the session with the server tells the agent, and asks of it. Only types.
import type {
  Assignments,
  HeartbeatAck,
  Hello,
  OpenTunnel,
  PodReport,
  Refused,
  TokenReply,
  Welcome,
} from '@podplane/api/gen/podplane/node/v1/session';
import type { PortClosed } from './port.js';
import type { AfterRefusal } from './refusals.js';

export interface SessionHandlers {
  /** The first message of each session. */
  hello(): Omit<Hello, 'dial'>;
  /** A session stands; everything has to be reported again (by report). */
  welcome(welcome: Welcome): void;
  /** Returns false where a difference is missing. */
  assignments(assignments: Assignments): boolean;
  openTunnel(request: OpenTunnel): void;
  /** A heartbeat was acknowledged: the lease ends then (clock of leases). */
  leased(until: number, ack: HeartbeatAck): void;
  tokenReply(reply: TokenReply): void;
  /** The server has made these reports durable. */
  acknowledged(reports: readonly PodReport[]): void;
  /** The server does not want this agent. */
  refused(refused: Refused): AfterRefusal;
  /** The connection could not be made or was lost. */
  disconnected(reason: PortClosed): void;
}
