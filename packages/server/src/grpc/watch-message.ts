// Steps of a watch as WatchResponse messages, put together from objects that are encoded once for all watchers. What a step is, is in
// ../registry/watches.ts.
import { encodeAny } from '../registry/encoding.js';
import type { WatchStep } from '../registry/watches.js';
import { bytesField, lengthHeader, textField, varintField } from './wire.js';

/** A message ends early rather than being larger, bytes. A transaction may hold more than one message does. */
const MESSAGE_BYTES = 2 * 1024 * 1024;

/** Numbers in podplane.api.v1.WatchEventType. */
const TYPES = { added: 1, modified: 2, deleted: 3 } as const;
const TYPE_FIELDS = {
  added: varintField(1, TYPES.added),
  modified: varintField(1, TYPES.modified),
  deleted: varintField(1, TYPES.deleted),
} as const;

/** One or more messages; only the last of them may be resumed from, so only it names the revision. */
export function* watchMessages({ kind, changes, revision, synced }: WatchStep): Generator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for (const { type, object } of changes) {
    const encoded = encodeAny(kind, object, true);
    const header = lengthHeader(2, encoded.byteLength);
    const size = TYPE_FIELDS[type].byteLength + header.byteLength + encoded.byteLength;
    if (bytes > 0 && bytes + size > MESSAGE_BYTES) {
      yield Buffer.concat(parts);
      parts = [];
      bytes = 0;
    }
    parts.push(lengthHeader(1, size), TYPE_FIELDS[type], header, encoded);
    bytes += size;
  }
  if (revision > 0 || synced) parts.push(textField(2, String(revision)));
  if (synced) parts.push(varintField(3, 1));
  yield Buffer.concat(parts);
}

/** ListResponse, from encoded objects. */
export function listMessage(page: {
  readonly encoded: readonly Uint8Array[];
  readonly revision: number;
  readonly continue: string;
  readonly remaining: number;
}): Uint8Array {
  const parts = page.encoded.flatMap((one) => [lengthHeader(1, one.byteLength), one]);
  parts.push(textField(2, String(page.revision)));
  if (page.continue !== '') parts.push(textField(3, page.continue), varintField(4, page.remaining));
  return Buffer.concat(parts);
}

/** A response whose first field is the object (Get, Create, Update, Patch, Delete), with warnings or a flag in the second. */
export function objectMessage(encoded: Uint8Array, rest: readonly string[] | boolean): Uint8Array {
  const object = bytesField(1, encoded);
  if (rest === true) return Buffer.concat([object, varintField(2, 1)]);
  return rest === false || rest.length === 0 ? object : Buffer.concat([object, ...rest.map((one) => textField(2, one))]);
}
