// Finds a path inside of a volume without ever leaving it, whatever symbolic links the volume holds and however fast a container
// changes them: each step is opened relative to the folder opened before, never following a link; links are followed by hand, inside.
// What is found is an open file, not a name: names can be swapped, an open file cannot.
import { constants } from 'node:fs';
import { chmod, type FileHandle, mkdir, open, readlink } from 'node:fs/promises';

/** O_PATH: a place in the file tree and nothing more; opening a device or a pipe this way has no effect. */
const O_PATH = 0o10000000;
const MAX_LINKS = 40;

export class EscapeError extends Error {}

export interface SubPathOptions {
  /** Folders that are missing are made, with the rights of the base: whoever may write to the volume may write to them. */
  readonly create: boolean;
}

/** What is at the path, open; close it. Rejects with EscapeError where the path leads out of the base, and with what the file system says. */
export async function openInside(base: string, path: string, options: SubPathOptions): Promise<FileHandle> {
  const steps = stepsOf(path);
  const stack: FileHandle[] = [await open(base, O_PATH | constants.O_DIRECTORY)];
  let links = 0;
  try {
    for (let step = steps.shift(); step !== undefined; step = steps.shift()) {
      const parent = stack.at(-1) as FileHandle;
      if (step === '..') {
        if (stack.length === 1) throw new EscapeError(`${path} leads out of the volume`);
        await stack.pop()?.close();
        continue;
      }
      const next = await openStep(parent, step, stack[0] as FileHandle, options);
      const found = await next.stat();
      if (!found.isSymbolicLink()) {
        stack.push(next);
        if (steps.length > 0 && !found.isDirectory()) throw new Error(`${step} in ${path} is not a folder`);
        continue;
      }
      await next.close();
      if (++links > MAX_LINKS) throw new EscapeError(`${path} goes through too many symbolic links`);
      const target = await readlink(`/proc/self/fd/${parent.fd}/${step}`);
      // What is above the volume is not the container's, wherever it leads.
      if (target.startsWith('/')) throw new EscapeError(`${path} leads out of the volume: ${step} is a symbolic link to ${target}`);
      steps.unshift(...stepsOf(target));
    }
    return stack.pop() as FileHandle;
  } finally {
    for (const handle of stack) await handle.close();
  }
}

async function openStep(parent: FileHandle, step: string, base: FileHandle, options: SubPathOptions): Promise<FileHandle> {
  const at = `/proc/self/fd/${parent.fd}/${step}`;
  const flags = O_PATH | constants.O_NOFOLLOW;
  try {
    return await open(at, flags);
  } catch (error) {
    if (!options.create || !(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  const mode = (await base.stat()).mode & 0o2777;
  let own = true;
  try {
    await mkdir(at, { mode });
  } catch (error) {
    // Somebody else was faster: whatever it is now, it is opened without following it.
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    own = false;
  }
  const made = await open(at, flags);
  // Whatever the umask; what is made in it belongs to the volume's group (setgid), where that is so for the volume.
  // By the open file: at worst something else in the same volume gets these rights.
  if (own && (await made.stat()).isDirectory()) await chmod(`/proc/self/fd/${made.fd}`, mode);
  return made;
}

function stepsOf(path: string): string[] {
  return path.split('/').filter((step) => step !== '' && step !== '.');
}
