// The codecs of all kinds, as createStore wants them. The store itself takes them by injection and knows no messages.
import { codecs as messages } from '@podplane/api/decode/codecs';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { type Encodable, encodeMessage } from '@podplane/api/spare-writer';
import type { Codec, Codecs } from './object.js';

/** What the table of codecs does not say of the generated messages. */
interface Message<K extends Kind> extends Encodable<KindMap[K]> {
  decode(bytes: Uint8Array): KindMap[K];
}

function codecOf<K extends Kind>(kind: K): Codec<K> {
  const message = messages[kind] as unknown as Message<K>;
  return {
    // Encoding only reads, so frozen objects may be handed to it.
    encode: (object) => encodeMessage(message, object as KindMap[K]),
    decode: (bytes) => message.decode(bytes),
  };
}

/** Codecs of all kinds there are. */
export const catalogueCodecs: Codecs = Object.fromEntries(
  (Object.keys(messages) as Kind[]).map((kind) => [kind, codecOf(kind)]),
) as unknown as Codecs;
