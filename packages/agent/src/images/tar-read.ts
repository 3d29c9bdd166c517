// Reads tar archives (ustar, with the long names and sizes of GNU and pax) as they stream by. For archives of strangers: every size is
// checked, nothing is written anywhere, and an archive that is cut off is an error. Writing is tar.ts.

export class TarError extends Error {
  override readonly name = 'TarError';
}

export interface ReadEntry {
  readonly path: string;
  readonly size: number;
  /** The content of a file of at most keepBytes; of others it was passed over. */
  readonly data: Buffer | undefined;
}

/** An entry whose content streams by. */
export interface TarItem {
  /** link: another name of a file that came before. other: devices, pipes and so on. */
  readonly type: 'file' | 'directory' | 'symlink' | 'link' | 'other';
  readonly path: string;
  /** Permissions only. */
  readonly mode: number;
  /** Of a file; else 0. */
  readonly size: number;
  /** Of symlinks and links. */
  readonly target: string;
  /** Of a file. To be read before the next item is asked for; what is left of it is passed over then. */
  readonly content: AsyncIterable<Uint8Array>;
}

const BLOCK = 512;
/** Long names and pax records are far shorter. */
const MAX_META_BYTES = 1024 * 1024;
const TYPES: Readonly<Record<string, TarItem['type']>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'link',
  '2': 'symlink',
  '5': 'directory',
};

/** The entries in order. Throws TarError. */
export async function* readTar(source: AsyncIterable<Uint8Array>, keepBytes: number): AsyncGenerator<ReadEntry, void, void> {
  for await (const { path, size, type, content } of tarItems(source)) {
    yield { path, size, data: type === 'file' && size <= keepBytes ? await whole(content) : undefined };
  }
}

/** The entries in order, up to the end mark; the source is left where it is then. Throws TarError. */
export async function* tarItems(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarItem, void, void> {
  const bytes = new ByteReader(source);
  /** What heads before the next entry have said about it. */
  let said = new Map<string, string>();
  try {
    for (;;) {
      const header = await bytes.take(BLOCK);
      if (header === undefined) throw new TarError('the archive is cut off: it has no end mark');
      if (header.every((byte) => byte === 0)) return;
      checkSum(header);
      const flag = String.fromCharCode(header[156] ?? 0);
      if (flag === 'L' || flag === 'K' || flag === 'x' || flag === 'g') {
        const size = numberField(header, 124, 12);
        if (size > MAX_META_BYTES) throw new TarError(`a name of ${size} bytes is too long`);
        const content = await bytes.need(size);
        await bytes.skip(paddingAfter(size));
        if (flag === 'L') said.set('path', text(content, 0, content.length));
        else if (flag === 'K') said.set('linkpath', text(content, 0, content.length));
        else if (flag === 'x') said = new Map([...said, ...paxRecords(content)]);
        continue;
      }
      const given = said.get('size');
      const size = given === undefined ? numberField(header, 124, 12) : wholeNumber(given, 10);
      const type = TYPES[flag] ?? 'other';
      const content = new Content(bytes, size);
      yield {
        type,
        path: said.get('path') ?? ustarPath(header),
        mode: numberField(header, 100, 8) & 0o7777,
        size: type === 'file' ? size : 0,
        target: said.get('linkpath') ?? text(header, 157, 100),
        content,
      };
      said = new Map();
      // Some tars say the size of a linked file and send nothing; POSIX calls that size of no meaning.
      if (type === 'file' || type === 'other') await bytes.skip(content.left);
      if (type === 'file' || type === 'other') await bytes.skip(paddingAfter(size));
    }
  } finally {
    await bytes.close();
  }
}

async function whole(content: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of content) parts.push(part);
  return Buffer.concat(parts);
}

const paddingAfter = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;

/** So many of the next bytes, in pieces as they come. */
class Content implements AsyncIterable<Uint8Array> {
  left: number;

  constructor(
    private readonly bytes: ByteReader,
    size: number,
  ) {
    this.left = size;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    while (this.left > 0) {
      const part = await this.bytes.part(this.left);
      this.left -= part.length;
      yield part;
    }
  }
}

function checkSum(header: Buffer): void {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : (header[i] ?? 0);
  if (numberField(header, 148, 8) !== sum) throw new TarError('not a tar archive: the checksum of a header is wrong');
}

function ustarPath(header: Buffer): string {
  const name = text(header, 0, 100);
  const isUstar = header.toString('latin1', 257, 262) === 'ustar';
  const prefix = isUstar ? text(header, 345, 155) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function text(buffer: Buffer, at: number, length: number): string {
  const end = buffer.indexOf(0, at);
  return buffer.toString('utf8', at, end < 0 ? at + length : Math.min(end, at + length));
}

/** Octal digits, or (numbers that are too large for that) bytes after a first bit of 1. */
function numberField(header: Buffer, at: number, length: number): number {
  if (((header[at] ?? 0) & 0x80) === 0) return wholeNumber(text(header, at, length).trim() || '0', 8);
  let value = BigInt((header[at] ?? 0) & 0x7f);
  for (let i = 1; i < length; i++) value = value * 256n + BigInt(header[at + i] ?? 0);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new TarError('a size is out of range');
  return Number(value);
}

function wholeNumber(digits: string, base: 8 | 10): number {
  const value = (base === 8 ? /^[0-7]+$/ : /^[0-9]+$/).test(digits) ? Number.parseInt(digits, base) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new TarError(`${JSON.stringify(digits)} is no size`);
  return value;
}

/** Records "length key=value\n", where length counts the record itself. */
function paxRecords(content: Buffer): ReadonlyMap<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(32, at);
    const length = space < 0 ? 0 : wholeNumber(content.toString('latin1', at, space), 10);
    const end = at + length;
    const equals = content.indexOf(61, space);
    if (length === 0 || end > content.length || equals < 0 || equals >= end) throw new TarError('a pax record is damaged');
    records.set(content.toString('utf8', space + 1, equals), content.toString('utf8', equals + 1, end - 1));
    at = end;
  }
  return records;
}

/** Bytes in the amounts that are asked for. */
class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** False: the source has ended. */
  async #fill(): Promise<boolean> {
    while (this.#at === this.#chunk.length) {
      const next = await this.#source.next();
      if (next.done) return false;
      this.#chunk = next.value;
      this.#at = 0;
    }
    return true;
  }

  /** undefined: the source has ended exactly here. */
  async take(count: number): Promise<Buffer | undefined> {
    const parts: Uint8Array[] = [];
    let left = count;
    while (left > 0) {
      if (!(await this.#fill())) {
        if (left === count) return undefined;
        throw new TarError('the archive is cut off');
      }
      const part = this.#chunk.subarray(this.#at, this.#at + left);
      this.#at += part.length;
      left -= part.length;
      parts.push(part);
    }
    return Buffer.concat(parts);
  }

  /** At least one byte, at most count: what is there. */
  async part(count: number): Promise<Uint8Array> {
    if (!(await this.#fill())) throw new TarError('the archive is cut off');
    const part = this.#chunk.subarray(this.#at, this.#at + count);
    this.#at += part.length;
    return part;
  }

  async need(count: number): Promise<Buffer> {
    const bytes = await this.take(count);
    if (bytes === undefined) throw new TarError('the archive is cut off');
    return bytes;
  }

  async skip(count: number): Promise<void> {
    for (let left = count; left > 0; ) {
      if (!(await this.#fill())) throw new TarError('the archive is cut off');
      const part = Math.min(left, this.#chunk.length - this.#at);
      this.#at += part;
      left -= part;
    }
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }
}
