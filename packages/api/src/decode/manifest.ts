// Objects to manifests: the JSON tree that Kubernetes would print, and YAML text. The way in is decode.ts.
import { Document, stringify } from 'yaml';
import type { DeepReadonly, Kind, KindMap } from '../kinds/kind-map.js';
import { codecs } from './codecs.js';
import { apiVersionOf } from './kind-of.js';
import type { JsonObject, JsonValue } from './tree.js';

/** The manifest of an object: apiVersion and kind first, then in the order of the proto files. What is not set is left out. */
export function toManifest<K extends Kind>(kind: K, object: KindMap[K] | DeepReadonly<KindMap[K]>): JsonObject {
  // toJSON only reads, so a frozen object is as good as any; its result is JSON by construction.
  const tree = codecs[kind].toJSON(object as KindMap[K]) as JsonObject;
  return { ...tree, apiVersion: apiVersionOf(kind), kind };
}

/**
 * A JSON tree as one YAML document, as kubectl prints it: lists not indented, no line broken. Words that YAML 1.1 readers
 * take for something else (yes, 0644, 1:30) are quoted.
 */
export function toYaml(tree: JsonValue | DeepReadonly<JsonObject>): string {
  return stringify(new Document(tree, { aliasDuplicateObjects: false, compat: 'yaml-1.1' }), { indentSeq: false, lineWidth: 0 });
}
