// Objects in the wire form of podplane.api.v1.Object, encoded once for all who read them. Which message they go into is in ../grpc.
import { Object as AnyObject } from '@podplane/api/gen/podplane/api/v1/object';
import { toObject } from '@podplane/api/kinds/catalogue';
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';

/** As much as is kept for other readers of the same objects, bytes: watchers of one change read it within moments. */
const KEPT_BYTES = 8 * 1024 * 1024;

const kept = new Map<object, Uint8Array>();
let keptBytes = 0;

/** Wire form of the union. share: keep it for a while, as others will ask for the same object. */
export function encodeAny(kind: Kind, object: Obj, share: boolean): Uint8Array {
  const known = kept.get(object);
  if (known !== undefined) return known;
  const bytes = AnyObject.encode(toObject(kind, object)).finish();
  if (share) {
    kept.set(object, bytes);
    keptBytes += bytes.byteLength;
    for (const [oldest, old] of kept) {
      if (keptBytes <= KEPT_BYTES) break;
      kept.delete(oldest);
      keptBytes -= old.byteLength;
    }
  }
  return bytes;
}
