// The hash that tells whether a container runs what the pod says. Pure.
import { createHash } from 'node:crypto';
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';

/**
 * Hash of what may change in a running pod's container: its name and image, as in Kubernetes. Nothing else counts, so that an
 * agent that knows more fields than the one before does not restart every pod.
 */
export function containerHash(container: Pick<Container, 'name' | 'image'>): string {
  return createHash('sha256')
    .update(JSON.stringify([container.name, container.image ?? '']))
    .digest('hex')
    .slice(0, 16);
}
