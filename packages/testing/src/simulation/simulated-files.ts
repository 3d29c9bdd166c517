// The volumes of pods on a machine that has no files: those of claims are the engine's own, made and removed by the agent's real code; for the
// rest see fake-files.ts.
import { prepareClaim, removeClaimData } from '@podplane/agent/volumes/claim-volumes';
import type { VolumeFiles } from '@podplane/agent/volumes/pod-files';
import type { FakeFiles } from '../fake-files.js';
import type { FakeRuntime } from '../fake-runtime.js';
import { type SimulatedProcess, seenFrom } from './process.js';

export function simulatedFiles(process: SimulatedProcess, runtime: FakeRuntime, others: FakeFiles): VolumeFiles {
  // Whoever asks where a volume is learns only that it is there: agent and engine see different files.
  const engine = seenFrom(process, {
    createVolume: (name: string, labels: Readonly<Record<string, string>>) => runtime.createVolume(name, labels),
    removeVolume: (name: string) => runtime.removeVolume(name),
    volumePath: async (name: string) => {
      await runtime.volumePath();
      return runtime.volumes.has(name) ? `/volumes/${name}` : undefined;
    },
  });
  const context = (nodeName: string): Parameters<typeof removeClaimData>[1] => ({
    runtime: engine,
    nodeName,
    sameFiles: () => Promise.resolve(false),
  });
  const { seccompFolder, refresh, source, etc, mounted, release, sweep, remove } = others;
  return {
    ...{ seccompFolder, refresh, source, etc, mounted, release, sweep, remove },
    prepare: async (pod, volume, about, claimed) => {
      if (claimed === undefined) return others.prepare(pod, volume, about);
      const message = await prepareClaim(claimed, pod, context(about.nodeName));
      return message === undefined ? undefined : { message, quiet: false };
    },
    removeClaim: (volume, nodeName) => removeClaimData(volume, context(nodeName)),
  };
}
