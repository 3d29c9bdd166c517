// Removes the cgroups of a node that is gone for good: for those who remove everything that it had on its engine.
import type { EngineInfo } from '../runtime/types.js';
import { layoutOf, nodeCgroup } from './layout.js';
import { CgroupTree } from './tree.js';

/** After its containers. What this machine does not show is left alone; rejects where processes are left in them. */
export async function removeNodeCgroups(info: Pick<EngineInfo, 'cgroupDriver' | 'cgroupVersion'>, nodeName: string): Promise<void> {
  const layout = layoutOf(info, nodeName);
  if (layout === undefined) return;
  const tree = new CgroupTree(layout.version);
  if ((await tree.missing()) !== undefined) return;
  const { folder } = nodeCgroup(layout);
  await tree.remove(folder, false);
  // The last node of this machine takes what they have in common.
  await tree.removeEmpty(folder.slice(0, folder.lastIndexOf('/')));
}
