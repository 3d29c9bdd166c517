// Frames and lines come out whole however the connection cuts them.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonLines, type OutputPart, splitFrames } from './frames.js';

async function* cut(data: Buffer, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let i = 0; at < data.length; i++) {
    const size = sizes.length === 0 ? data.length : (sizes[i % sizes.length] ?? 1);
    yield data.subarray(at, at + size);
    at += size;
  }
}
function frame(type: number, data: Uint8Array): Buffer {
  const header = Buffer.alloc(8);
  header[0] = type;
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
}
async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const item of source) out.push(item);
  return out;
}
const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 6 });

describe('splitFrames', () => {
  it('gives back what was written to each stream, in any pieces', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(1, 2), fc.uint8Array({ maxLength: 40 })), { maxLength: 10 }),
        sizes,
        async (frames, pieces) => {
          const parts = await all(splitFrames(cut(Buffer.concat(frames.map(([type, data]) => frame(type, data))), pieces)));
          const text = (stream: OutputPart['stream']): string =>
            Buffer.concat(parts.filter((part) => part.stream === stream).map((part) => part.data)).toString('hex');
          const expected = (type: number): string =>
            Buffer.concat(frames.filter(([t]) => t === type).map(([, data]) => data)).toString('hex');
          expect([text('stdout'), text('stderr')]).toEqual([expected(1), expected(2)]);
        },
      ),
    );
  });

  it('says when the stream ends within a frame, and when there are no frames', async () => {
    const whole = frame(1, Buffer.from('hello'));
    for (const length of [3, 8, 12])
      await expect(all(splitFrames(cut(whole.subarray(0, length), [])))).rejects.toMatchObject({ code: 'unreachable' });
    await expect(all(splitFrames(cut(Buffer.from('just text, no frame'), [])))).rejects.toMatchObject({ code: 'failed' });
  });
});

describe('jsonLines', () => {
  it('gives back the values, in any pieces, also without a last newline', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.jsonValue(), { maxLength: 8 }),
        sizes,
        fc.constantFrom('\n', '\r\n', '\n\n'),
        fc.boolean(),
        async (values, pieces, newline, last) => {
          const text = values.map((value) => JSON.stringify(value)).join(newline) + (last ? newline : '');
          expect(await all(jsonLines(cut(Buffer.from(text), pieces)))).toEqual(
            values.map((value) => JSON.parse(JSON.stringify(value)) as unknown),
          );
        },
      ),
    );
  });

  it('refuses what is not JSON, and a line without end', async () => {
    await expect(all(jsonLines(cut(Buffer.from('{"a":1}\nnope\n'), [])))).rejects.toMatchObject({ code: 'failed' });
    await expect(all(jsonLines(cut(Buffer.alloc(5 * 1024 * 1024, 'x'), [65536])))).rejects.toThrow(/more than/);
  });
});
