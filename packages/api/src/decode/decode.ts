// Manifests to typed objects, strictly: nothing that is not understood is let through, and everything wrong is told with its
// place. The way back, objects to manifests, is in manifest.ts.
import type { Kind, KindMap } from '../kinds/kind-map.js';
import { kindSchema } from '../schema/model.js';
import { codecs } from './codecs.js';
import { type ParsedText, parseJsonTexts, type TextFault } from './json-text.js';
import { apiVersionOf, identify } from './kind-of.js';
import { type DecodeProblem, MAX_PROBLEMS } from './problems.js';
import { type Fault, reservedMessage, shown, strictTree } from './strict.js';
import { type JsonObject, type JsonValue, Lines, type Position, pathText, type Steps, stepsIn } from './tree.js';
import { parseYamlText } from './yaml-text.js';

/** Largest text that is read, in bytes. The server takes no larger request either. */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

/** One object of a manifest. */
export type DecodedObject<K extends Kind = Kind> = {
  [P in K]: {
    readonly kind: P;
    readonly object: KindMap[P];
    /** As it was written, before anything was normalized. */
    readonly raw: JsonObject;
    readonly source: string;
    readonly position: Position;
    /** Where a field stands, named as in spec.containers[0].image; or the nearest thing around it that was written. */
    readonly locate: (path: string) => Position;
  };
}[K];

export type DecodeResult =
  | { readonly ok: true; readonly objects: readonly DecodedObject[] }
  /** At least one problem. `objects`: those that had none. */
  | { readonly ok: false; readonly problems: readonly DecodeProblem[]; readonly objects: readonly DecodedObject[] };

export type DecodeOneResult<K extends Kind> =
  | { readonly ok: true; readonly object: KindMap[K] }
  | { readonly ok: false; readonly problems: readonly DecodeProblem[] };

/**
 * Reads all objects of a YAML or JSON text: several documents, `kind: List`, JSON values one after the other.
 * source: what messages call the text (a file name, or "-"). Never throws for any text.
 */
export function decodeManifests(text: string | Uint8Array, options: { readonly source: string }): DecodeResult {
  const reader = new ManifestReader(options.source);
  reader.read(text);
  const { objects, problems } = reader;
  return problems.length === 0 ? { ok: true, objects } : { ok: false, problems: problems.slice(0, MAX_PROBLEMS), objects };
}

/**
 * Holds an already parsed JSON tree against its kind. The tree must say neither kind nor apiVersion, or the right ones.
 * Used where there is no text: after patches, in the HTTP face. Never throws for any JSON value.
 */
export function decodeObject<K extends Kind>(kind: K, tree: unknown): DecodeOneResult<K> {
  // What JSON.parse and our own parsers give is JSON; anything else is refused by type below, as its parts are looked at.
  const identified = identify(tree as JsonValue, { kind });
  if (identified.is === 'wrong') return { ok: false, problems: [{ ...identified.problem, source: '' }] };
  if (identified.is === 'list' || identified.kind !== kind) {
    const found = identified.is === 'list' ? 'a list' : identified.kind;
    const message = `expected an object of kind ${kind}, got ${found}`;
    return { ok: false, problems: [{ code: 'unknown_kind', message, advice: '', source: '', kind: found }] };
  }
  const { object, faults } = decodeTree(kind, identified.tree);
  if (faults.length === 0) return { ok: true, object };
  return { ok: false, problems: faults.slice(0, MAX_PROBLEMS).map((fault) => fromFault(fault, '')) };
}

/**
 * Holds an object that came as protobuf bytes against what its JSON form could be: the bytes can carry times, ports and versions
 * that no manifest could. An empty apiVersion or kind is filled in. Gives the object in the one form that objects have.
 */
export function strictObject<K extends Kind>(kind: K, object: KindMap[K]): DecodeOneResult<K> {
  // toJSON gives JSON by construction.
  const tree = codecs[kind].toJSON(object) as JsonObject;
  return decodeObject(kind, { ...tree, apiVersion: object.apiVersion || apiVersionOf(kind), kind: object.kind || kind });
}

function decodeTree<K extends Kind>(kind: K, tree: JsonObject): { readonly object: KindMap[K]; readonly faults: readonly Fault[] } {
  const schema = kindSchema(kind);
  if (schema === undefined) throw new Error(`kind ${kind} has no schema`);
  const faults: Fault[] = [];
  const strict = strictTree(schema, tree, faults);
  return { object: codecs[kind].fromJSON(faults.length === 0 ? strict : {}), faults };
}

class ManifestReader {
  readonly objects: DecodedObject[] = [];
  readonly problems: DecodeProblem[] = [];
  readonly #source: string;

  constructor(source: string) {
    this.#source = source;
  }

  read(input: string | Uint8Array): void {
    const bytes = typeof input === 'string' ? Buffer.byteLength(input) : input.byteLength;
    if (bytes > MAX_MANIFEST_BYTES) {
      const message = `the text has ${bytes} bytes, more than the limit of ${MAX_MANIFEST_BYTES} (4 MiB)`;
      this.#add({ code: 'too_large', message, advice: 'split it into several files', bytes, limit: MAX_MANIFEST_BYTES });
      return;
    }
    const text = this.#text(input);
    if (text === undefined) return;
    const before = this.problems.length;
    let documents = 0;
    for (const document of parseTexts(text)) {
      documents++;
      this.#document(document);
      if (this.problems.length >= MAX_PROBLEMS) return;
    }
    if (documents === 0 && this.problems.length === before) {
      this.#add({ code: 'empty', message: 'there is no object in it', advice: 'is this the right file?' });
    }
  }

