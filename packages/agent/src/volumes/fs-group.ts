// Gives a volume to the group of a pod (fsGroup), as Kubernetes does: all that is in it belongs to the group, which may read and write it,
// and so does all that is made in it. Walks on open files, never by name: containers that use the volume already may change it meanwhile.
import { constants } from 'node:fs';
import { chmod, chown, type FileHandle, open, readdir } from 'node:fs/promises';

const O_PATH = 0o10000000;
const FOLDER_BITS = 0o2770;
const FILE_BITS = 0o660;

/** onRootMismatch: nothing is done where the volume's own folder looks right. */
export async function applyFsGroup(path: string, gid: number, onRootMismatch: boolean): Promise<void> {
  const root = await open(path, O_PATH | constants.O_DIRECTORY);
  try {
    const { gid: has, mode } = await root.stat();
    if (onRootMismatch && has === gid && (mode & FOLDER_BITS) === FOLDER_BITS) return;
    await walk(root, gid);
  } finally {
    await root.close();
  }
}

/** What is inside first: a walk that was broken off is then not taken for a whole one. */
async function walk(handle: FileHandle, gid: number): Promise<void> {
  const at = `/proc/self/fd/${handle.fd}`;
  const { uid, mode, isFolder, isLink } = await look(handle);
  if (isLink) return; // nothing is reached by the rights of a link
  if (isFolder) {
    for (const name of await readdir(at)) {
      const next = await openChild(`${at}/${name}`);
      if (next === undefined) continue;
      try {
        await walk(next, gid);
      } finally {
        await next.close();
      }
    }
  }
  await chown(at, uid, gid);
  await chmod(at, (mode & 0o7777) | (isFolder ? FOLDER_BITS : FILE_BITS));
}

async function look(handle: FileHandle): Promise<{ uid: number; mode: number; isFolder: boolean; isLink: boolean }> {
  const found = await handle.stat();
  return { uid: found.uid, mode: found.mode, isFolder: found.isDirectory(), isLink: found.isSymbolicLink() };
}

/** undefined: gone meanwhile. */
async function openChild(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, O_PATH | constants.O_NOFOLLOW);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
