// Opens tunnel streams over gRPC. They share a connection that is not the session's: a full log stream never delays a heartbeat.
// What is said on them is in ../tunnels/.
import { TunnelClient } from '@podplane/api/gen/podplane/node/v1/tunnel';
import type { TunnelDialer } from '../tunnels/tunnel.js';
import { channelOptions, type Identity, identityCredentials } from './grpc-channel.js';

export interface GrpcTunnels {
  readonly dial: TunnelDialer;
  /** Later tunnels get a connection of their own (the certificate was renewed, or the server is another one). */
  renew(): void;
  close(): void;
}

export function grpcTunnels(address: string, identity: () => Identity): GrpcTunnels {
  let client: TunnelClient | undefined;
  const renew = (): void => {
    // Streams that are open keep the old connection until they end.
    client?.close();
    client = undefined;
  };
  return {
    dial() {
      client ??= new TunnelClient(address, identityCredentials(identity()), channelOptions());
      const call = client.open();
      const gone = Promise.withResolvers<never>();
      gone.promise.catch(() => undefined);
      call.on('error', (error) => gone.reject(error));
      call.on('close', () => gone.reject(new Error('the stream is closed')));
      return {
        write(message) {
          if (call.writableEnded || call.destroyed) throw new Error('the stream is closed');
          if (call.write(message)) return true;
          return Promise.race([new Promise<void>((resolve) => call.once('drain', resolve)), gone.promise]);
        },
        messages: call,
        end: () => call.end(),
        abort: () => call.cancel(),
      };
    },
    renew,
    close: renew,
  };
}
