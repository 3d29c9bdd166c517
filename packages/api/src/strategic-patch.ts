// Strategic merge patches, as kubectl sends them by default: a merge patch that knows, from the schema, by which key the elements of a
// list are told apart. Works on JSON trees, before decoding; the other patches are in patch.ts.
import { isObject, type JsonObject, type JsonValue, MAX_DEPTH } from './decode/tree.js';
import { applyMergePatch, PatchError } from './patch.js';
import type { FieldSchema, MessageSchema } from './schema/model.js';

const DIRECTIVE = '$patch';
const RETAIN = '$retainKeys';
const DELETE_FROM = '$deleteFromPrimitiveList/';
const ORDER = '$setElementOrder/';

const notAPatch = (message: string): PatchError => new PatchError('not-a-patch', message);

/**
 * The target with a strategic merge patch. schema: of the target. Changes neither; shares what stays. Throws PatchError.
 * Rules: Kubernetes' strategicpatch package (directives $patch, $retainKeys, $deleteFromPrimitiveList, $setElementOrder).
 */
export function applyStrategicPatch(schema: MessageSchema, target: JsonValue, patch: JsonValue): JsonValue {
  if (!isObject(patch)) throw notAPatch('a strategic merge patch is an object');
  return mergedObject(schema, isObject(target) ? target : {}, patch, 0);
}

function check(key: string, depth: number): void {
  if (key === '__proto__') throw new PatchError('reserved-key', 'no field is called "__proto__"');
  if (depth > MAX_DEPTH) throw new PatchError('too-deep', `nested deeper than ${MAX_DEPTH} levels`);
}

function listOf(patch: JsonObject, key: string): readonly JsonValue[] | undefined {
  const value = patch[key];
  if (value === undefined) return undefined;
  if (!Array.isArray(value)) throw notAPatch(`${key} must be a list`);
  return value;
}

function mergedObject(schema: MessageSchema | undefined, target: JsonObject, patch: JsonObject, depth: number): JsonObject {
  const { [DIRECTIVE]: directive, ...rest } = patch;
  if (directive === 'replace') return mergedObject(schema, {}, rest, depth);
  if (directive === 'delete') return {};
  if (directive !== undefined && directive !== 'merge')
    throw notAPatch(`${DIRECTIVE}: ${JSON.stringify(directive)} is none of merge, replace, delete`);
  const result = retained(target, patch);
  for (const [key, value] of Object.entries(rest)) {
    check(key, depth);
    if (key === RETAIN || key.startsWith(ORDER)) continue;
    if (key.startsWith(DELETE_FROM)) {
      const field = key.slice(DELETE_FROM.length);
      const gone = listOf(rest, key) ?? [];
      const now = Object.hasOwn(result, field) ? result[field] : undefined;
      if (Array.isArray(now)) result[field] = now.filter((one) => !gone.includes(one));
    } else if (value === null) delete result[key];
    else {
      const before = Object.hasOwn(result, key) ? result[key] : undefined;
      result[key] = mergedValue(schema?.fields.get(key), before, value, listOf(rest, `${ORDER}${key}`), depth + 1);
    }
  }
  // An order may come alone.
  for (const key of Object.keys(rest)) {
    const field = key.startsWith(ORDER) ? key.slice(ORDER.length) : '';
    const now = Object.hasOwn(result, field) ? result[field] : undefined;
    if (field !== '' && !Object.hasOwn(rest, field) && Array.isArray(now))
      result[field] = mergedValue(schema?.fields.get(field), now, [], listOf(rest, key), depth + 1);
  }
  return result;
}

/** A copy of the target, with only those keys that the patch lets stay. */
function retained(target: JsonObject, patch: JsonObject): JsonObject {
  const keep = listOf(patch, RETAIN);
  const result: JsonObject = {};
  for (const [key, value] of Object.entries(target)) if (keep === undefined || keep.includes(key)) result[key] = value;
  for (const key of Object.keys(patch))
    if (keep !== undefined && !key.startsWith('$') && patch[key] !== null && !keep.includes(key))
      throw notAPatch(`${RETAIN} does not name "${key}", which the patch sets`);
  return result;
}

