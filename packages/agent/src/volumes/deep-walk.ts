// Walks a tree of files from its leaves to its root on open files, never by name, and with a bounded number of them: containers that share
// the tree may change it meanwhile, and may have made it deeper than a process has descriptors or a path has letters.
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';

const O_PATH = 0o10000000;
/** Folders that are kept open above the one that is walked; further up they are found again by "..", and held against what they were. */
const MOST_OPEN = 32;

/** Something in the tree, while it is open. */
export interface Entry {
  /** A path to the thing itself, wherever it was moved. */
  readonly at: string;
  /** A path to the folder that it was found in, and its name there; undefined for the root. */
  readonly within: { readonly folder: string; readonly name: string } | undefined;
  readonly stats: Stats;
}

interface Folder {
  readonly name: string;
  readonly stats: Stats;
  /** What is still to be visited of it. */
  readonly names: string[];
  /** undefined: closed until its turn comes again. */
  handle: FileHandle | undefined;
}

/** A handle for rights, owners and what is in it. follow: whether the path may end in a symbolic link. Rejects where it is no folder. */
export function openFolder(path: string, follow = false): Promise<FileHandle> {
  return open(path, O_PATH | constants.O_DIRECTORY | (follow ? 0 : constants.O_NOFOLLOW));
}

/**
 * Visits all that is in a folder, what is inside first, the folder itself last. Symbolic links are visited, not followed; what vanishes
 * meanwhile is left out. root stays open. Rejects where a visit does, and where a folder was moved away while it was walked.
 */
export async function walkUp(root: FileHandle, visit: (entry: Entry) => Promise<void>): Promise<void> {
  const stack: Folder[] = [{ name: '', stats: await root.stat(), names: await readdir(pathOf(root)), handle: root }];
  try {
    for (;;) {
      const top = stack.at(-1) as Folder;
      const handle = top.handle as FileHandle; // of the topmost one it is open
      const name = top.names.pop();
      if (name === undefined) {
        const parent = stack.at(-2);
        if (parent === undefined) {
          await visit({ at: pathOf(handle), within: undefined, stats: top.stats });
          return;
        }
        parent.handle ??= await reopened(handle, parent);
        await visit({ at: pathOf(handle), within: { folder: pathOf(parent.handle), name: top.name }, stats: top.stats });
        stack.pop();
        await handle.close();
        continue;
      }
      const child = await openChild(`${pathOf(handle)}/${name}`);
      if (child === undefined) continue;
      let kept = false;
      try {
        const stats = await child.stat();
        if (stats.isDirectory()) {
          stack.push({ name, stats, names: await readdir(pathOf(child)), handle: child });
          kept = true;
          if (stack.length > MOST_OPEN) {
            top.handle = undefined;
            await handle.close();
          }
        } else await visit({ at: pathOf(child), within: { folder: pathOf(handle), name }, stats });
      } finally {
        if (!kept) await child.close();
      }
    }
  } finally {
    for (const { handle } of stack) if (handle !== root) await handle?.close();
  }
}

function pathOf({ fd }: FileHandle): string {
  return `/proc/self/fd/${fd}`;
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

/** The folder above. Somebody may have moved the one below elsewhere, where ".." is something else. */
async function reopened(below: FileHandle, { stats, name }: Folder): Promise<FileHandle> {
  const handle = await openFolder(`${pathOf(below)}/..`);
  const found = await handle.stat();
  if (found.dev === stats.dev && found.ino === stats.ino) return handle;
  await handle.close();
  throw new Error(`a folder below "${name}" was moved away while it was walked`);
}
