// Patches of JSON trees: merge patch (RFC 7386) and JSON patch (RFC 6902). Both work before decoding: what they make is then held against
// its schema. Strategic merge patches are in strategic-patch.ts, how `apply` finds out what to change in three-way.ts.
import fastJsonPatch, { type Operation } from 'fast-json-patch';
import { isObject as isJsonObject, type JsonObject, type JsonValue, MAX_DEPTH } from './decode/tree.js';
import { deepEqual } from './kinds/equal.js';

export type PatchErrorCode =
  | 'not-a-patch' // its form is wrong
  | 'cannot-apply' // its path does not exist in the object
  | 'test-failed' // an operation "test" found another value
  | 'reserved-key' // __proto__, which no field is called
  | 'too-deep'
  | 'too-long';

/** A patch that cannot be applied; nothing has been changed. */
export class PatchError extends Error {
  override readonly name = 'PatchError';
  readonly code: PatchErrorCode;
  /** Of the operation of a JSON patch, from 0; undefined for other patches. */
  readonly index: number | undefined;
  constructor(code: PatchErrorCode, message: string, index?: number) {
    super(message);
    this.code = code;
    this.index = index;
  }
}

/** As many operations as Kubernetes takes. */
const MAX_OPERATIONS = 10_000;

function checkKey(key: string, depth: number): void {
  if (key === '__proto__') throw new PatchError('reserved-key', 'no field is called "__proto__"');
  if (depth > MAX_DEPTH) throw new PatchError('too-deep', `nested deeper than ${MAX_DEPTH} levels`);
}

function checkTree(value: JsonValue, depth = 0): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, child] of Object.entries(value)) {
    checkKey(key, depth);
    checkTree(child, depth + 1);
  }
}

// ----------------------------------------------------------------------------------------------------------- merge patches

/** The target with a merge patch: null removes a key, objects merge, all else replaces. Changes neither; shares what stays. */
export function applyMergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  return merged(target, patch, 0);
}

function merged(target: JsonValue | undefined, patch: JsonValue, depth: number): JsonValue {
  if (!isJsonObject(patch)) {
    checkTree(patch, depth);
    return patch;
  }
  const result: JsonObject = {};
  if (isJsonObject(target)) {
    for (const [key, value] of Object.entries(target)) {
      checkKey(key, depth);
      result[key] = value;
    }
  }
  for (const [key, value] of Object.entries(patch)) {
    checkKey(key, depth);
    if (value === null) delete result[key];
    else result[key] = merged(Object.hasOwn(result, key) ? result[key] : undefined, value, depth + 1);
  }
  return result;
}

/** The merge patch that makes `to` of `from`; {} where they are the same. A null in `to` counts as not there. */
export function diffAsMergePatch(from: JsonObject, to: JsonObject): JsonObject {
  return changesBetween(from, to, 0);
}

function changesBetween(from: JsonObject, to: JsonObject, depth: number): JsonObject {
  const patch: JsonObject = {};
  for (const key of Object.keys(from)) {
    checkKey(key, depth);
    const after = Object.hasOwn(to, key) ? to[key] : null;
    if (from[key] !== null && after === null) patch[key] = null;
  }
  for (const [key, value] of Object.entries(to)) {
    checkKey(key, depth);
    if (value === null) continue;
    const before = Object.hasOwn(from, key) ? from[key] : undefined;
    if (isJsonObject(before) && isJsonObject(value)) {
      const inner = changesBetween(before, value, depth + 1);
      if (Object.keys(inner).length > 0) patch[key] = inner;
    } else if (!deepEqual(before, value)) patch[key] = value;
  }
  return patch;
}

// ------------------------------------------------------------------------------------------------------------ last applied

/** Where `apply` keeps what it applied: the annotation that kubectl uses, so that one can follow the other. */
export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

function annotationsOf(manifest: JsonObject): JsonObject | undefined {
  const metadata = manifest['metadata'];
  const annotations = isJsonObject(metadata) ? metadata['annotations'] : undefined;
  return isJsonObject(annotations) ? annotations : undefined;
}

/** A copy of the manifest that carries itself in its annotation. */
export function withLastApplied(manifest: JsonObject): JsonObject {
  const { [LAST_APPLIED]: _old, ...annotations } = annotationsOf(manifest) ?? {};
  const metadata = isJsonObject(manifest['metadata']) ? manifest['metadata'] : {};
  const plain: JsonObject = { ...manifest, metadata: { ...metadata, annotations } };
  return { ...manifest, metadata: { ...metadata, annotations: { ...annotations, [LAST_APPLIED]: `${JSON.stringify(plain)}\n` } } };
}

/** What was applied last to an object; undefined where it was not made by apply. Throws PatchError where the annotation is no JSON object. */
export function lastApplied(manifest: JsonObject): JsonObject | undefined {
  const text = annotationsOf(manifest)?.[LAST_APPLIED];
  if (typeof text !== 'string') return undefined;
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    throw new PatchError('not-a-patch', `the annotation ${LAST_APPLIED} is not JSON`);
  }
  if (!isJsonObject(value)) throw new PatchError('not-a-patch', `the annotation ${LAST_APPLIED} is not a JSON object`);
  return value;
}

// ------------------------------------------------------------------------------------------------------------- JSON patches

const OPERATIONS = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test']);

