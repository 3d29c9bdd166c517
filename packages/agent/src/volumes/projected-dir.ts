// A folder whose files all change at the same moment, laid out as Kubernetes does it:
//   ..2026_11_22_14_22_30.x7Yq2a/   the files
//   ..data -> ..2026_11_22_...      replaced by a rename, which is atomic
//   key -> ..data/key               what programs open; made once for each first step of a path
// Synchronous: the files are small, and nothing of the agent may come between. What the files are is payload.ts.
import {
  chmodSync,
  chownSync,
  closeSync,
  fchmodSync,
  fchownSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type Payload, pathProblem } from './payload.js';

const DATA = '..data';
const DATA_TMP = '..data_tmp';
const FOLDER_MODE = 0o755;

export interface WriteOptions {
  /** ms since 1970, for the name of the folder. */
  readonly now: number;
  /** Files belong to this group, which may read them; undefined: as the agent. */
  readonly gid?: number | undefined;
}

/** Whether the folder holds files that somebody has finished writing. */
export const isWritten = (folder: string): boolean => currentFolder(folder) !== undefined;

/** Makes the folder hold exactly these files. True where something changed. Throws for paths that lead out, and what the file system says. */
export function writeProjected(folder: string, files: Payload, options: WriteOptions): boolean {
  for (const path of files.keys()) {
    const problem = pathProblem(path);
    if (problem !== undefined) throw new Error(problem);
  }
  mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
  chmodSync(folder, FOLDER_MODE); // whatever the umask
  const wanted = new Map(
    [...files].map(([path, file]) => [path, { ...file, mode: options.gid === undefined ? file.mode : file.mode | 0o440 }]),
  );
  const before = currentFolder(folder);
  const links = new Set([...wanted.keys()].map((path) => path.split('/')[0] ?? ''));
  if (before !== undefined && sameFiles(join(folder, before), wanted) && sameLinks(folder, links)) return false;

  const fresh = mkdtempSync(join(folder, `..${timestamp(options.now)}.`));
  const name = fresh.slice(folder.length + 1);
  try {
    openFolder(fresh, options.gid);
    for (const [path, { data, mode, uid }] of wanted) {
      const full = join(fresh, path);
      makeFolders(fresh, dirname(path), options.gid);
      const fd = openSync(full, 'wx', 0o600);
      try {
        for (let done = 0; done < data.length; ) done += writeSync(fd, data, done);
        if (options.gid !== undefined || uid !== undefined) fchownSync(fd, uid ?? -1, options.gid ?? -1);
        fchmodSync(fd, mode);
      } finally {
        closeSync(fd);
      }
    }
    rmSync(join(folder, DATA_TMP), { recursive: true, force: true });
    symlinkSync(name, join(folder, DATA_TMP));
    renameSync(join(folder, DATA_TMP), join(folder, DATA));
  } catch (error) {
    rmSync(fresh, { recursive: true, force: true });
    throw error;
  }
  for (const entry of readdirSync(folder)) {
    if (entry === DATA || entry === name || links.has(entry)) continue;
    rmSync(join(folder, entry), { recursive: true, force: true });
  }
  for (const link of links) {
    const at = join(folder, link);
    if (linkTarget(at) === `${DATA}/${link}`) continue;
    rmSync(at, { recursive: true, force: true });
    symlinkSync(`${DATA}/${link}`, at);
  }
  return true;
}

function timestamp(now: number): string {
  return new Date(now).toISOString().slice(0, 19).replaceAll(/[-T:]/g, '_');
}

function openFolder(folder: string, gid: number | undefined): void {
  chmodSync(folder, FOLDER_MODE);
  if (gid !== undefined) chownSync(folder, -1, gid);
}

function makeFolders(root: string, path: string, gid: number | undefined): void {
  if (path === '.') return;
  let at = root;
  for (const step of path.split('/')) {
    at = join(at, step);
    if (mkdirSync(at, { recursive: true, mode: FOLDER_MODE }) !== undefined) openFolder(at, gid);
  }
}

function linkTarget(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

function currentFolder(folder: string): string | undefined {
  const target = linkTarget(join(folder, DATA));
  return target !== undefined && /^\.\.[^/]+$/.test(target) ? target : undefined;
}

function sameLinks(folder: string, links: ReadonlySet<string>): boolean {
  const names = readdirSync(folder).filter((name) => !name.startsWith('..'));
  return names.length === links.size && names.every((name) => links.has(name) && linkTarget(join(folder, name)) === `${DATA}/${name}`);
}

function sameFiles(folder: string, wanted: Payload): boolean {
  try {
    let count = 0;
    for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
      if (entry.isDirectory()) continue;
      count++;
      const full = join(entry.parentPath, entry.name);
      const file = wanted.get(full.slice(folder.length + 1));
      if (file === undefined || !entry.isFile()) return false;
      const { mode, uid } = statSync(full);
      if ((mode & 0o777) !== file.mode || (file.uid !== undefined && file.uid !== uid) || !readFileSync(full).equals(file.data))
        return false;
    }
    return count === wanted.size;
  } catch {
    return false;
  }
}
