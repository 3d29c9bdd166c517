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

const BLOCK = 512;
/** Long names and pax records are far shorter. */
const MAX_META_BYTES = 1024 * 1024;

/** The entries in order. Throws TarError. */
export async function* readTar(source: AsyncIterable<Uint8Array>, keepBytes: number): AsyncGenerator<ReadEntry, void, void> {
  const bytes = new ByteReader(source);
  try {
    let longPath: string | undefined;
    let longSize: number | undefined;
    for (;;) {
      const header = await bytes.take(BLOCK);
      if (header === undefined) throw new TarError('the archive is cut off: it has no end mark');
      if (header.every((byte) => byte === 0)) return;
      checkSum(header);
      const type = String.fromCharCode(header[156] ?? 0);
      const size = longSize ?? numberField(header, 124, 12);
      const padding = (BLOCK - (size % BLOCK)) % BLOCK;
      if (type === 'L' || type === 'x') {
        if (size > MAX_META_BYTES) throw new TarError(`a name of ${size} bytes is too long`);
        const content = await bytes.need(size);
        await bytes.skip(padding);
        if (type === 'L') longPath = text(content, 0, content.length);
        else {
          const records = paxRecords(content);
          longPath = records.get('path') ?? longPath;
          const given = records.get('size');
          longSize = given === undefined ? longSize : wholeNumber(given, 10);
        }
        continue;
      }
      const path = longPath ?? ustarPath(header);
      longPath = undefined;
      longSize = undefined;
      const isFile = type === '0' || type === '\0';
      let data: Buffer | undefined;
      if (isFile && size <= keepBytes) data = await bytes.need(size);
      else await bytes.skip(size);
      await bytes.skip(padding);
      if (type !== 'g' && type !== 'K') yield { path, size, data };
    }
  } finally {
    await bytes.close();
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
