// Serves one TCP connection to a port of a pod over a tunnel. Either side may close its direction and still read the other.
import { connect, type Socket } from 'node:net';
import type { PortForwardTunnel } from '@podplane/api/gen/podplane/node/v1/session';
import type { System } from '@podplane/api/system';
import { type Tunnel, TunnelError } from './tunnel.js';

const CONNECT_TIMEOUT_MS = 10_000;

/** Resolves with 0 when both directions have ended. */
export async function servePort(tunnel: Tunnel, request: PortForwardTunnel, podIP: string, system: System): Promise<number> {
  if (request.port < 1 || request.port > 65535) throw new TunnelError('BadRequest', `port: ${request.port} is not between 1 and 65535`);
  const socket = await dial(podIP, request.port, tunnel.signal, system);
  const stop = (): void => void socket.destroy();
  if (tunnel.signal.aborted) stop();
  else tunnel.signal.addEventListener('abort', stop, { once: true });
  try {
    await tunnel.send({ $case: 'ready', value: true });
    // Ends when the client has closed and everything it sent has gone out, or the socket is gone.
    const sent = Promise.withResolvers<void>();
    socket.once('finish', () => sent.resolve()).once('close', () => sent.resolve());
    tunnel
      .listen(async (message) => {
        if (message.$case === 'data') await write(socket, message.value);
        else if (message.$case === 'closed') socket.end();
        else throw new TunnelError('BadRequest', `unexpected message ${message.$case}`);
      })
      // One failing direction ends the other: the error comes out of the iterator below.
      .catch((error: unknown) => socket.destroy(error instanceof Error ? error : new Error(String(error))));
    for await (const data of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) await tunnel.sendData(data);
    await tunnel.send({ $case: 'closed', value: true });
    await sent.promise;
    return 0;
  } catch (error) {
    if (isConnectionError(error))
      throw new TunnelError('Unavailable', `the connection to port ${request.port} of the pod broke: ${error.message}`);
    throw error;
  } finally {
    tunnel.signal.removeEventListener('abort', stop);
    socket.destroy();
  }
}

async function dial(host: string, port: number, signal: AbortSignal, system: System): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  // Without delays for small writes: an answer is often one.
  const socket = connect({ host, port, allowHalfOpen: true, noDelay: true });
  const timer = system.timers.after(CONNECT_TIMEOUT_MS, () =>
    reject(new TunnelError('Timeout', `port ${port} of the pod did not answer within ${CONNECT_TIMEOUT_MS / 1000} s`)),
  );
  const abort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  socket.once('connect', () => resolve(socket));
  socket.once('error', (error) => reject(new TunnelError('Unavailable', `cannot connect to port ${port} of the pod: ${error.message}`)));
  try {
    signal.throwIfAborted();
    return await promise;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', abort);
    // From here on errors come out of the iterator; without a listener they would end the process.
    socket.on('error', () => undefined);
  }
}

async function write(socket: Socket, data: Uint8Array): Promise<void> {
  if (socket.destroyed || socket.writableEnded) return; // the reading direction reports why
  if (socket.write(data)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const go = (): void => resolve();
  socket.once('drain', go).once('close', go);
  await promise;
  socket.off('drain', go).off('close', go);
}

function isConnectionError(error: unknown): error is Error {
  return error instanceof Error && !(error instanceof TunnelError) && 'code' in error && typeof error.code === 'string';
}
