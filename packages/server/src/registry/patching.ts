// Patches: applied to the JSON form of an object, then decoded as strictly as a manifest. How patches work is in @podplane/api/patch.
import type { JsonValue } from '@podplane/api/decode/tree';
import { ApiError, badRequest } from '@podplane/api/errors';
import { kindInfo } from '@podplane/api/kinds/catalogue';
import type { Kind, KindMap, Obj } from '@podplane/api/kinds/kind-map';
import { applyJsonPatch, applyMergePatch, PatchError } from '@podplane/api/patch';
import { kindSchema } from '@podplane/api/schema/model';
import { applyStrategicPatch } from '@podplane/api/strategic-patch';
import { admitTree } from './strict.js';

export type PatchKind = 'merge' | 'json' | 'strategic';

/** The object after the patch, a new one. Throws ApiError: BadRequest, Invalid. */
export function applyPatch<K extends Kind>(kind: K, previous: Obj<K>, patchKind: PatchKind, patch: Uint8Array): KindMap[K] {
  const target = { kind, namespace: previous.metadata?.namespace ?? '', name: previous.metadata?.name ?? '' };
  const document = parse(patch);
  const before = kindInfo(kind).codec.toJSON(previous) as JsonValue; // toJSON makes nothing but JSON
  let tree: JsonValue;
  try {
    tree = patched(kind, before, patchKind, document);
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    // A test that does not hold is no mistake of form: the object is not what the client believes.
    throw new ApiError(error.code === 'test-failed' ? 'Invalid' : 'BadRequest', `the patch cannot be applied: ${error.message}`, {
      target,
      cause: error,
    });
  }
  return admitTree(kind, tree, target);
}

function patched(kind: Kind, before: JsonValue, patchKind: PatchKind, patch: JsonValue): JsonValue {
  switch (patchKind) {
    case 'merge':
      return applyMergePatch(before, patch);
    case 'json':
      return applyJsonPatch(before, patch);
    case 'strategic': {
      const schema = kindSchema(kind);
      if (schema === undefined) throw new TypeError(`no schema of ${kind}`);
      return applyStrategicPatch(schema, before, patch);
    }
  }
}

function parse(patch: Uint8Array): JsonValue {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(patch)) as JsonValue;
  } catch (error) {
    throw badRequest(`patch: it is no JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
