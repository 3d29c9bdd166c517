// What ConfigMaps and Secrets have in common: keys, size, immutability.
import { type FieldError, forbidden, invalid, Path, tooLong } from '../errors.js';
import { configKeyProblems, DATA_MAX_BYTES } from '../names.js';
import { deepEqual } from './equal.js';

type Texts = Readonly<Record<string, string>>;
type Blobs = Readonly<Record<string, Uint8Array>>;

/** Faults of keys: what a file in a volume could not be called. */
export function validateKeys(keys: readonly string[], path: Path): FieldError[] {
  return keys.flatMap((key) => configKeyProblems(key).map((problem) => invalid(path.key(key), key, problem)));
}

/** One fault where all values together are too large. */
export function validateSize(texts: Texts, blobs: Blobs, path: Path | string): FieldError[] {
  let total = 0;
  for (const value of Object.values(texts)) total += Buffer.byteLength(value);
  for (const value of Object.values(blobs)) total += value.length;
  return total > DATA_MAX_BYTES ? [tooLong(path, DATA_MAX_BYTES)] : [];
}

/** Faults of a change of an immutable object; fields: those that must stay. */
export function validateImmutable<T extends { readonly immutable?: boolean | undefined }>(
  next: T,
  previous: T,
  fields: readonly (keyof T & string)[],
): FieldError[] {
  if (previous.immutable !== true) return [];
  const out: FieldError[] = [];
  if (next.immutable !== true) out.push(forbidden(Path.of('immutable'), 'field is immutable when `immutable` is set'));
  for (const field of fields) {
    if (!deepEqual(next[field], previous[field])) out.push(forbidden(Path.of(field), 'field is immutable when `immutable` is set'));
  }
  return out;
}
