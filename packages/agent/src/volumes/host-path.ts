// Files and folders of the node that a pod asks for: looked at, and made where its type says so. Mounting them is the engine's work.
import { mkdir, open, stat } from 'node:fs/promises';
import type { HostPathVolumeSource } from '@podplane/api/gen/podplane/core/v1/volume';

/** Folders that are made are like those of Kubernetes. */
const FOLDER_MODE = 0o755;
const FILE_MODE = 0o644;

const errno = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '');

/** Looks whether the path is of the type that the pod wants. undefined: it is (now). */
export async function prepareHostPath(source: HostPathVolumeSource): Promise<string | undefined> {
  const { path } = source;
  if (!path.startsWith('/') || path.split('/').includes('..')) return `hostPath ${path} must be absolute and must not contain ".."`;
  const type = source.type ?? '';
  try {
    let found = await look(path);
    if (found === undefined) {
      // Without a type the engines of Kubernetes make a folder too.
      if (type === 'DirectoryOrCreate' || type === '') await mkdir(path, { recursive: true, mode: FOLDER_MODE });
      else if (type === 'FileOrCreate') await (await open(path, 'a', FILE_MODE)).close();
      found = await look(path);
    }
    return wrongType(path, type, found);
  } catch (error) {
    return `hostPath ${path}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function look(path: string): Promise<Awaited<ReturnType<typeof stat>> | undefined> {
  try {
    return await stat(path);
  } catch (error) {
    if (errno(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function wrongType(path: string, type: string, found: Awaited<ReturnType<typeof stat>> | undefined): string | undefined {
  const is = (right: boolean | undefined, words: string): string | undefined =>
    right === true ? undefined : `hostPath type check failed: ${path} is not ${words}`;
  switch (type) {
    case '':
      return undefined;
    case 'Directory':
    case 'DirectoryOrCreate':
      return is(found?.isDirectory(), 'a directory');
    case 'File':
    case 'FileOrCreate':
      return is(found?.isFile(), 'a file');
    case 'Socket':
      return is(found?.isSocket(), 'a socket file');
    case 'CharDevice':
      return is(found?.isCharacterDevice(), 'a character device');
    case 'BlockDevice':
      return is(found?.isBlockDevice(), 'a block device');
    default:
      return `hostPath type ${type} is not known`;
  }
}
