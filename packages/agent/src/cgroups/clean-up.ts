// Removes the cgroups of a node that is gone for good: for those who remove everything that it had on its engine.
import type { EngineInfo } from '../runtime/types.js';
import { childCgroup, isPodFolder, layoutOf, nodeCgroup, QOS_CLASSES, qosCgroup, topCgroup } from './layout.js';
import { cgroupMakers, removeCgroup } from './makers.js';

/** After its containers. What this machine does not show is left alone; rejects where processes are left in them. */
export async function removeNodeCgroups(info: Pick<EngineInfo, 'cgroupDriver' | 'cgroupVersion'>, nodeName: string): Promise<void> {
  const layout = layoutOf(info, nodeName);
  if (layout === undefined) return;
  const makers = cgroupMakers(layout);
  if ((await makers.tree.missing()) !== undefined) return;
  for (const qos of QOS_CLASSES.toReversed()) {
    const above = qosCgroup(layout, qos);
    for (const name of await makers.tree.children(above.folder))
      if (isPodFolder(layout, qos, name)) await removeCgroup(makers, layout, childCgroup(layout, above, name), false);
    if (qos !== 'Guaranteed') await removeCgroup(makers, layout, above, false);
  }
  await removeCgroup(makers, layout, nodeCgroup(layout), false);
  // The last node of this machine takes what they have in common.
  const top = topCgroup(layout);
  if (layout.driver === 'cgroupfs') await makers.tree.removeEmpty(top.folder);
  else if ((await makers.tree.children(top.folder)).length === 0) await removeCgroup(makers, layout, top, false);
}
