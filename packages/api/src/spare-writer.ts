// Encoding with a writer that is used again: it keeps its buffer, which saves growing a new one for every message. Which messages there are is
// in gen/.

/** One that has become larger than this is dropped. */
const LARGEST_KEPT_BYTES = 256 * 1024;

interface Writer {
  finish(): Uint8Array;
}

/** What the generated code offers for a message. */
export interface Encodable<T> {
  encode(message: T, writer?: Writer): Writer;
}

/** Free for the next encode; taken out while in use, so that one that threw half-way is never used again. */
let spare: Writer | undefined;

/** The protobuf bytes of a message. */
export function encodeMessage<T>(type: Encodable<T>, message: T): Uint8Array {
  const taken = spare;
  spare = undefined;
  const writer = type.encode(message, taken);
  const bytes = writer.finish();
  if (bytes.length <= LARGEST_KEPT_BYTES) spare = writer;
  return bytes;
}
