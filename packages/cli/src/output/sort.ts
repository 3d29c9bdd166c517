// --sort-by: the order of objects by one field. Pure.
import { usage } from '../exit-codes.js';
import type { AnyObject } from '../kinds.js';

/** Segments of a path such as .metadata.creationTimestamp, {.spec.replicas} or .status.containerStatuses[0].restartCount. */
function segments(path: string): readonly (string | number)[] {
  const bare = path.replace(/^\{(.*)\}$/, '$1');
  if (!/^\.?[A-Za-z]\w*(?:\[\d+\])*(?:\.[A-Za-z]\w*(?:\[\d+\])*)*$/.test(bare))
    throw usage(`--sort-by: "${path}" is not a path of fields`, 'For example: .metadata.creationTimestamp');
  return [...bare.matchAll(/\[(\d+)\]|(\w+)/g)].map(([, index, name]) => (index === undefined ? (name ?? '') : Number(index)));
}

function valueAt(object: unknown, path: readonly (string | number)[]): unknown {
  let value = object;
  for (const segment of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Readonly<Record<string | number, unknown>>)[segment];
  }
  return value;
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

function compare(a: unknown, b: unknown): number {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1;
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return textOf(a).localeCompare(textOf(b), 'en', { numeric: true });
}

/** Objects in the order of a field; without a path by namespace and name, as the server gives them. */
export function sorted(objects: readonly AnyObject[], path: string | undefined): readonly AnyObject[] {
  if (path === undefined) return objects;
  const steps = segments(path);
  return objects.toSorted((a, b) => compare(valueAt(a, steps), valueAt(b, steps)));
}
