// What comes out of the engine's streams: frames that carry standard output and error in one connection, and lines of JSON. Both are
// pulled: the connection is read only as fast as the consumer asks.
import { RuntimeError } from '../errors.js';

/** A piece of what a process wrote. */
export interface OutputPart {
  readonly stream: 'stdout' | 'stderr';
  readonly data: Uint8Array;
}

const HEADER_BYTES = 8;

/**
 * Takes the frames apart: 1 byte stream (1 standard output, 2 standard error), 3 bytes zero, 4 bytes length, then that many bytes.
 * Parts are given out as they arrive, a long frame in several, short ones of a stream that came together as one: the engine frames each
 * line of a log by itself. Throws where the stream ends within a frame or is none.
 */
export async function* splitFrames(source: AsyncIterable<Uint8Array>): AsyncGenerator<OutputPart, void, void> {
  const header = Buffer.alloc(HEADER_BYTES);
  let headerBytes = 0;
  let left = 0;
  let stream: OutputPart['stream'] = 'stdout';
  for await (const chunk of source) {
    let at = 0;
    let together: Uint8Array[] = [];
    while (at < chunk.length) {
      if (left > 0) {
        const end = Math.min(at + left, chunk.length);
        together.push(chunk.subarray(at, end));
        left -= end - at;
        at = end;
        continue;
      }
      const take = Math.min(HEADER_BYTES - headerBytes, chunk.length - at);
      header.set(chunk.subarray(at, at + take), headerBytes);
      headerBytes += take;
      at += take;
      if (headerBytes < HEADER_BYTES) continue;
      headerBytes = 0;
      const type = header[0] ?? 0;
      // 3 is an error of the engine itself (a log file that it cannot read); its text is worth more than an error of ours.
      if (type > 3 || header[1] !== 0 || header[2] !== 0 || header[3] !== 0)
        throw new RuntimeError('failed', 'the engine sent output that is not in frames');
      const next = type >= 2 ? 'stderr' : 'stdout';
      if (next !== stream && together.length > 0) {
        yield { stream, data: joined(together) };
        together = [];
      }
      stream = next;
      left = header.readUInt32BE(4);
    }
    if (together.length > 0) yield { stream, data: joined(together) };
  }
  if (left > 0 || headerBytes > 0) throw new RuntimeError('unreachable', 'the engine ended the output within a frame');
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  return parts.length === 1 && first !== undefined ? first : Buffer.concat(parts);
}

/** Output of a terminal: everything is standard output. */
export async function* plainOutput(source: AsyncIterable<Uint8Array>): AsyncGenerator<OutputPart, void, void> {
  for await (const data of source) yield { stream: 'stdout', data };
}

// A line of the engine is some hundred bytes; labels of a container may make it longer.
const MAX_LINE_BYTES = 4 * 1024 * 1024;

/** JSON values, one a line; lines may come in any pieces. Lines that are not JSON are errors, empty ones nothing. */
export async function* jsonLines(source: AsyncIterable<Uint8Array>): AsyncGenerator<unknown, void, void> {
  let parts: Uint8Array[] = [];
  let size = 0;
  const take = (): string => {
    const line = Buffer.concat(parts).toString('utf8').trim();
    parts = [];
    size = 0;
    return line;
  };
  for await (const chunk of source) {
    let at = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, at)) {
      parts.push(chunk.subarray(at, end));
      at = end + 1;
      const line = take();
      if (line !== '') yield parseLine(line);
    }
    const rest = chunk.subarray(at);
    size += rest.length;
    if (size > MAX_LINE_BYTES) throw new RuntimeError('failed', `the engine sent a line of more than ${MAX_LINE_BYTES} bytes`);
    if (rest.length > 0) parts.push(rest);
  }
  const line = take();
  if (line !== '') yield parseLine(line);
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new RuntimeError('failed', `the engine sent a line that is not JSON: ${line.slice(0, 200)}`, { cause: error });
  }
}
