// A manifest as a plain JSON tree, with the places in the text where its parts stand. How text becomes a tree: json-text.ts and
// yaml-text.ts.

export type JsonValue = null | boolean | number | string | JsonValue[] | JsonObject;
export interface JsonObject {
  [key: string]: JsonValue;
}

/** Lines and columns count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Steps from the root of a tree: keys of objects, indexes of arrays. */
export type Steps = readonly (string | number)[];

/** Deepest nesting of a manifest. Kubernetes' own objects need about 20. */
export const MAX_DEPTH = 100;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What a value is, as people say it. */
export function nameOfType(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return 'a string';
  return `a ${typeof value}`;
}

/** Steps as Kubernetes writes a path: spec.containers[0].image. */
export function pathText(steps: Steps): string {
  let text = '';
  for (const step of steps) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z0-9_$-]+$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${step}]`; // as in metadata.annotations[example.com/a]
  }
  return text;
}

/** A path as pathText writes it, as steps into this tree; as far as the tree goes. */
export function stepsIn(root: JsonValue, path: string): Steps {
  const steps: (string | number)[] = [];
  let at: JsonValue | undefined = root;
  for (const [, inBrackets, plain] of path.matchAll(/\[([^\]]*)\]|([^.[\]]+)/g)) {
    if (typeof at !== 'object' || at === null) break;
    const step: string = inBrackets ?? plain ?? '';
    steps.push(Array.isArray(at) ? Number(step) : step);
    at = Array.isArray(at) ? at[Number(step)] : at[step];
  }
  return steps;
}

/** The lines of a text, counted at the first question and only once. */
export class Lines {
  readonly #text: string;
  #starts: number[] | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  position(offset: number): Position {
    this.#starts ??= lineStarts(this.#text);
    return positionIn(this.#starts, offset);
  }
}

/** Where keys and elements of a tree stand in its text, as offsets. Filled while parsing. */
export class Places {
  readonly #lines: Lines;
  readonly #start: number;
  readonly #places = new WeakMap<object, Map<string | number, number>>();

  /** lines: of the whole text; start: where the document begins in it. */
  constructor(lines: Lines, start: number) {
    this.#lines = lines;
    this.#start = start;
  }

  note(container: object, step: string | number, offset: number): void {
    let places = this.#places.get(container);
    if (places === undefined) {
      places = new Map();
      this.#places.set(container, places);
    }
    places.set(step, offset);
  }

  /** Where the value at the end of the steps stands (its key, in an object), or the nearest thing around it that is known. */
  locate(root: JsonValue, steps: Steps): Position {
    let at: JsonValue | undefined = root;
    let offset = this.#start;
    for (const step of steps) {
      if (typeof at !== 'object' || at === null) break;
      const place = this.#places.get(at)?.get(step);
      if (place === undefined) break;
      offset = place;
      at = Array.isArray(at) ? at[Number(step)] : at[step];
    }
    return this.position(offset);
  }

  position(offset: number): Position {
    return this.#lines.position(offset);
  }
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) starts.push(i + 1);
  return starts;
}

function positionIn(starts: readonly number[], offset: number): Position {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
}
