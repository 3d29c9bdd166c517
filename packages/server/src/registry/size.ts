// How large an object may be. Kubernetes keeps its objects in etcd, which takes no larger ones; what is written here must fit there, into one
// message to a node or a watcher, and beside what controllers and agents add to it. The limits of single fields are the kinds' own.
import { ApiError } from '@podplane/api/errors';
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { encode } from '@podplane/store/object';

/** Bytes of the binary form: etcd's --max-request-bytes by default. */
export const MAX_OBJECT_BYTES = 1.5 * 1024 * 1024;

/** A letter of a text has at most so many bytes; so many are enough for a number with its tag, or for the tag and length of a text. */
const LETTER_BYTES = 3;
const VALUE_BYTES = 16;

/** Throws ApiError RequestEntityTooLarge. */
export function checkSize(kind: Kind, object: Obj): void {
  // Nearly all objects are far smaller, which is told without encoding them.
  if (atMost(object, MAX_OBJECT_BYTES) <= MAX_OBJECT_BYTES) return;
  const bytes = encode(catalogueCodecs, kind, object).length;
  if (bytes <= MAX_OBJECT_BYTES) return;
  const { namespace = '', name = '', generateName = '' } = object.metadata ?? {};
  throw new ApiError('RequestEntityTooLarge', `Request entity too large: limit is ${MAX_OBJECT_BYTES}`, {
    target: { kind, namespace, name: name || generateName },
    advice: `The object would have ${bytes} bytes. Keep large data in a volume or in an image.`,
  });
}

/** Not less than the bytes of a value; counted no further than just above enough. */
function atMost(value: unknown, enough: number): number {
  if (typeof value === 'string') return VALUE_BYTES + value.length * LETTER_BYTES;
  if (typeof value !== 'object' || value === null) return VALUE_BYTES;
  if (value instanceof Uint8Array) return VALUE_BYTES + value.length;
  let total = VALUE_BYTES;
  if (Array.isArray(value)) {
    for (const item of value) if ((total += atMost(item, enough - total)) > enough) break;
    return total;
  }
  for (const [key, item] of Object.entries(value)) {
    total += key.length * LETTER_BYTES + atMost(item, enough - total);
    if (total > enough) break;
  }
  return total;
}
