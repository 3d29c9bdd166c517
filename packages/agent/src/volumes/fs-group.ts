// Gives a volume to the group of a pod (fsGroup), as Kubernetes does: all that is in it belongs to the group, which may read and write it,
// and so does all that is made in it. How a tree is walked that containers use already is deep-walk.ts's.
import { chmod, chown } from 'node:fs/promises';
import { openFolder, walkUp } from './deep-walk.js';

const FOLDER_BITS = 0o2770;
const FILE_BITS = 0o660;

/** onRootMismatch: nothing is done where the volume's own folder looks right. */
export async function applyFsGroup(path: string, gid: number, onRootMismatch: boolean): Promise<void> {
  const root = await openFolder(path, true);
  try {
    const { gid: has, mode } = await root.stat();
    if (onRootMismatch && has === gid && (mode & FOLDER_BITS) === FOLDER_BITS) return;
    // What is inside first: a walk that was broken off is then not taken for a whole one.
    await walkUp(root, async ({ at, stats }) => {
      if (stats.isSymbolicLink()) return; // nothing is reached by the rights of a link
      await chown(at, stats.uid, gid);
      await chmod(at, (stats.mode & 0o7777) | (stats.isDirectory() ? FOLDER_BITS : FILE_BITS));
    });
  } finally {
    await root.close();
  }
}
