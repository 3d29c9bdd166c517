// Serves a container's log over a tunnel.
import type { LogsTunnel } from '@podplane/api/gen/podplane/node/v1/session';
import type { ContainerRuntime } from '../runtime/types.js';
import { type Tunnel, TunnelError } from './tunnel.js';

/** Rejects with TunnelError BadRequest before anything was read where the request makes no sense. */
export async function serveLogs(
  tunnel: Tunnel,
  request: LogsTunnel,
  containerId: string,
  runtime: Pick<ContainerRuntime, 'logs'>,
): Promise<number> {
  const since = request.since === '' ? undefined : Date.parse(request.since);
  if (since !== undefined && Number.isNaN(since))
    throw new TunnelError('BadRequest', `since: ${JSON.stringify(request.since)} is no RFC 3339 time`);
  let left = request.limitBytes ?? Number.POSITIVE_INFINITY;
  if (left < 1) throw new TunnelError('BadRequest', 'limitBytes: must be at least 1');
  if ((request.tailLines ?? 0) < 0) throw new TunnelError('BadRequest', 'tailLines: must not be negative');
  void tunnel.listen(() => undefined).catch(() => undefined); // only to hear when nobody wants it any more
  const options = { follow: request.follow, tail: request.tailLines, since, timestamps: request.timestamps };
  for await (const { data } of runtime.logs(containerId, options, tunnel.signal)) {
    const part = data.length > left ? data.subarray(0, left) : data;
    await tunnel.sendData(part);
    left -= part.length;
    if (left <= 0) break;
  }
  return 0;
}
