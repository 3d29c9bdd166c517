// What `apply` has to change: found out from what was applied last, what is applied now, and what is there. Fields and elements of lists
// that others have set stay. Which elements are the same one is known from the schema, as in strategic merge patches.
import { isObject, type JsonObject, type JsonValue, MAX_DEPTH } from './decode/tree.js';
import { diffAsMergePatch, PatchError } from './patch.js';
import type { FieldSchema, MessageSchema } from './schema/model.js';
import { ordered } from './strategic-patch.js';

/**
 * The merge patch (RFC 7386) that does it: what was in `original` (applied last) and is not in `modified` (applied now) goes, what
 * `modified` says is set, what others set stays. schema: of the object; without one lists are replaced as a whole. {}: nothing to do.
 * A null in `modified` counts as not there. Rules: kubectl's client-side apply.
 */
export function threeWayMergePatch(original: JsonObject, modified: JsonObject, current: JsonObject, schema?: MessageSchema): JsonObject {
  return diffAsMergePatch(current, mergedObject(schema, original, modified, current, 0));
}

const has = (tree: JsonObject, key: string): boolean => Object.hasOwn(tree, key) && tree[key] !== null;
const at = (tree: JsonObject, key: string): JsonValue | undefined => (has(tree, key) ? tree[key] : undefined);
const objectOf = (value: JsonValue | undefined): JsonObject => (isObject(value) ? value : {});

function mergedObject(
  schema: MessageSchema | undefined,
  original: JsonObject,
  modified: JsonObject,
  current: JsonObject,
  depth: number,
): JsonObject {
  if (depth > MAX_DEPTH) throw new PatchError('too-deep', `nested deeper than ${MAX_DEPTH} levels`);
  const result: JsonObject = {};
  for (const key of [...Object.keys(current), ...Object.keys(modified)]) {
    if (key === '__proto__') throw new PatchError('reserved-key', 'no field is called "__proto__"');
    const [wish, now] = [at(modified, key), at(current, key)];
    if (wish !== undefined) result[key] = mergedValue(schema?.fields.get(key), at(original, key), wish, now, depth + 1);
    else if (now !== undefined && !has(original, key)) result[key] = now;
  }
  return result;
}

function mergedValue(
  field: FieldSchema | undefined,
  original: JsonValue | undefined,
  wish: JsonValue,
  now: JsonValue | undefined,
  depth: number,
): JsonValue {
  if (isObject(wish)) {
    // Of alternatives (the strategy of a Deployment, the source of a volume) only what is wished for stays.
    const old = field?.patchStrategy.includes('retainKeys') === true ? only(Object.keys(wish), objectOf(now)) : objectOf(now);
    return mergedObject(field?.shape === 'single' ? field.message : undefined, objectOf(original), wish, old, depth);
  }
  if (!Array.isArray(wish) || !Array.isArray(now) || field?.patchStrategy.includes('merge') !== true) return wish;
  const before = Array.isArray(original) ? original : [];
  return mergedList(field, before, wish, now, depth) ?? wish;
}

const only = (keys: readonly string[], tree: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(tree).filter(([key]) => keys.includes(key)));

/** undefined: its elements cannot be told apart, as two ports of one number and two protocols; such lists are replaced. */
function mergedList(
  field: FieldSchema,
  original: readonly JsonValue[],
  wish: readonly JsonValue[],
  now: readonly JsonValue[],
  depth: number,
): JsonValue[] | undefined {
  const key = field.patchMergeKey;
  const keyOf = (element: JsonValue): JsonValue => (key === undefined ? element : ((isObject(element) ? element[key] : undefined) ?? null));
  const [before, wanted, there] = [byKey(original, keyOf), byKey(wish, keyOf), byKey(now, keyOf)];
  if (before === undefined || wanted === undefined || there === undefined) return undefined;
  const retain = field.patchStrategy.includes('retainKeys');
  const all: JsonValue[] = [];
  for (const [text, element] of there) if (wanted.has(text) || !before.has(text)) all.push(wanted.get(text) ?? element);
  for (const [text, element] of wanted) if (!there.has(text)) all.push(element);
  const merged = all.map((element) => {
    const text = JSON.stringify(keyOf(element));
    const wished = wanted.get(text);
    if (wished === undefined || !isObject(wished)) return element;
    const old = objectOf(there.get(text));
    const kept = retain ? only(Object.keys(wished), old) : old;
    return mergedObject(field.message, objectOf(before.get(text)), wished, kept, depth + 1);
  });
  return ordered(merged, wish.map(keyOf), now.map(keyOf), keyOf);
}

/** undefined: two have the same key, or one has none. */
function byKey(list: readonly JsonValue[], keyOf: (element: JsonValue) => JsonValue): ReadonlyMap<string, JsonValue> | undefined {
  const found = new Map<string, JsonValue>();
  for (const element of list) {
    const key = keyOf(element);
    const text = JSON.stringify(key);
    if (key === null || typeof key === 'object' || found.has(text)) return undefined;
    found.set(text, element);
  }
  return found;
}
