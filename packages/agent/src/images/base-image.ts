// Makes images from files of this machine, so that examples and tests run where no registry is reachable. What an archive looks like is
// archive.ts; loading it is the runtime's.
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { access, constants, open, stat } from 'node:fs/promises';
import { arch } from 'node:os';
import { promisify } from 'node:util';
import { type ImageConfig, imageArchive } from './archive.js';
import type { TarEntry } from './tar.js';

/** A file of this machine, or bytes, that shall be in the image. */
export type ImageFile =
  | { readonly path: string; readonly from: string; readonly mode?: number }
  | { readonly path: string; readonly content: string | Uint8Array; readonly mode?: number }
  | { readonly path: string; readonly linkTo: string }
  | { readonly path: string; readonly directory: true; readonly mode?: number };

/** A file that an image needs is not there; advice says what to install. */
export class MissingFileError extends Error {
  override readonly name = 'MissingFileError';
  readonly code = 'missing-file';
  readonly advice: string;
  constructor(message: string, advice: string) {
    super(message);
    this.advice = advice;
  }
}

/** This machine's architecture in Go's words. */
export function imageArchitecture(): string {
  const machine: string = arch();
  return machine === 'x64' ? 'amd64' : machine;
}

/** A docker-archive with one image made of these files (paths with or without leading slash; folders above them are made). Throws MissingFileError. */
export async function fileImage(name: string, config: ImageConfig, files: readonly ImageFile[]): Promise<AsyncIterable<Uint8Array>> {
  const entries: TarEntry[] = [];
  const folders = new Set<string>();
  const addFolders = (path: string): void => {
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
      const folder = path.slice(0, at);
      if (folders.has(folder)) continue;
      folders.add(folder);
      entries.push({ type: 'directory', path: folder });
    }
  };
  for (const file of files) {
    const path = file.path.replace(/^\/+/, '').replace(/\/+$/, '');
    addFolders(path);
    if ('directory' in file) {
      if (folders.has(path)) continue;
      folders.add(path);
      entries.push({ type: 'directory', path, ...(file.mode === undefined ? {} : { mode: file.mode }) });
    } else if ('linkTo' in file) {
      entries.push({ type: 'symlink', path, target: file.linkTo });
    } else if ('content' in file) {
      const data = typeof file.content === 'string' ? Buffer.from(file.content) : file.content;
      entries.push({ type: 'file', path, mode: file.mode ?? 0o644, size: data.length, data: [data] });
    } else {
      entries.push(await localFile(path, file.from, file.mode));
    }
  }
  return imageArchive({ name, architecture: imageArchitecture(), config, entries });
}

async function localFile(path: string, from: string, mode: number | undefined): Promise<TarEntry> {
  let info: Awaited<ReturnType<typeof stat>>;
  try {
    info = await stat(from);
    await access(from, constants.R_OK);
  } catch (error) {
    throw new MissingFileError(
      `${from} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      `install what brings ${from}`,
    );
  }
  if (!info.isFile()) throw new MissingFileError(`${from} is not a file`, `install what brings ${from}`);
  // Opened only when its turn comes: an archive that is never read holds no file open.
  async function* data(): AsyncGenerator<Uint8Array, void, void> {
    for await (const part of createReadStream(from, { highWaterMark: 256 * 1024 })) yield part as Buffer;
  }
  return { type: 'file', path, mode: mode ?? info.mode & 0o777, size: info.size, data: data() };
}

// Where distributions put the static busybox (Debian's busybox-static and Alpine's busybox-static).
const BUSYBOX_PATHS = ['/usr/bin/busybox', '/bin/busybox', '/bin/busybox.static', '/usr/lib/initramfs-tools/bin/busybox'];
const BUSYBOX_ADVICE = 'install the package busybox-static (apt-get install busybox-static)';

/** The path of a busybox that needs no libraries. Throws MissingFileError with what to install. */
export async function findBusybox(candidates: readonly string[] = BUSYBOX_PATHS): Promise<string> {
  let dynamic: string | undefined;
  for (const path of candidates) {
    const interpreter = await needsInterpreter(path);
    if (interpreter === false) return path;
    if (interpreter === true) dynamic ??= path;
  }
  throw dynamic === undefined
    ? new MissingFileError(`no busybox at ${candidates.join(', ')}`, BUSYBOX_ADVICE)
    : new MissingFileError(`${dynamic} needs shared libraries, which an image would lack`, BUSYBOX_ADVICE);
}

/** Whether an ELF file is dynamically linked (has a PT_INTERP header); undefined: not there, or no ELF file. */
async function needsInterpreter(path: string): Promise<boolean | undefined> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const head = Buffer.alloc(4096);
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    if (bytesRead < 64 || head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2) return undefined;
    const at = Number(head.readBigUInt64LE(32));
    const size = head.readUInt16LE(54);
    const count = head.readUInt16LE(56);
    for (let i = 0; i < count; i++) {
      const header = at + i * size;
      if (header + 4 > bytesRead) return undefined;
      if (head.readUInt32LE(header) === 3) return true;
    }
    return false;
  } finally {
    await file.close();
  }
}

/** A docker-archive of an image with a shell and the usual commands, plus the files given. Throws MissingFileError where this machine has no static busybox. */
export async function busyboxImage(
  name: string,
  config: ImageConfig = { cmd: ['/bin/sh'] },
  files: readonly ImageFile[] = [],
): Promise<AsyncIterable<Uint8Array>> {
  const busybox = await findBusybox();
  // Which commands it has differs from build to build.
  const { stdout } = await promisify(execFile)(busybox, ['--list']);
  const applets = stdout.split('\n').filter((applet) => applet !== '' && applet !== 'busybox');
  return fileImage(name, { env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'], ...config }, [
    { path: 'bin/busybox', from: busybox, mode: 0o755 },
    ...applets.map((applet) => ({ path: `bin/${applet}`, linkTo: 'busybox' })),
    { path: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' },
    { path: 'etc/group', content: 'root:x:0:\nnogroup:x:65534:\n' },
    { path: 'root', directory: true, mode: 0o700 },
    { path: 'tmp', directory: true, mode: 0o1777 },
    ...files,
  ]);
}
