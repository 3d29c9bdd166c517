// Messages that are no kinds of their own (a status, a taint) and came as protobuf bytes from somebody who is not trusted: held against what
// their JSON form could be, and against a size. Without the parsers of text, which a server that only hears nodes need not load.
import { messageSchema } from '../schema/model.js';
import type { Codec } from './codecs.js';
import { type Fault, strictTree } from './strict.js';
import type { JsonObject } from './tree.js';

/** bytes: of its binary form. */
export type StrictMessage<T> =
  | { readonly ok: true; readonly message: T; readonly bytes: number }
  | { readonly ok: false; readonly problem: string };

/** typeName: as in the proto files, podplane.core.v1.PodStatus. maxBytes: of its binary form. Throws where there is no such type. */
export function strictMessage<T>(typeName: string, codec: Codec<T>, message: T, maxBytes: number): StrictMessage<T> {
  const faults: Fault[] = [];
  // toJSON gives JSON by construction.
  const tree = strictTree(messageSchema(typeName), codec.toJSON(message) as JsonObject, faults);
  const [first] = faults;
  if (first !== undefined) return { ok: false, problem: first.message };
  const strict = codec.fromJSON(tree);
  const bytes = codec.encode(strict).finish().length;
  return bytes > maxBytes
    ? { ok: false, problem: `it has ${bytes} bytes; at most ${maxBytes} are taken` }
    : { ok: true, message: strict, bytes };
}
