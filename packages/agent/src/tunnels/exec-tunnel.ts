// Serves a command in a container, or the container's own standard streams, over a tunnel.
import type { AttachTunnel, ExecTunnel } from '@podplane/api/gen/podplane/node/v1/session';
import type { ContainerRuntime, StreamsHandle } from '../runtime/types.js';
import { type Tunnel, type TunnelAnswer, TunnelError } from './tunnel.js';

/** Resolves with the command's exit code. Where the other side goes away, the command is ended. */
export async function serveExec(
  tunnel: Tunnel,
  request: ExecTunnel,
  containerId: string,
  runtime: Pick<ContainerRuntime, 'exec'>,
): Promise<number> {
  if (request.command.length === 0) throw new TunnelError('BadRequest', 'command: Required value');
  const handle = await runtime.exec(containerId, { command: request.command, stdin: request.stdin, tty: request.tty });
  await carry(tunnel, handle, { ...request, ends: true });
  return await handle.exit;
}

/** Resolves with 0 when the container has ended. Where the other side goes away it goes on. */
export async function serveAttach(
  tunnel: Tunnel,
  request: AttachTunnel,
  containerId: string,
  runtime: Pick<ContainerRuntime, 'attach'>,
): Promise<number> {
  const { stdin, stdinOnce, tty } = request;
  const handle = await runtime.attach(containerId, { stdin, tty });
  try {
    await tunnel.send({ $case: 'ready', value: true });
    // On a terminal, and where others may attach later, an end of one's own input is no end of the container's.
    await carry(tunnel, handle, { stdin, tty, ends: stdinOnce && !tty });
  } finally {
    handle.abort();
  }
  return 0;
}

interface Streams {
  readonly stdin: boolean;
  readonly tty: boolean;
  /** An end of the input is passed on. */
  readonly ends: boolean;
}

/** Both directions, until the output has ended or the other side has gone. */
async function carry(tunnel: Tunnel, handle: StreamsHandle, streams: Streams): Promise<void> {
  const abort = (): void => handle.abort();
  if (tunnel.signal.aborted) abort();
  else tunnel.signal.addEventListener('abort', abort, { once: true });
  let refused: unknown;
  void tunnel
    .listen((message) => take(message, handle, streams))
    .catch((error: unknown) => {
      refused = error;
      abort();
    });
  try {
    for await (const part of handle.output) {
      await (part.stream === 'stdout' ? tunnel.sendData(part.data) : tunnel.sendErrorData(part.data));
    }
    if (refused !== undefined) throw refused;
  } catch (error) {
    abort();
    throw refused ?? error;
  } finally {
    tunnel.signal.removeEventListener('abort', abort);
  }
}

async function take(message: TunnelAnswer, handle: StreamsHandle, { stdin, tty, ends }: Streams): Promise<void> {
  switch (message.$case) {
    case 'data':
      if (!stdin) throw new TunnelError('BadRequest', 'data for a command without standard input');
      // A command that has ended, or closed its input, takes nothing more; its exit code says the rest.
      await handle.write(message.value).catch(() => undefined);
      return;
    case 'closed':
      if (ends) handle.closeStdin();
      return;
    case 'resize':
      if (!tty) throw new TunnelError('BadRequest', 'resize of a command without a terminal');
      await handle.resize(message.value.width, message.value.height).catch(() => undefined); // it may have ended just now
      return;
  }
}
