// Serves files of a container over a tunnel, as a tar archive, either way.
import { posix } from 'node:path';
import type { FilesTunnel } from '@podplane/api/gen/podplane/node/v1/session';
import type { ContainerRuntime } from '../runtime/types.js';
import { type Tunnel, TunnelError } from './tunnel.js';

/** Resolves with 0 when all of it is read or written. */
export async function serveFiles(
  tunnel: Tunnel,
  request: FilesTunnel,
  containerId: string,
  runtime: Pick<ContainerRuntime, 'readFiles' | 'isFolder' | 'writeFiles'>,
): Promise<number> {
  const { path, write, preserve } = request;
  if (path === '') throw new TunnelError('BadRequest', 'path: Required value');
  if (write) {
    const folder = await runtime.isFolder(containerId, path);
    await tunnel.send({ $case: 'folder', value: folder });
    await runtime.writeFiles(containerId, folder ? path : posix.dirname(path), tunnel.incoming(), { preserve });
    return 0;
  }
  void tunnel.listen(() => undefined).catch(() => undefined); // only to hear when nobody wants it any more
  for await (const data of await runtime.readFiles(containerId, path, tunnel.signal)) await tunnel.sendData(data);
  return 0;
}
