// Writes tar archives piece by piece, the same bytes for the same input: no times, no owners. Files are read when their turn comes.
import { createReadStream, statSync } from 'node:fs';

const BLOCK = 512;

/** @typedef {{ path: string, mode?: number, data?: Buffer, source?: string, link?: string, folder?: boolean }} Entry
 *  path without leading slash; data, or source (a file of this machine), or link (a symbolic one), or folder. */

function header(path, size, mode, type, link = '') {
  const block = Buffer.alloc(BLOCK);
  let name = path;
  let prefix = '';
  if (Buffer.byteLength(name) > 100) {
    const cut = path.lastIndexOf('/', 155);
    prefix = path.slice(0, cut);
    name = path.slice(cut + 1);
    if (cut < 0 || Buffer.byteLength(name) > 100 || Buffer.byteLength(prefix) > 155)
      throw new Error(`the path is too long for a tar archive: ${path}`);
  }
  const octal = (value, offset, length) => block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, offset, 'latin1');
  block.write(name, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(0, 136, 12);
  block.write('        ', 148);
  block.write(type, 156);
  block.write(link, 157);
  block.write('ustar\x0000', 257, 'latin1');
  block.write(prefix, 345);
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

const padding = (size) => Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);

/** @param {Entry} entry */
function sizeOf(entry) {
  if (entry.data) return entry.data.length;
  return entry.source ? statSync(entry.source).size : 0;
}

/** Bytes of the whole archive. @param {readonly Entry[]} entries */
export function tarSize(entries) {
  return entries.reduce((sum, entry) => sum + BLOCK + Math.ceil(sizeOf(entry) / BLOCK) * BLOCK, 2 * BLOCK);
}

/** One entry whose content is another stream of known length. */
export async function* streamedEntry(path, size, content) {
  yield header(path, size, 0o644, '0');
  yield* content;
  yield padding(size);
}

/** The pieces of one entry. @param {Entry} entry */
export async function* tarEntry(entry) {
  if (entry.folder) yield header(`${entry.path}/`, 0, entry.mode ?? 0o755, '5');
  else if (entry.link !== undefined) yield header(entry.path, 0, 0o777, '2', entry.link);
  else {
    const size = sizeOf(entry);
    yield header(entry.path, size, entry.mode ?? 0o644, '0');
    if (entry.data) yield entry.data;
    else yield* createReadStream(entry.source, { highWaterMark: 1 << 20 });
    yield padding(size);
  }
}

/** The end mark of an archive. */
export const tarEnd = Buffer.alloc(2 * BLOCK);

/** @param {readonly Entry[]} entries */
export async function* tar(entries) {
  for (const entry of entries) yield* tarEntry(entry);
  yield tarEnd;
}
