// Writes tar archives (ustar) whose bytes depend only on what is put in: no times, no owners but root. So an image made from the same
// files has the same id on every machine. Reading archives is archive.ts.

const BLOCK = 512;
/** What a size in a ustar header can say at most (11 octal digits). */
const MAX_SIZE = 8 ** 11 - 1;

export type TarEntry =
  | { readonly type: 'directory'; readonly path: string; readonly mode?: number }
  | { readonly type: 'symlink'; readonly path: string; readonly target: string }
  | {
      readonly type: 'file';
      readonly path: string;
      readonly mode?: number;
      readonly size: number;
      readonly data: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
    };

/** A file of the archive with these bytes. */
export function tarFile(path: string, data: Uint8Array, mode = 0o644): TarEntry {
  return { type: 'file', path, mode, size: data.length, data: [data] };
}

/** How many bytes writeTar makes of these entries. */
export function tarSize(entries: readonly TarEntry[]): number {
  let size = 2 * BLOCK;
  for (const entry of entries) size += BLOCK + (entry.type === 'file' ? padded(entry.size) : 0);
  return size;
}

/** The archive. Throws where a path is too long, or a file gives more or less bytes than it said. */
export async function* writeTar(entries: readonly TarEntry[]): AsyncGenerator<Uint8Array, void, void> {
  for (const entry of entries) {
    yield tarHeader(entry);
    if (entry.type !== 'file') continue;
    let left = entry.size;
    for await (const part of entry.data) {
      left -= part.length;
      if (left < 0) break;
      if (part.length > 0) yield part;
    }
    if (left !== 0) throw new Error(`${entry.path} changed while it was read: it has not the ${entry.size} bytes that it had`);
    const padding = padded(entry.size) - entry.size;
    if (padding > 0) yield new Uint8Array(padding);
  }
  yield new Uint8Array(2 * BLOCK);
}

const padded = (size: number): number => Math.ceil(size / BLOCK) * BLOCK;

function tarHeader(entry: TarEntry): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, length: number): void => {
    header.write(`${value.toString(8).padStart(length - 1, '0')}\0`, at, 'latin1');
  };
  const { prefix, name } = splitPath(entry.type === 'directory' ? `${entry.path.replace(/\/+$/, '')}/` : entry.path);
  header.write(name, 0, 'utf8');
  const mode = entry.type === 'symlink' ? 0o777 : (entry.mode ?? (entry.type === 'directory' ? 0o755 : 0o644));
  octal(mode & 0o7777, 100, 8);
  octal(0, 108, 8); // uid
  octal(0, 116, 8); // gid
  const size = entry.type === 'file' ? entry.size : 0;
  if (size > MAX_SIZE) throw new Error(`${entry.path} is larger than 8 GiB`);
  octal(size, 124, 12);
  octal(0, 136, 12); // time
  header.write({ file: '0', symlink: '2', directory: '5' }[entry.type], 156, 'latin1');
  if (entry.type === 'symlink') {
    if (Buffer.byteLength(entry.target) > 100) throw new Error(`the target of the link ${entry.path} is longer than 100 bytes`);
    header.write(entry.target, 157, 'utf8');
  }
  header.write('ustar\u000000', 257, 'latin1');
  header.write(prefix, 345, 'utf8');
  header.fill(' ', 148, 156); // counts as spaces in its own sum
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

/** ustar keeps up to 100 bytes of the name and up to 155 of the folders before it. */
function splitPath(path: string): { readonly prefix: string; readonly name: string } {
  if (Buffer.byteLength(path) <= 100) return { prefix: '', name: path };
  for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) {
    const prefix = path.slice(0, at);
    const name = path.slice(at + 1);
    if (name !== '' && Buffer.byteLength(prefix) <= 155 && Buffer.byteLength(name) <= 100) return { prefix, name };
  }
  throw new Error(`the path ${path} is too long for a tar archive`);
}