function mergedValue(
  field: FieldSchema | undefined,
  before: JsonValue | undefined,
  patch: JsonValue,
  order: readonly JsonValue[] | undefined,
  depth: number,
): JsonValue {
  // Maps, and what the schema does not know, merge by their keys, and obey the same directives.
  if (isObject(patch))
    return mergedObject(field?.shape === 'single' ? field.message : undefined, isObject(before) ? before : {}, patch, depth);
  if (!Array.isArray(patch) || field === undefined || !field.patchStrategy.includes('merge')) return applyMergePatch(undefined, patch);
  const list = Array.isArray(before) ? before : [];
  return field.patchMergeKey === undefined ? union(list, patch, order) : mergedList(field, field.patchMergeKey, list, patch, order, depth);
}

/** Lists of plain values: each once. */
function union(before: readonly JsonValue[], patch: readonly JsonValue[], order: readonly JsonValue[] | undefined): JsonValue[] {
  const all = new Set<JsonValue>([...before, ...patch]);
  for (const one of all) if (typeof one === 'object') throw notAPatch('a list of plain values cannot hold objects, lists or null');
  return ordered([...all], order ?? patch, before, (one) => one);
}

function mergedList(
  field: FieldSchema,
  key: string,
  before: readonly JsonValue[],
  patch: readonly JsonValue[],
  order: readonly JsonValue[] | undefined,
  depth: number,
): JsonValue[] {
  const keyOf = (element: JsonValue): JsonValue => {
    const value = isObject(element) && Object.hasOwn(element, key) ? element[key] : undefined;
    if (value === undefined) throw notAPatch(`${field.name}: each element must say its ${key}, by which it is found`);
    return value;
  };
  const elements: JsonObject[] = [];
  const gone = new Set<string>();
  let result = [...before];
  for (const element of patch) {
    if (!isObject(element)) throw notAPatch(`${field.name}: elements must be objects`);
    const { [DIRECTIVE]: directive, ...rest } = element;
    if (directive === 'replace') result = [];
    else if (directive === 'delete') {
      gone.add(JSON.stringify(keyOf(element)));
      continue;
    } else if (directive !== undefined && directive !== 'merge')
      throw notAPatch(`${DIRECTIVE}: ${JSON.stringify(directive)} is none of merge, replace, delete`);
    if (Object.keys(rest).length > 0) elements.push(rest);
  }
  if (gone.size > 0) result = result.filter((one) => !gone.has(JSON.stringify(keyOf(one))));
  const at = new Map(positionsOf(result.map(keyOf)));
  for (const element of elements) {
    const text = JSON.stringify(keyOf(element));
    const place = at.get(text) ?? result.length;
    const now = result[place];
    result[place] = mergedObject(field.message, isObject(now) ? now : {}, element, depth);
    at.set(text, place);
  }
  const positions = order?.map((one) => (isObject(one) ? keyOf(one) : one)) ?? elements.map(keyOf);
  return ordered(result, positions, before.map(keyOf), keyOf);
}

/** Where each of these stands first. */
function positionsOf(keys: readonly JsonValue[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const [i, key] of keys.entries()) {
    const text = JSON.stringify(key);
    if (!found.has(text)) found.set(text, i);
  }
  return found;
}

/**
 * As Kubernetes orders a merged list: what the patch names comes as the patch has it, all else as it was; where both are known from
 * before, the one that was before the other still is, and new elements stand as early as they can.
 */
export function ordered(
  all: readonly JsonValue[],
  wanted: readonly JsonValue[],
  before: readonly JsonValue[],
  keyOf: (element: JsonValue) => JsonValue,
): JsonValue[] {
  const [wishes, was] = [positionsOf(wanted), positionsOf(before)];
  const wish = (one: JsonValue): number => wishes.get(JSON.stringify(keyOf(one))) ?? -1;
  const old = (one: JsonValue): number => was.get(JSON.stringify(keyOf(one))) ?? -1;
  const named = all.filter((one) => wish(one) >= 0).sort((a, b) => wish(a) - wish(b));
  const others = all.filter((one) => wish(one) < 0).sort((a, b) => old(a) - old(b));
  const result: JsonValue[] = [];
  let next = 0;
  for (const one of others) {
    // Those that the patch names go first, up to one that was behind this before.
    for (; next < named.length; next++) {
      const other = named[next];
      if (other === undefined || (old(one) >= 0 && old(other) >= 0 && old(one) < old(other))) break;
      result.push(other);
    }
    result.push(one);
  }
  return [...result, ...named.slice(next)];
}