function checkOperations(patch: JsonValue): Operation[] {
  if (!Array.isArray(patch)) throw new PatchError('not-a-patch', 'a JSON patch is a list of operations');
  if (patch.length > MAX_OPERATIONS) {
    throw new PatchError('too-long', `a JSON patch may have at most ${MAX_OPERATIONS} operations, this one has ${patch.length}`);
  }
  for (const [i, one] of patch.entries()) {
    const fail = (what: string): never => {
      throw new PatchError('not-a-patch', `operation ${i}: ${what}`, i);
    };
    if (!isJsonObject(one)) return fail('must be an object');
    const { op, path, from } = one;
    if (typeof op !== 'string' || !OPERATIONS.has(op)) return fail(`"op" must be one of ${[...OPERATIONS].join(', ')}`);
    for (const [name, pointer] of [['path', path], ...(op === 'move' || op === 'copy' ? [['from', from]] : [])] as [
      string,
      JsonValue | undefined,
    ][]) {
      if (typeof pointer !== 'string' || !/^(?:\/(?:[^~/]|~[01])*)*$/.test(pointer))
        return fail(`"${name}" must be a JSON pointer such as /spec/replicas`);
      if (pointer.split('/').includes('__proto__'))
        throw new PatchError('reserved-key', `operation ${i}: no field is called "__proto__"`, i);
    }
    if (op === 'move' && typeof from === 'string' && typeof path === 'string' && path.startsWith(`${from}/`))
      return fail('cannot move a value into itself');
    if (op === 'add' || op === 'replace' || op === 'test') {
      if (!Object.hasOwn(one, 'value')) return fail('"value" is missing');
      checkTree(one['value'] ?? null);
    }
  }
  return patch as unknown as Operation[];
}

/** The target with a JSON patch. Changes neither. All operations or none. Throws PatchError. */
export function applyJsonPatch(target: JsonValue, patch: JsonValue): JsonValue {
  const operations = checkOperations(patch);
  checkTree(target);
  let document: JsonValue = structuredClone(target);
  // Copying what was copied doubles it each time.
  let copied = 0;
  for (const [i, operation] of operations.entries()) {
    document = applyOperation(document, operation, i, (size) => {
      copied += size;
      if (copied > MAX_COPIED) throw new PatchError('too-long', `operation ${i}: the operations "copy" make the object too large`, i);
    });
  }
  checkTree(document);
  return document;
}

/** What all operations "copy" of a patch may copy together, in characters of JSON: far more than an object may have. */
const MAX_COPIED = 8 * 1024 * 1024;

function applyOperation(document: JsonValue, operation: Operation, index: number, onCopy: (size: number) => void): JsonValue {
  const where = `operation ${index} (${operation.op} ${JSON.stringify(operation.path)})`;
  const { op, path } = operation;
  if (op === 'move' || op === 'copy') checkPointer(document, operation.from, true, where, index);
  checkPointer(document, path, op === 'remove' || op === 'replace', where, index);
  if (op === 'test' && !exists(document, path)) throw new PatchError('test-failed', `${where}: there is no such value`, index);
  try {
    if (operation.op === 'copy') onCopy((JSON.stringify(fastJsonPatch.getValueByPointer(document, operation.from)) ?? '').length);
    return fastJsonPatch.applyPatch(document, [operation], true, true).newDocument as JsonValue;
  } catch (error) {
    if (error instanceof PatchError) throw error;
    if (!(error instanceof fastJsonPatch.JsonPatchError)) throw new PatchError('cannot-apply', `${where}: cannot be applied`, index);
    if (error.name === 'TEST_OPERATION_FAILED') throw new PatchError('test-failed', `${where}: the value is another one`, index);
    throw new PatchError('cannot-apply', `${where}: ${reasonOf(error.name)}`, index);
  }
}

/** The steps of a JSON pointer. */
function stepsOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

const INDEX = /^(?:0|[1-9][0-9]*)$/;

/** What is at one step below a value; undefined where there is nothing. Only own keys: every object inherits toString. */
function below(value: JsonValue | undefined, step: string): JsonValue | undefined {
  if (Array.isArray(value)) return INDEX.test(step) ? value[Number(step)] : undefined;
  return isJsonObject(value) && Object.hasOwn(value, step) ? value[step] : undefined;
}

function exists(document: JsonValue, pointer: string): boolean {
  let value: JsonValue | undefined = document;
  for (const step of stepsOf(pointer)) value = below(value, step);
  return value !== undefined;
}

/** The library takes 01 for 1 and looks into what objects inherit, so where a pointer leads is looked at here. whole: its end must exist too. */
function checkPointer(document: JsonValue, pointer: string, whole: boolean, where: string, index: number): void {
  let value: JsonValue | undefined = document;
  const steps = stepsOf(pointer);
  for (const [i, step] of steps.entries()) {
    const last = i === steps.length - 1;
    if (Array.isArray(value) && !INDEX.test(step) && !(last && step === '-')) {
      throw new PatchError('cannot-apply', `${where}: a position in a list must be a number without leading zeros, or -`, index);
    }
    const next = below(value, step);
    const mayLack = last && !whole && (Array.isArray(value) || isJsonObject(value));
    if (next === undefined && !mayLack) throw new PatchError('cannot-apply', `${where}: the path does not exist`, index);
    value = next;
  }
}

function reasonOf(name: string): string {
  switch (name) {
    case 'OPERATION_PATH_CANNOT_ADD':
    case 'OPERATION_PATH_UNRESOLVABLE':
    case 'OPERATION_FROM_UNRESOLVABLE':
      return 'the path does not exist';
    case 'OPERATION_PATH_ILLEGAL_ARRAY_INDEX':
      return 'a position in a list must be a number without leading zeros, or -';
    case 'OPERATION_VALUE_OUT_OF_BOUNDS':
      return 'the list has no such position';
    default:
      return 'cannot be applied';
  }
}
