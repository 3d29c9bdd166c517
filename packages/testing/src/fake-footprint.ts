// What containers of the fake runtime take of their node, and how its images go.
import { RuntimeError } from '@podplane/agent/runtime/errors';
import { type ContainerFootprint, LABEL_CONTAINER } from '@podplane/agent/runtime/types';
import type { FakeRuntime } from './fake-runtime.js';

/** By name of the container: what it takes; what is not said is nothing but one process. */
export type FakeUses = Map<string, Partial<ContainerFootprint>>;

export function fakeFootprint({ containers, uses }: FakeRuntime, id: string): ContainerFootprint | undefined {
  const info = containers.get(id)?.info;
  return info && { memoryBytes: 0, processes: 1, diskBytes: 0, ...uses.get(info.labels[LABEL_CONTAINER] ?? '') };
}

export function removeFakeImage({ containers, images }: FakeRuntime, image: string): void {
  const id = images.get(image)?.id;
  if ([...containers.values()].some(({ info }) => info.imageId === id)) throw new RuntimeError('conflict', 'a container uses it');
  images.delete(image);
}
