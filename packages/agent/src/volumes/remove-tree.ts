// Removes a folder with all that is in it, however deep: what fs.rm does ends where a path has more letters than the system takes, and
// containers can make folders deeper than that.
import { rmdir, unlink } from 'node:fs/promises';
import { openFolder, walkUp } from './deep-walk.js';

/** One that is not there: nothing. Where something is added meanwhile it rejects (ENOTEMPTY), and may be tried again. */
export async function removeTree(path: string): Promise<void> {
  let root: Awaited<ReturnType<typeof openFolder>>;
  try {
    root = await openFolder(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
    throw error;
  }
  try {
    await walkUp(root, async ({ within, stats }) => {
      if (within === undefined) return;
      const entry = `${within.folder}/${within.name}`;
      await (stats.isDirectory() ? rmdir(entry) : unlink(entry));
    });
  } finally {
    await root.close();
  }
  await rmdir(path);
}
