// The channel to a server: TLS, keepalive, how fast it is dialled again. What is said over it is in client.ts.
import { type ChannelCredentials, Client, type ClientOptions, credentials, Metadata } from '@grpc/grpc-js';
import { type Context, ContextError } from './context.js';

/** Servers' certificates have this name whatever their address is, so one that moved is still itself. */
export const SERVER_NAME = 'podplane-server';

/** Pages of lists stay under 3 MiB, a single object under the request limit; a margin for what is to come. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

const WINDOW_BYTES = 1024 * 1024;

/** Dials when the first call is made. */
export function dial(context: Context, options: ClientOptions = {}): Client {
  return new Client(`dns:${context.server}`, secretsOf(context), {
    'grpc.ssl_target_name_override': SERVER_NAME,
    'grpc.default_authority': SERVER_NAME,
    'grpc.max_receive_message_length': MAX_ANSWER_BYTES,
    'grpc.max_send_message_length': -1,
    // Bytes of a stream, and of the connection besides, that may be on their way here; the default, 64 KiB, makes copies slow.
    'grpc-node.flow_control_window': WINDOW_BYTES,
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.min_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 2000,
    'grpc.enable_retries': 0,
    'grpc.enable_channelz': 0,
    // A client has a connection of its own, so that closing it closes it.
    'grpc.use_local_subchannel_pool': 1,
    ...options,
  });
}

/** Who the client is: by its certificate, or by its token where it has one. Throws ContextError where they are not what they should be. */
function secretsOf(context: Context): ChannelCredentials {
  try {
    return credentialsOf(context);
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^error:[0-9A-F]+:/, '') : String(error);
    const message = `the certificates and the key of context "${context.name}" cannot be used (${why})`;
    throw new ContextError('malformed', message, 'Get a new context file from the server.', error);
  }
}

function credentialsOf({ caCertificate, clientCertificate, clientKey, token }: Context): ChannelCredentials {
  const ca = Buffer.from(caCertificate);
  if (token === undefined) return credentials.createSsl(ca, Buffer.from(clientKey), Buffer.from(clientCertificate));
  const bearer = credentials.createFromMetadataGenerator((_call, done) => {
    const metadata = new Metadata();
    metadata.set('authorization', `Bearer ${token}`);
    done(null, metadata);
  });
  return credentials.combineChannelCredentials(credentials.createSsl(ca), bearer);
}
