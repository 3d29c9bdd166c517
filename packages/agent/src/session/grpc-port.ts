// The session's message port over gRPC: one connection and one stream for each session. What is said is in session.ts.
import { type ServiceError, status } from '@grpc/grpc-js';
import { SessionClient } from '@podplane/api/gen/podplane/node/v1/session';
import { Dialing } from './dialing.js';
import { type Identity, Room, sessionCredentials, sessionOptions } from './grpc-channel.js';
import type { PortClosed, SessionPortFactory } from './port.js';

function closedBy(error: ServiceError): PortClosed {
  const message = error.details || error.message;
  switch (error.code) {
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return { code: 'unauthorized', message };
    case status.UNAVAILABLE:
    case status.DEADLINE_EXCEEDED:
      return { code: 'unreachable', message };
    default:
      return { code: 'ended', message };
  }
}

/** address: host:port. The identity is read at each dial, so that a renewed certificate is used. */
export function grpcSessionPort(address: string, identity: () => Identity): SessionPortFactory {
  return (handlers) => {
    const dialing = new Dialing(sessionCredentials(identity()));
    const client = new SessionClient(address, dialing.credentials, sessionOptions());
    const call = client.connect();
    let open = true;
    let answered = false;
    const room = new Room(call);
    const end = (reason: PortClosed | undefined): void => {
      if (!open) return;
      open = false;
      room.end(new Error(reason?.message ?? 'closed'));
      client.close();
      // What is said last on a session has time to leave; a dial has nothing to say.
      if (!answered) dialing.abandon();
      if (reason !== undefined) handlers.closed(reason);
    };
    call.on('data', (message) => {
      answered = true;
      if (open) handlers.message(message);
    });
    call.on('error', (error: ServiceError) => end(closedBy(error)));
    call.on('end', () => end({ code: 'ended', message: 'the server ended the session' }));
    return {
      send(message) {
        if (!open) return Promise.reject(new Error('closed'));
        return call.write(message) ? Promise.resolve() : room.wait();
      },
      close() {
        if (!open) return;
        end(undefined);
        call.cancel();
      },
    };
  };
}
