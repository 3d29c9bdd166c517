// podplane.node.v1.Tunnel over gRPC: streams that nodes open when they were asked to. Who waits for them is in ../tunnels.
import { byteMethods } from '@podplane/api/byte-methods';
import { ApiError, badRequest } from '@podplane/api/errors';
import type { TunnelMessage, Tunnels } from '../tunnels/tunnels.js';
import { CallEnded, type Gate, ServiceBuilder } from './service.js';

export function tunnelService(tunnels: Tunnels, gate: Gate): ServiceBuilder {
  return new ServiceBuilder(gate).bidi(byteMethods.tunnel, async (input, out, { identity, signal }) => {
    if (identity.kind !== 'node') throw new ApiError('Forbidden', 'only nodes open tunnels');
    const first = await input.next();
    const hello = first.done === true ? undefined : first.value.message;
    if (hello?.$case !== 'hello') throw badRequest('the first message of a tunnel must be hello');
    const ended = Promise.withResolvers<void>();
    async function* messages(): AsyncGenerator<TunnelMessage, void, void> {
      for await (const { message } of input) if (message !== undefined) yield message;
    }
    let open = true;
    tunnels.opened(identity.nodeName, hello.value.tunnelId, {
      messages: messages(),
      write: async (message) => {
        if (!open) throw new CallEnded('the stream to the node was closed');
        await out.write({ message });
      },
      close: () => {
        open = false;
        ended.resolve();
      },
    });
    signal.addEventListener('abort', () => ended.resolve(), { once: true });
    await ended.promise;
  });
}