  /** The text itself, or undefined (and a problem) where it is none. */
  #text(input: string | Uint8Array): string | undefined {
    let text: string;
    try {
      text = typeof input === 'string' ? input : new TextDecoder('utf-8', { fatal: true }).decode(input);
    } catch {
      this.#add({ code: 'not_text', message: 'this is not text in UTF-8', advice: 'is this the right file?' });
      return undefined;
    }
    const bad = text.isWellFormed() ? /(?![\t\n\r\x7F-\x9F])\p{Cc}/u.exec(text) : /\p{Surrogate}/u.exec(text);
    if (bad === null) return text;
    const code = bad[0].charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
    const position = new Lines(text).position(bad.index);
    this.#add({ code: 'not_text', message: `the text holds the character U+${code}`, advice: 'is this the right file?' }, position);
    return undefined;
  }

  #document(parsed: ParsedText): void {
    const before = this.problems.length;
    for (const fault of parsed.faults.slice(0, MAX_PROBLEMS)) this.#add(fromTextFault(fault), parsed.places.position(fault.offset));
    if (parsed.faults.some((it) => it.code === 'syntax' || it.code === 'too_complex')) return;
    this.#value(parsed.value, [], parsed, before, 0);
  }

  /** One object or list of objects that stands at `steps` in its document. before: how many problems there were before it. */
  #value(value: JsonValue, steps: Steps, parsed: ParsedText, before: number, depth: number): void {
    const position = (at: Steps): Position => parsed.places.locate(parsed.value, [...steps, ...at]);
    const identified = identify(value);
    switch (identified.is) {
      case 'wrong':
        this.#add(identified.problem, position(identified.steps));
        return;
      case 'list':
        this.#list(identified, steps, parsed, before, depth);
        return;
      case 'object': {
        const { kind, tree } = identified;
        const { object, faults } = decodeTree(kind, tree);
        for (const fault of faults) this.#add(fromFault(fault, this.#source), position(fault.steps));
        if (this.problems.length > before) return;
        // kind and object come from one call with one K, which the compiler cannot follow through the union.
        const locate = (path: string): Position => position(stepsIn(tree, path));
        this.objects.push({ kind, object, raw: tree, source: this.#source, position: position([]), locate } as DecodedObject);
      }
    }
  }

  #list(
    list: { readonly tree: JsonObject; readonly items: readonly JsonValue[] },
    steps: Steps,
    parsed: ParsedText,
    before: number,
    depth: number,
  ): void {
    const position = (at: Steps): Position => parsed.places.locate(parsed.value, [...steps, ...at]);
    if (depth > 0) {
      const message = 'a list cannot hold another list';
      this.#add({ code: 'not_an_object', message, advice: 'put its items into the outer list' }, position([]));
      return;
    }
    for (const name of Object.keys(list.tree)) {
      if (['apiVersion', 'kind', 'metadata', 'items'].includes(name)) continue;
      const message = `unknown field "${shown(name)}"`;
      this.#add({ code: 'unknown_field', message, advice: 'a list has only items', path: name }, position([name]));
    }
    for (const [index, item] of list.items.entries()) {
      // Faults of the text belong to no item alone, so they spoil all of the document.
      const spoiled = this.problems.length > before && parsed.faults.length > 0;
      this.#value(item, [...steps, 'items', index], parsed, spoiled ? before : this.problems.length, depth + 1);
    }
  }

  #add(problem: WithoutSource<DecodeProblem>, position?: Position): void {
    this.problems.push({ ...problem, source: this.#source, ...(position === undefined ? {} : { position }) });
  }
}

type WithoutSource<P> = P extends DecodeProblem ? Omit<P, 'source' | 'position'> : never;

/** What begins with a brace is JSON, and YAML (a flow mapping) only where JSON's own rules refuse it. */
function parseTexts(text: string): ParsedText[] {
  if (!/^\uFEFF?[ \t\r\n]*[{[]/.test(text)) return parseYamlText(text);
  const json = parseJsonTexts(text);
  if (!json.some(isBroken)) return json;
  const yaml = parseYamlText(text);
  return yaml.some(isBroken) ? json : yaml;
}

function isBroken(parsed: ParsedText): boolean {
  return parsed.faults.some((it) => it.code === 'syntax');
}

function fromTextFault(fault: TextFault): WithoutSource<DecodeProblem> {
  const { code, advice } = fault;
  const path = shown(pathText(fault.steps));
  switch (code) {
    case 'syntax':
      return { code, message: `neither YAML nor JSON: ${shown(fault.message)}`, advice };
    case 'too_complex':
      return { code, message: fault.message, advice };
    case 'duplicate_key':
      return { code, message: `duplicate field "${path}"`, advice, path };
    case 'reserved_key':
      return { code, message: shown(reservedMessage(fault.steps)), advice, path };
    case 'invalid_value':
      return { code, message: `${path === '' ? '' : `${path}: `}${shown(fault.message)}`, advice, path };
  }
}

function fromFault(fault: Fault, source: string): DecodeProblem {
  const { advice } = fault;
  const path = shown(pathText(fault.steps));
  const base = { message: shown(fault.message), advice, source };
  switch (fault.code) {
    case 'unknown_field':
      return { ...base, code: fault.code, path, ...(fault.suggestion === undefined ? {} : { suggestion: fault.suggestion }) };
    case 'wrong_type':
      return { ...base, code: fault.code, path, expected: fault.expected };
    case 'invalid_value':
    case 'reserved_key':
      return { ...base, code: fault.code, path };
    case 'too_complex':
      return { ...base, code: fault.code };
  }
}
