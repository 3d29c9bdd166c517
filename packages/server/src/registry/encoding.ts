// Objects in the wire form of podplane.api.v1.Object, encoded once for the journal and all who read them. Which message they go into
// is in ../grpc.
import { Object as AnyObject } from '@podplane/api/gen/podplane/api/v1/object';
import { toObject } from '@podplane/api/kinds/catalogue';
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { encode, recentBody } from '@podplane/store/object';

/** As much as is kept of objects that no recent change left bytes of, for others who begin to read the same ones. */
const KEPT_BYTES = 8 * 1024 * 1024;

// In two generations, of which the older goes whole: to delete the first entry of a Map again and again leaves holes at its beginning, which
// each search for the next first one walks over.
let young = new Map<object, Uint8Array>();
let old = new Map<object, Uint8Array>();
let youngBytes = 0;

function keep(object: object, bytes: Uint8Array): void {
  if (youngBytes + bytes.byteLength > KEPT_BYTES / 2) {
    old = young;
    young = new Map();
    youngBytes = 0;
  }
  young.set(object, bytes);
  youngBytes += bytes.byteLength;
}

/** Bytes before the length of each kind's arm of the union. */
const tags = new Map<Kind, Uint8Array>();

function tagOf(kind: Kind): Uint8Array {
  let tag = tags.get(kind);
  if (tag === undefined) {
    // The generated code knows the numbers of the arms: an empty object is a tag, a length and little else.
    const empty = AnyObject.encode(toObject<Kind>(kind, catalogueCodecs[kind].decode(new Uint8Array()))).finish();
    let size = 1;
    while (((empty[size - 1] ?? 0) & 0x80) !== 0) size++;
    tag = empty.slice(0, size);
    tags.set(kind, tag);
  }
  return tag;
}

/** The arm of a kind around an object's own bytes. */
function wrap(kind: Kind, body: Uint8Array): Uint8Array {
  const tag = tagOf(kind);
  const length: number[] = [];
  let rest = body.byteLength;
  for (; rest >= 0x80; rest >>>= 7) length.push((rest & 0x7f) | 0x80);
  length.push(rest);
  const bytes = Buffer.allocUnsafe(tag.byteLength + length.length + body.byteLength);
  bytes.set(tag, 0);
  bytes.set(length, tag.byteLength);
  bytes.set(body, tag.byteLength + length.length);
  return bytes;
}

/** Wire form of the union. share: keep it for a while, as others will ask for the same object. */
export function encodeAny(kind: Kind, object: Obj, share: boolean): Uint8Array {
  const recent = recentBody(object);
  if (recent !== undefined) return wrap(kind, recent);
  const known = young.get(object) ?? old.get(object);
  if (known !== undefined) return known;
  const bytes = wrap(kind, encode(catalogueCodecs, kind, object));
  if (share) keep(object, bytes);
  return bytes;
}
