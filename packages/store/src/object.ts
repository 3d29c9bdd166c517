// An object as the store sees it, whatever its kind: metadata, key, body. What the kinds mean is in the catalogue (packages/api).

import type { ObjectMeta } from '@podplane/api/gen/podplane/meta/v1/meta';
import type { DeepReadonly, Kind, KindMap, Obj } from '@podplane/api/kinds/kind-map';

export type Metadata = DeepReadonly<ObjectMeta>;

/** What all kinds have in common. */
export interface AnyObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata?: Metadata | undefined;
}

/** How the objects of one kind become bytes and come back. encode throws on what is no message of that kind. */
export interface Codec<K extends Kind> {
  encode(object: Obj<K>): Uint8Array;
  decode(bytes: Uint8Array): KindMap[K];
}

/** Codecs of all kinds; its keys are the kinds that a store knows. */
export type Codecs = { readonly [K in Kind]: Codec<K> };

/** What is told of an object whose metadata is absent; such objects never get into the store. */
const noMetadata: Metadata = Object.freeze({
  labels: Object.freeze({}),
  annotations: Object.freeze({}),
  ownerReferences: Object.freeze([]),
  finalizers: Object.freeze([]),
  managedFields: Object.freeze([]),
});

export function metadataOf(object: AnyObject): Metadata {
  return object.metadata ?? noMetadata;
}

export function namespaceOf(object: AnyObject): string {
  return object.metadata?.namespace ?? '';
}

export function nameOf(object: AnyObject): string {
  return object.metadata?.name ?? '';
}

export function uidOf(object: AnyObject): string {
  return object.metadata?.uid ?? '';
}

/** Key inside a kind. Names hold no slash, so this is unambiguous. */
export function idOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

/** Revision of an object's last change; 0 where it has none. */
export function revisionOf(object: AnyObject): number {
  return Number(object.metadata?.resourceVersion ?? '0');
}

// Bodies of recent changes: made once for the journal, used again by every watcher. Each is dropped when its change leaves the
// ring (see ring.ts), so that current objects are not kept in memory twice.
const recentBodies = new WeakMap<object, Uint8Array>();

/** Keeps an object's bytes until forgetBody. */
export function rememberBody(object: AnyObject, body: Uint8Array): void {
  recentBodies.set(object, body);
}

export function forgetBody(object: AnyObject): void {
  recentBodies.delete(object);
}

/** The protobuf bytes of an object whose last change is recent; undefined for others. Not to be written to. */
export function recentBody(object: object): Uint8Array | undefined {
  return recentBodies.get(object);
}

/** The protobuf bytes of an object of the store, made anew only when its last change is not recent. Not to be written to. */
export function encodedBody<K extends Kind>(codecs: Codecs, kind: K, object: Obj<K>): Uint8Array {
  return recentBodies.get(object) ?? encode(codecs, kind, object);
}

/** Throws what the codec throws. */
export function encode(codecs: Codecs, kind: Kind, object: AnyObject): Uint8Array {
  const codec = codecs[kind] as unknown as { encode(object: AnyObject): Uint8Array };
  return codec.encode(object);
}

export function decode(codecs: Codecs, kind: Kind, body: Uint8Array): AnyObject {
  return codecs[kind].decode(body);
}
