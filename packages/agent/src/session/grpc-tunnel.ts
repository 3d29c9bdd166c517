// Opens tunnel streams over gRPC. They share a connection that is not the session's: a full log stream never delays a heartbeat.
// What is said on them is in ../tunnels/.
import { Client, Metadata } from '@grpc/grpc-js';
import { tunnelMethod } from '@podplane/api/tunnel-method';
import type { TunnelDialer } from '../tunnels/tunnel.js';
import { type Identity, identityCredentials, Room, tunnelOptions } from './grpc-channel.js';

export interface GrpcTunnels {
  readonly dial: TunnelDialer;
  /** Later tunnels get a connection of their own (the certificate was renewed, or the server is another one). */
  renew(): void;
  close(): void;
}

export function grpcTunnels(address: string, identity: () => Identity): GrpcTunnels {
  let client: Client | undefined;
  const renew = (): void => {
    // Streams that are open keep the old connection until they end.
    client?.close();
    client = undefined;
  };
  return {
    dial() {
      client ??= new Client(address, identityCredentials(identity()), tunnelOptions());
      const { path, requestSerialize, responseDeserialize } = tunnelMethod;
      const call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata(), {});
      const room = new Room(call);
      call.on('error', (error) => room.end(error));
      call.on('close', () => room.end(new Error('the stream is closed')));
      return {
        write(message) {
          if (call.writableEnded || call.destroyed) throw new Error('the stream is closed');
          return call.write(message) ? true : room.wait();
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
