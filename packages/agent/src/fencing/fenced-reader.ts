// Marks containers that had to end because of the lease, so that their status says so and they start again without back-off.
import type { ContainerInfo, ContainerRuntime } from '../runtime/types.js';
import type { FenceKeeper } from './keeper.js';

type Reader = Pick<ContainerRuntime, 'inspect' | 'listContainers'>;

/** Reads as `engine` does. */
export function fencedReader(engine: Reader, fence: Pick<FenceKeeper, 'wasFenced'>): Reader {
  const marked = (info: ContainerInfo): ContainerInfo => (fence.wasFenced(info.id) ? { ...info, fenced: true } : info);
  return {
    async inspect(id) {
      const info = await engine.inspect(id);
      return info && marked(info);
    },
    async listContainers(nodeName) {
      return (await engine.listContainers(nodeName)).map(marked);
    },
  };
}
