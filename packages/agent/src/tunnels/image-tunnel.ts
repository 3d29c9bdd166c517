// Takes an image over a tunnel, unless the node has it.
import type { ImageTunnel } from '@podplane/api/gen/podplane/node/v1/session';
import type { ContainerRuntime } from '../runtime/types.js';
import { type Tunnel, TunnelError } from './tunnel.js';

/** Says "present" or "ready" first; after "ready" the docker-archive comes. Resolves with 0 when the engine has the image. */
export async function serveImage(
  tunnel: Tunnel,
  request: ImageTunnel,
  runtime: Pick<ContainerRuntime, 'imagePresent' | 'loadImage'>,
): Promise<number> {
  const { image, imageId } = request;
  if (image === '') throw new TunnelError('BadRequest', 'image: Required value');
  const present = await runtime.imagePresent(image);
  // By name and id: the same name with other content is not the same image.
  if (present !== undefined && imageId !== '' && present.id === imageId) {
    await tunnel.send({ $case: 'present', value: true });
    return 0;
  }
  await tunnel.send({ $case: 'ready', value: true });
  await runtime.loadImage(tunnel.incoming());
  if ((await runtime.imagePresent(image)) === undefined)
    throw new TunnelError('BadRequest', `the archive was loaded, but no image ${image} was in it`);
  return 0;
}
