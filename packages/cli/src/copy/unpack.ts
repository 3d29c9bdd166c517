// A tar stream from a container into files of this machine. The container is a stranger: whatever its archive says, nothing outside of
// the destination is written, no link is followed, and links are made only where they lead to something inside.
import { constants } from 'node:fs';
import { copyFile, type FileHandle, lstat, mkdir, open, realpath, stat, symlink, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type TarItem, tarItems } from '@podplane/agent/images/tar-read';

export interface UnpackOptions {
  /** What the file or folder is called in the archive. */
  readonly name: string;
  /** Modes as they are in the container (owners are ours in any case). */
  readonly preserve: boolean;
  /** Told what was left out. */
  readonly warn: (text: string) => void;
}

/**
 * A folder's content goes into the folder `destination`, which is made where it is missing; a file becomes `destination`, or goes into it
 * where that is a folder. Answers how many files, folders and links were written. Rejects with TarError where the archive is damaged, or
 * with what the file system says.
 */
export async function unpack(archive: AsyncIterable<Uint8Array>, destination: string, options: UnpackOptions): Promise<number> {
  const unpacking = new Unpacking(destination, options);
  for await (const item of tarItems(archive)) await unpacking.take(item);
  await unpacking.finish();
  return unpacking.written;
}

interface Link {
  readonly path: string;
  readonly shown: string;
  readonly target: string;
}

/** Never setuid and the like: the owner is another one here. */
const MODE = 0o777;

class Unpacking {
  written = 0;
  /** Of what is copied: a folder, or the file's own path. Known from the first entry on. */
  private root: string | undefined;
  /** What was asked for is no folder, so that nothing can be below it. */
  private single = false;
  /** Folders that are folders and no links; below the root only. */
  private readonly folders = new Set<string>();
  /** Files that came in this archive. */
  private readonly files = new Set<string>();
  private readonly modes: { readonly path: string; readonly mode: number }[] = [];
  private readonly links: Link[] = [];

  constructor(
    private readonly destination: string,
    private readonly options: UnpackOptions,
  ) {}

  async take(item: TarItem): Promise<void> {
    const parts = this.partsOf(item.path);
    if (parts === undefined) {
      this.options.warn(`warning: ${JSON.stringify(item.path)} is outside of what was asked for, skipping`);
      return;
    }
    this.root ??= await this.makeRoot(item, parts);
    if (this.single && (parts.length > 0 || item.type === 'directory')) {
      this.options.warn(`warning: ${JSON.stringify(item.path)} is below what is no folder, skipping`);
      return;
    }
    const path = join(this.root, ...parts);
    const shown = [this.destination, ...parts].join('/');
    if (!(await this.parentIsSafe(parts))) {
      this.options.warn(`warning: ${JSON.stringify(shown)} would be written through a link, skipping`);
      return;
    }
    switch (item.type) {
      case 'directory':
        await this.folder(path, shown, item.mode);
        return;
      case 'file':
        await this.file(path, shown, item);
        return;
      case 'link':
        await this.again(path, shown, item.target);
        return;
      case 'symlink':
        this.links.push({ path, shown, target: item.target });
        return;
      case 'other':
        this.options.warn(`warning: ${JSON.stringify(shown)} is neither a file, a folder nor a link, skipping`);
    }
  }

  /** Links are made last, so that nothing is ever written through one of them. */
  async finish(): Promise<void> {
    for (const link of this.links) await this.link(link);
    if (!this.options.preserve) return;
    // A folder that nobody may write to was filled before.
    for (const { path, mode } of this.modes.toReversed()) await chmodFolder(path, mode);
  }

  /** The path below what is copied, in parts; undefined: it is not below it. */
  private partsOf(path: string): string[] | undefined {
    if (path.startsWith('/') || path.includes('\0')) return undefined;
    const parts = path.split('/').filter((part) => part !== '' && part !== '.');
    if (parts.includes('..')) return undefined;
    if (this.options.name === '.') return parts;
    return parts.shift() === this.options.name ? parts : undefined;
  }

