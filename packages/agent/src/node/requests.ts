// What a container has requested of what a node may run short of. Pure.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import { wholeValue } from '@podplane/api/quantity';

export type Resource = 'memory' | 'ephemeral-storage' | 'inodes' | 'pids';

/** Bytes; 0 where nothing is requested, or nothing can be. */
export function requestOf({ resources }: Pick<Container, 'resources'>, resource: Resource): number {
  if (resource === 'pids' || resource === 'inodes') return 0;
  const text = resources?.requests[resource] ?? resources?.limits[resource];
  return text === undefined || text === '' ? 0 : wholeValue(text);
}
