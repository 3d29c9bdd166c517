// What containers of the fake runtime take of their node, and how its images go.
import { RuntimeError } from '@podplane/agent/runtime/errors';
import { type ContainerFootprint, type ImageInfo, LABEL_CONTAINER } from '@podplane/agent/runtime/types';
import type { FakeContainer } from './fake-runtime-types.js';

/** By name of the container: what it takes; what is not said is nothing but one process. */
export type FakeUses = Map<string, Partial<ContainerFootprint>>;

interface FakeNode {
  readonly containers: ReadonlyMap<string, FakeContainer>;
  readonly images: Map<string, ImageInfo>;
  readonly uses: FakeUses;
}

export function fakeFootprint({ containers, uses }: Omit<FakeNode, 'images'>, id: string): ContainerFootprint | undefined {
  const info = containers.get(id)?.info;
  return info && { memoryBytes: 0, processes: 1, diskBytes: 0, ...uses.get(info.labels[LABEL_CONTAINER] ?? '') };
}

export function removeFakeImage({ containers, images }: Omit<FakeNode, 'uses'>, image: string): void {
  const id = images.get(image)?.id;
  if ([...containers.values()].some(({ info }) => info.imageId === id)) throw new RuntimeError('conflict', 'a container uses it');
  images.delete(image);
}