  /** Where it all goes; decided by the first entry, which is what was asked for itself. */
  private async makeRoot(item: TarItem, parts: readonly string[]): Promise<string> {
    const there = await stat(this.destination).catch(() => undefined);
    if (parts.length > 0 || item.type === 'directory') {
      await mkdir(this.destination, { recursive: true });
      // That the destination is a link was the person's own choice.
      return realpath(this.destination);
    }
    this.single = true;
    await mkdir(dirname(this.destination), { recursive: true });
    if (there?.isDirectory() === true) return join(await realpath(this.destination), this.options.name);
    return join(await realpath(dirname(this.destination)), basename(this.destination));
  }

  /** True where all folders above are folders, made where they were missing. */
  private async parentIsSafe(parts: readonly string[]): Promise<boolean> {
    let path = this.root ?? '';
    for (const part of parts.slice(0, -1)) {
      path = join(path, part);
      if (this.folders.has(path)) continue;
      const info = await lstat(path).catch(missing);
      if (info === undefined) await mkdir(path);
      else if (!info.isDirectory()) return false;
      this.folders.add(path);
    }
    return true;
  }

  private async folder(path: string, shown: string, mode: number): Promise<void> {
    const info = await lstat(path).catch(missing);
    if (info === undefined) await mkdir(path);
    else if (!info.isDirectory()) {
      this.options.warn(`warning: ${JSON.stringify(shown)} is there already and is no folder, skipping`);
      return;
    }
    this.folders.add(path);
    if (path !== this.root || info === undefined) this.modes.push({ path, mode: mode & MODE });
    this.written++;
  }

  private async file(path: string, shown: string, item: TarItem): Promise<void> {
    let handle: FileHandle;
    try {
      handle = await open(
        path,
        constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW | constants.O_NONBLOCK,
        0o666,
      );
    } catch (error) {
      // ELOOP: a link; ENXIO: a pipe that nobody reads; EISDIR: a folder.
      if (!['ELOOP', 'ENXIO', 'EISDIR'].includes(codeOf(error))) throw error;
      this.options.warn(`warning: ${JSON.stringify(shown)} is there already and is no file, skipping`);
      return;
    }
    try {
      for await (const part of item.content) await writeAll(handle, part);
      if (this.options.preserve) await handle.chmod(item.mode & MODE);
    } finally {
      await handle.close();
    }
    this.files.add(path);
    this.written++;
  }

  /** A second name of a file that came before: a file of its own here. */
  private async again(path: string, shown: string, target: string): Promise<void> {
    const parts = this.partsOf(target);
    const source = parts === undefined ? undefined : join(this.root ?? '', ...parts);
    const there = await lstat(path).catch(missing);
    if (source === undefined || !this.files.has(source) || (there !== undefined && !there.isFile())) {
      this.options.warn(`warning: ${JSON.stringify(shown)} is another name of a file that was not copied, skipping`);
      return;
    }
    if (source === path) return;
    await copyFile(source, path);
    this.files.add(path);
    this.written++;
  }

  private async link({ path, shown, target }: Link): Promise<void> {
    const there = await lstat(path).catch(missing);
    if (!this.staysInside(path, target) || (there !== undefined && !there.isSymbolicLink())) {
      this.options.warn(`warning: skipping symlink: ${JSON.stringify(shown)} -> ${JSON.stringify(target)}`);
      return;
    }
    if (there !== undefined) await unlink(path);
    await symlink(target, path);
    this.written++;
  }

  /**
   * True where the link leads to something below the root. ".." only at its beginning: the folders above the link are real ones, what
   * comes after may be a link itself, and its ".." would be another folder's.
   */
  private staysInside(path: string, target: string): boolean {
    const root = this.root ?? '';
    if (target === '' || target.startsWith('/') || target.includes('\0') || path === root) return false;
    const parts = target.split('/').filter((part) => part !== '' && part !== '.');
    const down = parts.findIndex((part) => part !== '..');
    if (down >= 0 && parts.slice(down).includes('..')) return false;
    const led = join(dirname(path), ...parts);
    return led === root || led.startsWith(`${root}/`);
  }
}

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '');

function missing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
  return undefined;
}

async function writeAll(handle: FileHandle, data: Uint8Array): Promise<void> {
  for (let at = 0; at < data.length; ) at += (await handle.write(data, at, data.length - at)).bytesWritten;
}

async function chmodFolder(path: string, mode: number): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    await handle.chmod(mode);
  } finally {
    await handle.close();
  }
}
