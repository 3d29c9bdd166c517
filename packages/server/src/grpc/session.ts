// podplane.node.v1.Session over gRPC: the stream as the message port that sessions talk to. What is said is in ../sessions.
import { ApiError } from '@podplane/api/errors';
import { ConnectResponse, SessionService } from '@podplane/api/gen/podplane/node/v1/session';
import { encodeMessage } from '@podplane/api/spare-writer';
import type { NodeSessions } from '../sessions/sessions.js';
import { Encoded, type Gate, ServiceBuilder } from './service.js';

export function sessionService(sessions: NodeSessions, gate: Gate): ServiceBuilder {
  return new ServiceBuilder(gate).duplex(SessionService.connect, async (call, { identity, signal }) => {
    if (identity.kind !== 'node') throw new ApiError('Forbidden', 'only nodes have sessions');
    const ended = Promise.withResolvers<void>();
    const input = sessions.connect(identity.nodeName, {
      // Thousands of nodes that return are told thousands of pods: the generated serializer would grow a buffer for each message.
      send: (message) => !signal.aborted && call.write(new Encoded(encodeMessage(ConnectResponse, message))),
      close: () => ended.resolve(),
    });
    call.onDrain(() => input.drained());
    signal.addEventListener('abort', () => ended.resolve(), { once: true });
    const reading = call.receive((message) => input.message(message));
    try {
      // Whoever is first: the agent ends its half (or breaks off), or the session is over.
      await Promise.race([reading, ended.promise]);
    } finally {
      input.closed();
      reading.catch(() => undefined); // what was still being read after the end
    }
  });
}
