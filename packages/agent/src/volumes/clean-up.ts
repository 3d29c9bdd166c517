// Removes what an agent that is gone for good left of pods' files: for those who remove its data directory. While anything is mounted in
// there, removing the directory would remove what is mounted: files of the host.
import { existsSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { mountsBelow, unbind } from './bind-mounts.js';
import { isOurs, memoryFolder } from './roots.js';

/** Before the data directory itself is removed. Rejects where something stays mounted in it: then it must not be removed. */
export async function removePodFiles(dataDir: string): Promise<void> {
  if (!existsSync(dataDir)) return;
  const real = realpathSync(dataDir);
  const pods = join(real, 'pods');
  // The innermost first.
  for (const point of [...mountsBelow(pods)].sort((a, b) => b.length - a.length)) await unbind(point);
  const left = mountsBelow(real).filter((point) => point !== real);
  if (left.length > 0) throw new Error(`unmount these first, they are not ours to remove: ${left.join(', ')}`);
  rmSync(pods, { recursive: true, force: true });
  const memory = memoryFolder(real);
  if (memory !== undefined && existsSync(memory) && isOurs(memory)) rmSync(memory, { recursive: true, force: true });
}
