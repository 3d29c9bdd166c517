// How the agent dials the server by gRPC: credentials and channel options, the same for every service.
import { checkServerIdentity } from 'node:tls';
import { type ChannelCredentials, type ClientOptions, credentials } from '@grpc/grpc-js';

/** The name that every server certificate has; trust is pinned to the cluster's own CA. */
export const SERVER_NAME = 'podplane-server';
/** Asked for by SNI for sessions, whose handshakes the server takes a few at a time; the certificate has to be SERVER_NAME's all the same. */
export const SESSION_NAME = 'sessions.podplane-server';

/** Assignments of a full node with large ConfigMaps. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** PEM texts. */
export interface Identity {
  readonly caCertificate: string;
  readonly certificate: string;
  readonly key: string;
}

export function identityCredentials(identity: Identity): ChannelCredentials {
  return credentials.createSsl(Buffer.from(identity.caCertificate), Buffer.from(identity.key), Buffer.from(identity.certificate));
}

const known = new WeakMap<Identity, ChannelCredentials>();

/** For the session's connection. Made once for an identity: to read keys and certificates costs more than the rest of a dial. */
export function sessionCredentials(identity: Identity): ChannelCredentials {
  let made = known.get(identity);
  if (made === undefined) {
    made = credentials.createSsl(Buffer.from(identity.caCertificate), Buffer.from(identity.key), Buffer.from(identity.certificate), {
      checkServerIdentity: (_asked, shown) => checkServerIdentity(SERVER_NAME, shown),
    });
    known.set(identity, made);
  }
  return made;
}

/** Each client has a connection of its own: a dead one is not shared with the next session. */
export function channelOptions(): ClientOptions {
  return {
    'grpc.ssl_target_name_override': SERVER_NAME,
    'grpc.default_authority': SERVER_NAME,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_receive_message_length': MAX_MESSAGE_BYTES,
    'grpc.max_send_message_length': MAX_MESSAGE_BYTES,
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.initial_reconnect_backoff_ms': 200,
    'grpc.max_reconnect_backoff_ms': 1_000,
    'grpc.enable_channelz': 0,
    'grpc.enable_http_proxy': 0,
  };
}

/** Of the session's connection. */
export function sessionOptions(): ClientOptions {
  return { ...channelOptions(), 'grpc.ssl_target_name_override': SESSION_NAME };
}

/** Bytes of a stream, and of a connection besides, that may be on their way to us: what 64 KiB allow is a few MB/s over any distance. */
const TUNNEL_WINDOW_BYTES = 1024 * 1024;

/** Of connections that carry tunnels. */
export function tunnelOptions(): ClientOptions {
  return { ...channelOptions(), 'grpc-node.flow_control_window': TUNNEL_WINDOW_BYTES };
}

/** Waits for room on a stream. Nothing stays behind after a wait, however long the stream lives and however often it is full. */
export class Room {
  private readonly waiting = new Set<(error: Error) => void>();
  private gone: Error | undefined;

  constructor(private readonly stream: { once(event: 'drain', listener: () => void): unknown }) {}

  /** Resolves when there is room. Rejects when the stream is gone. */
  wait(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.gone !== undefined) return reject(this.gone);
      this.waiting.add(reject);
      this.stream.once('drain', () => {
        this.waiting.delete(reject);
        resolve();
      });
    });
  }

  /** The stream is gone, for good. */
  end(error: Error): void {
    this.gone ??= error;
    for (const reject of this.waiting) reject(this.gone);
    this.waiting.clear();
  }
}
