// Files of pods without a disk: what the agent would write into volumes is made, tokens are asked for, and nothing is kept but that it is there.
// Belongs to a machine: it outlives the agent's process, as a tmpfs does.

import { isProjected, payloadOf } from '@podplane/agent/volumes/payload';
import type { PrepareProblem, VolumeFiles } from '@podplane/agent/volumes/pod-files';
import type { Volume } from '@podplane/api/gen/podplane/core/v1/volume';

export class FakeFiles implements VolumeFiles {
  readonly seccompFolder = '/simulated';
  /** By pod, the volumes whose files are there. */
  private readonly there = new Map<string, Set<string>>();

  prepare: VolumeFiles['prepare'] = (pod, volume, context) => Promise.resolve(this.make(pod.metadata?.uid ?? '', volume, context));

  refresh: VolumeFiles['refresh'] = (pod, context) => {
    const problems: { volume: string; message: string }[] = [];
    for (const volume of pod.spec?.volumes ?? []) {
      if (!isProjected(volume) || this.there.get(pod.metadata?.uid ?? '')?.has(volume.name) !== true) continue;
      const payload = payloadOf(volume, context);
      if (!payload.ok && payload.waiting !== true) problems.push({ volume: volume.name, message: payload.message });
    }
    return problems;
  };

  source: VolumeFiles['source'] = (pod, volume) => Promise.resolve(`/simulated/${pod.metadata?.uid ?? ''}/${volume.name}`);
  etc: VolumeFiles['etc'] = () => Promise.resolve([]);
  mounted: VolumeFiles['mounted'] = () => true;
  release: VolumeFiles['release'] = () => Promise.resolve();
  sweep: VolumeFiles['sweep'] = () => Promise.resolve();
  removeClaim: VolumeFiles['removeClaim'] = () => Promise.resolve();

  remove: VolumeFiles['remove'] = (uid) => {
    this.there.delete(uid);
    return Promise.resolve();
  };

  /** The machine has lost its power. */
  clear(): void {
    this.there.clear();
  }

  private make(uid: string, volume: Volume, context: Parameters<VolumeFiles['prepare']>[2]): PrepareProblem | undefined {
    if (!isProjected(volume)) return { message: 'a simulated machine has no volumes of this kind', quiet: false };
    const volumes = this.there.get(uid) ?? new Set();
    const payload = payloadOf(volume, context);
    if (!payload.ok && !(payload.waiting === true && volumes.has(volume.name)))
      return { message: payload.message, quiet: payload.waiting === true };
    this.there.set(uid, volumes.add(volume.name));
    return undefined;
  }
}
