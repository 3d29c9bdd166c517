// The codecs of all kinds, as createStore wants them. The store itself takes them by injection and knows no messages.
import { codecs as messages } from '@podplane/api/decode/codecs';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import type { Codec, Codecs } from './object.js';

// A writer keeps its buffer, which saves growing a new one for every object. One that has become larger than this is dropped.
const LARGEST_KEPT_BYTES = 256 * 1024;

interface Writer {
  finish(): Uint8Array;
}

/** What the generated messages take, which the table of codecs does not say: a writer to use again. */
interface Message<K extends Kind> {
  encode(object: KindMap[K], writer?: Writer): Writer;
  decode(bytes: Uint8Array): KindMap[K];
}

/** Free for the next encode; taken out while in use, so that one that threw half-way is never used again. */
let spare: Writer | undefined;

function codecOf<K extends Kind>(kind: K): Codec<K> {
  const message = messages[kind] as unknown as Message<K>;
  return {
    encode(object) {
      const taken = spare;
      spare = undefined;
      // Encoding only reads, so frozen objects may be handed to it.
      const writer = message.encode(object as KindMap[K], taken);
      const bytes = writer.finish();
      if (bytes.length <= LARGEST_KEPT_BYTES) spare = writer;
      return bytes;
    },
    decode: (bytes) => message.decode(bytes),
  };
}

/** Codecs of all kinds there are. */
export const catalogueCodecs: Codecs = Object.fromEntries(
  (Object.keys(messages) as Kind[]).map((kind) => [kind, codecOf(kind)]),
) as unknown as Codecs;
