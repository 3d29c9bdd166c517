// Heads of tar entries for archives of any files: owners, times, names and sizes of any length (by pax records, which all tars of our day
// read). Images, whose bytes must not depend on such things, are written by tar.ts.

const BLOCK = 512;
/** Eleven octal digits. */
const MAX_SIZE = 8 ** 11 - 1;
/** Seven octal digits. */
const MAX_ID = 8 ** 7 - 1;
const MAX_NAME = 100;

export interface TarHead {
  readonly type: 'file' | 'directory' | 'symlink';
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** ms since 1970. */
  readonly modified: number;
  /** Of a link; else empty. */
  readonly target: string;
}

/** What stands at the end of an archive. */
export const TAR_END: Uint8Array = new Uint8Array(2 * BLOCK);

/** What follows the content of a file. */
export function paddingOf(size: number): Uint8Array {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}

/** The head of an entry, with records before it where it says more than a plain one can. */
export function headerFor(head: TarHead): Uint8Array {
  const path = head.type === 'directory' ? `${head.path}/` : head.path;
  const records = [
    ...(Buffer.byteLength(path) > MAX_NAME ? [record('path', path)] : []),
    ...(Buffer.byteLength(head.target) > MAX_NAME ? [record('linkpath', head.target)] : []),
    ...(head.size > MAX_SIZE ? [record('size', String(head.size))] : []),
    ...(head.uid > MAX_ID ? [record('uid', String(head.uid))] : []),
    ...(head.gid > MAX_ID ? [record('gid', String(head.gid))] : []),
  ];
  const plain = block({ ...head, path }, { file: '0', symlink: '2', directory: '5' }[head.type]);
  if (records.length === 0) return plain;
  const said = Buffer.concat(records);
  const before = block({ ...head, path: 'pax', mode: 0o644, size: said.length, target: '' }, 'x');
  return Buffer.concat([before, said, paddingOf(said.length), plain]);
}

/** "length key=value\n"; the length counts itself. */
function record(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + 1;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return Buffer.from(`${length} ${key}=${value}\n`);
}

function block({ path, mode, uid, gid, size, modified, target }: Omit<TarHead, 'type'>, type: string): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, max: number, at: number, length: number): void => {
    // What does not fit is in the records.
    const text = (value > max ? 0 : value).toString(8);
    header.write(`${text.padStart(length - 1, '0')}\0`, at, 'latin1');
  };
  header.write(path, 0, MAX_NAME, 'utf8');
  octal(mode & 0o7777, 0o7777, 100, 8);
  octal(uid, MAX_ID, 108, 8);
  octal(gid, MAX_ID, 116, 8);
  octal(size, MAX_SIZE, 124, 12);
  octal(Math.max(0, Math.floor(modified / 1000)), MAX_SIZE, 136, 12);
  header.write(type, 156, 'latin1');
  header.write(target, 157, MAX_NAME, 'utf8');
  header.write('ustar\u000000', 257, 'latin1');
  header.fill(' ', 148, 156); // counts as spaces in its own sum
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}
