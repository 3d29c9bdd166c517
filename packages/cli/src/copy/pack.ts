// A file or folder of this machine as a tar stream. Links stay links; what is neither file, folder nor link is left out with a word.
// Where the stream goes is not known here.
import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { headerFor, paddingOf, TAR_END, type TarHead } from '@podplane/agent/images/tar-head';

export interface PackOptions {
  /** What the file or folder is called in the archive. */
  readonly name: string;
  /** Owners and modes as they are here; else root's, and what everybody's umask would give. */
  readonly preserve: boolean;
  /** Told what was left out. */
  readonly warn: (text: string) => void;
}

const READ_BYTES = 256 * 1024;
/**
 * Heads and small files travel together, long ones in parts of this size. Each program on the way holds some sixteen of them: with larger
 * ones these are more than it holds of young memory, and it collects its whole heap again and again.
 */
const CHUNK_BYTES = 64 * 1024;
const NOT_PRESERVED = 0o755;

/** Rejects where something cannot be read, or a file gets shorter while it is read. */
export async function* pack(path: string, options: PackOptions): AsyncGenerator<Uint8Array, void, void> {
  let waiting: Uint8Array[] = [];
  let size = 0;
  for await (const part of parts(path, options.name, options)) {
    if (part.length >= CHUNK_BYTES && size === 0) {
      yield part;
      continue;
    }
    waiting.push(part);
    size += part.length;
    if (size < CHUNK_BYTES) continue;
    yield Buffer.concat(waiting, size);
    waiting = [];
    size = 0;
  }
  waiting.push(TAR_END);
  yield Buffer.concat(waiting);
}

async function* parts(path: string, name: string, options: PackOptions): AsyncGenerator<Uint8Array, void, void> {
  const info = await lstat(path);
  const owner = options.preserve ? { uid: info.uid, gid: info.gid } : { uid: 0, gid: 0 };
  const mode = options.preserve ? info.mode & 0o7777 : info.mode & NOT_PRESERVED;
  const head = (more: Pick<TarHead, 'type' | 'size' | 'target'>): Uint8Array =>
    headerFor({ path: name, mode, ...owner, modified: info.mtimeMs, ...more });
  if (info.isDirectory()) {
    yield head({ type: 'directory', size: 0, target: '' });
    for (const entry of (await readdir(path)).sort()) yield* parts(join(path, entry), name === '.' ? entry : `${name}/${entry}`, options);
  } else if (info.isSymbolicLink()) {
    yield head({ type: 'symlink', size: 0, target: await readlink(path) });
  } else if (info.isFile()) {
    yield head({ type: 'file', size: info.size, target: '' });
    yield* content(path, info.size);
    yield paddingOf(info.size);
  } else {
    options.warn(`warning: ${path} is neither a file, a folder nor a link; it is left out`);
  }
}

/** Exactly so many bytes: the head has said so. What was added meanwhile is left out. */
async function* content(path: string, size: number): AsyncGenerator<Uint8Array, void, void> {
  if (size === 0) return;
  let left = size;
  for await (const part of createReadStream(path, { highWaterMark: READ_BYTES, end: size - 1 })) {
    left -= (part as Buffer).length;
    for (let at = 0; at < (part as Buffer).length; at += CHUNK_BYTES) yield (part as Buffer).subarray(at, at + CHUNK_BYTES);
  }
  if (left > 0) throw new Error(`${path} got shorter while it was read`);
}
