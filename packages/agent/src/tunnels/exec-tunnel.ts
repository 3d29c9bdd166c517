// Serves a command in a container over a tunnel.
import type { ExecTunnel } from '@podplane/api/gen/podplane/node/v1/session';
import type { ContainerRuntime, ExecHandle } from '../runtime/types.js';
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
  const abort = (): void => handle.abort();
  if (tunnel.signal.aborted) abort();
  else tunnel.signal.addEventListener('abort', abort, { once: true });
  let refused: unknown;
  void tunnel
    .listen((message) => take(message, handle, request))
    .catch((error: unknown) => {
      refused = error;
      abort();
    });
  try {
    for await (const part of handle.output) {
      await (part.stream === 'stdout' ? tunnel.sendData(part.data) : tunnel.sendErrorData(part.data));
    }
    return await handle.exit;
  } catch (error) {
    abort();
    throw refused ?? error;
  } finally {
    tunnel.signal.removeEventListener('abort', abort);
  }
}

async function take(message: TunnelAnswer, handle: ExecHandle, request: ExecTunnel): Promise<void> {
  switch (message.$case) {
    case 'data':
      if (!request.stdin) throw new TunnelError('BadRequest', 'data for a command without standard input');
      // A command that has ended, or closed its input, takes nothing more; its exit code says the rest.
      await handle.write(message.value).catch(() => undefined);
      return;
    case 'closed':
      handle.closeStdin();
      return;
    case 'resize':
      if (!request.tty) throw new TunnelError('BadRequest', 'resize of a command without a terminal');
      await handle.resize(message.value.width, message.value.height).catch(() => undefined); // it may have ended just now
      return;
  }
}
