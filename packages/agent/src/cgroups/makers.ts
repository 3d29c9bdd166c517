// Makes and removes a cgroup as the engine's driver wants it: by the kernel's files, or by asking systemd.
import type { CgroupLayout, CgroupName } from './layout.js';
import { type CgroupLimits, limitWrites } from './limits.js';
import { Slices } from './slices.js';
import { CgroupTree } from './tree.js';

export interface CgroupMakers {
  readonly tree: CgroupTree;
  readonly slices: Slices;
}

export function cgroupMakers({ version }: CgroupLayout): CgroupMakers {
  return { tree: new CgroupTree(version), slices: new Slices(version) };
}

/** With those above it, and its limits. */
export async function makeCgroup(
  { tree, slices }: CgroupMakers,
  layout: CgroupLayout,
  name: CgroupName,
  limits: CgroupLimits,
): Promise<void> {
  if (layout.driver === 'systemd') await slices.make(name, limits);
  else await tree.make(name.folder, limitWrites(limits, layout.version));
}

/** Rejects while processes are left in it: those that it was not asked to kill, or that have not ended yet. Not there: no error. */
export async function removeCgroup(
  { tree, slices }: CgroupMakers,
  layout: CgroupLayout,
  name: CgroupName,
  killLeft: boolean,
): Promise<void> {
  if (layout.driver === 'cgroupfs') return await tree.remove(name.folder, killLeft);
  if (!(await tree.exists(name.folder))) return;
  if (!killLeft && !(await tree.empty(name.folder))) throw new Error(`processes are left in ${name.parent}`);
  // systemd would ask them first, and wait.
  if (killLeft) await tree.killBelow(name.folder);
  await slices.remove(name);
}
