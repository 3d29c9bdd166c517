// YAML text to trees with places, one for each document. The yaml package finds the structure; what keys and words mean, aliases,
// merge keys and all limits are decided here. Time and memory stay linear in the text, whatever it holds.
import { Composer, type Document, isAlias, isMap, isScalar, isSeq, Lexer, type ParsedNode, Parser, type YAMLMap } from 'yaml';
import { duplicateKey, notFinite, type ParsedText, reservedKey, type TextFault } from './json-text.js';
import { isObject, type JsonObject, type JsonValue, Lines, MAX_DEPTH, Places, type Steps } from './tree.js';
import { NOT_FINITE, plainScalar } from './yaml-scalars.js';

/** Values that aliases may add to what the text itself holds. */
const MAX_ALIASED = 100_000;
/** Tokens of one text. A manifest of 4 MiB has fewer; a text of nothing but brackets has more. */
const MAX_TOKENS = 3_000_000;
/** The parser's open structures; a level of nesting takes up to three. */
const MAX_OPEN = 4 * MAX_DEPTH;
const TAG = 'tag:yaml.org,2002:';

class Stop extends Error {
  readonly fault: TextFault;
  constructor(fault: TextFault) {
    super(fault.message);
    this.fault = fault;
  }
}

/** All documents of a YAML text that are not empty. Never throws: what is wrong is in `faults`. */
export function parseYamlText(text: string): ParsedText[] {
  const results: ParsedText[] = [];
  const lines = new Lines(text);
  try {
    // Failsafe: every scalar stays text, so that this file decides what it means.
    const composer = new Composer<ParsedNode>({
      schema: 'failsafe',
      uniqueKeys: false,
      merge: false,
      prettyErrors: false,
      logLevel: 'silent',
    });
    for (const document of composer.compose(tokens(text))) {
      const read = readDocument(lines, document);
      if (read !== undefined) results.push(read);
      // What follows a broken document is guesswork.
      if (document.errors.length > 0) break;
    }
  } catch (error) {
    results.push({ value: null, places: new Places(lines, 0), faults: [faultOf(error)] });
  }
  return results;
}

function faultOf(error: unknown): TextFault {
  if (error instanceof Stop) return error.fault;
  if (error instanceof RangeError) return tooComplex('nested too deep', 0);
  throw error;
}

function* tokens(text: string): ReturnType<Parser['parse']> {
  const parser = new Parser();
  let count = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (++count > MAX_TOKENS) throw new Stop(tooComplex(`holds more than ${MAX_TOKENS} YAML tokens`, parser.offset));
    yield* stopAtError(parser.next(lexeme));
    if (parser.stack.length > MAX_OPEN) throw new Stop(tooComplex(`nested deeper than ${MAX_DEPTH} levels`, parser.offset));
  }
  yield* stopAtError(parser.end());
}

/** A text that is no YAML may hold nothing but errors, millions of them; the first is enough. */
function* stopAtError(tokens: ReturnType<Parser['parse']>): ReturnType<Parser['parse']> {
  for (const token of tokens) {
    if (token.type === 'error') throw new Stop(syntax(token.message, '', token.offset));
    yield token;
  }
}

function readDocument(lines: Lines, document: Document.Parsed): ParsedText | undefined {
  const places = new Places(lines, document.contents?.range[0] ?? document.range[0]);
  const [error] = document.errors;
  if (error !== undefined) {
    const exhausted = error.code === 'RESOURCE_EXHAUSTION';
    const fault = exhausted ? tooComplex('nested too deep', error.pos[0]) : syntax(error.message, adviceFor(error.code), error.pos[0]);
    return { value: null, places, faults: [fault] };
  }
  if (document.contents === null || isNothing(document.contents)) return undefined;
  const reader = new TreeReader(places);
  try {
    return { value: reader.read(document.contents, []), places, faults: reader.faults };
  } catch (stopped) {
    return { value: null, places, faults: [...reader.faults, faultOf(stopped)] };
  }
}

/** A document of comments only. */
function isNothing(node: ParsedNode): boolean {
  return isScalar(node) && node.type === 'PLAIN' && (node.source ?? '') === '';
}

function adviceFor(code: string): string {
  if (code === 'TAB_AS_INDENT') return 'indent with spaces';
  if (code === 'BAD_INDENT' || code === 'BLOCK_AS_IMPLICIT_KEY') return 'check the indentation, and quote values that hold ": "';
  if (code === 'MISSING_CHAR') return 'close the quote or bracket';
  return '';
}

class TreeReader {
  readonly faults: TextFault[] = [];
  readonly #places: Places;
  readonly #anchors = new Map<string, ParsedNode>();
  /** Nodes that are being read: an alias to one of them would never end. */
  readonly #open = new Set<ParsedNode>();
  #aliased = 0;
  #inAlias = 0;

  constructor(places: Places) {
    this.#places = places;
  }

  read(node: ParsedNode, steps: Steps): JsonValue {
    const offset = node.range[0];
    if (steps.length > MAX_DEPTH) throw new Stop(tooComplex(`nested deeper than ${MAX_DEPTH} levels`, offset));
    if (this.#inAlias > 0 && ++this.#aliased > MAX_ALIASED) {
      throw new Stop(tooComplex(`aliases blow the document up to more than ${MAX_ALIASED} values`, offset));
    }
    if (isAlias(node)) return this.#alias(node.source, offset, steps);
    if (node.anchor !== undefined) this.#anchors.set(node.anchor, node);
    if (isScalar(node)) return this.#scalar(node, steps);
    if (node.tag !== undefined && node.tag !== `${TAG}map` && node.tag !== `${TAG}seq`) this.#badTag(node.tag, offset, steps);
    this.#open.add(node);
    try {
      if (isMap(node)) return this.#map(node, steps);
      if (isSeq(node)) return this.#list(node.items, steps);
      return null;
    } finally {
      this.#open.delete(node);
    }
  }

  #alias(name: string, offset: number, steps: Steps): JsonValue {
    const target = this.#anchors.get(name);
    if (target === undefined)
      throw new Stop(syntax(`alias *${name} has no anchor before it`, `write &${name} at the value that is meant`, offset));
    if (this.#open.has(target)) throw new Stop(tooComplex(`alias *${name} stands inside its own anchor`, offset));
    this.#inAlias++;
    try {
      return this.read(target, steps);
    } finally {
      this.#inAlias--;
    }
  }

  #list(items: readonly ParsedNode[], steps: Steps): JsonValue[] {
    const list: JsonValue[] = [];
    for (const [index, item] of items.entries()) {
      this.#places.note(list, index, item.range[0]);
      list.push(this.read(item, [...steps, index]));
    }
    return list;
  }

  #map(map: YAMLMap.Parsed, steps: Steps): JsonObject {
    const object: JsonObject = {};
    const merges: { readonly value: ParsedNode; readonly offset: number }[] = [];
    for (const { key, value } of map.items) {
      const offset = key.range[0];
      if (isScalar(key) && key.type === 'PLAIN' && key.source === '<<' && value !== null) {
        merges.push({ value, offset });
        continue;
      }
      const name = this.#key(key);
      const own = [...steps, name];
      const content = value === null ? null : this.read(value, own);
      if (name === '__proto__') this.faults.push(reservedKey(own, offset));
      else if (Object.hasOwn(object, name)) this.faults.push(duplicateKey(own, offset));
      else {
        object[name] = content;
        this.#places.note(object, name, offset);
      }
    }
    // What the map says itself goes before what it merges, and what is merged first before what comes later.
    for (const { value, offset } of merges) this.#merge(object, this.read(value, steps), offset);
    return object;
  }

  #merge(object: JsonObject, merged: JsonValue, offset: number): void {
    const sources = Array.isArray(merged) ? merged : [merged];
    for (const source of sources) {
      if (!isObject(source))
        throw new Stop(syntax('the merge key << needs a map or a list of maps', 'quote it where the key itself is meant', offset));
      for (const [name, value] of Object.entries(source)) {
        if (Object.hasOwn(object, name)) continue;
        object[name] = value;
        this.#places.note(object, name, offset);
      }
    }
  }

  #key(key: ParsedNode): string {
    const offset = key.range[0];
    if (isAlias(key)) {
      const target = this.#anchors.get(key.source);
      if (target !== undefined && isScalar(target)) return this.#key(target);
    }
    if (!isScalar(key)) throw new Stop(syntax('a key must be text', 'lists and maps cannot be keys here', offset));
    if (key.anchor !== undefined) this.#anchors.set(key.anchor, key);
    const text = key.type === 'PLAIN' ? (key.source ?? '') : String(key.value);
    if (text === '' && key.type === 'PLAIN') throw new Stop(syntax('a key is empty', 'write "" where an empty key is meant', offset));
    return text;
  }

  #scalar(node: ParsedNode & { readonly value: unknown; readonly source?: string; readonly type?: string }, steps: Steps): JsonValue {
    const tag = node.tag;
    const text = typeof node.value === 'string' ? node.value : (node.source ?? '');
    if (tag === '!' || tag === `${TAG}str`) return text;
    if (tag === undefined && node.type !== 'PLAIN') return text;
    // The parsed value, not the source: a plain scalar over several lines is folded in it.
    const value = plainScalar(text);
    if (value === NOT_FINITE) {
      this.faults.push(notFinite(steps, node.range[0], text));
      return null;
    }
    if (tag !== undefined && !fitsTag(tag, value)) this.#badTag(tag, node.range[0], steps);
    return value;
  }

  #badTag(tag: string, offset: number, steps: Steps): void {
    const name = tag.startsWith(TAG) ? `!!${tag.slice(TAG.length)}` : tag;
    const message = `the YAML tag ${name} cannot be used for this value`;
    this.faults.push({ code: 'invalid_value', message, advice: 'leave the tag out', offset, steps });
  }
}

function fitsTag(tag: string, value: JsonValue): boolean {
  switch (tag) {
    case `${TAG}int`:
      return Number.isInteger(value);
    case `${TAG}float`:
      return typeof value === 'number';
    case `${TAG}bool`:
      return typeof value === 'boolean';
    case `${TAG}null`:
      return value === null;
    default:
      return false;
  }
}

function syntax(message: string, advice: string, offset: number): TextFault {
  return { code: 'syntax', message, advice, offset, steps: [] };
}

function tooComplex(message: string, offset: number): TextFault {
  return { code: 'too_complex', message, advice: 'this is not a manifest that anybody wrote', offset, steps: [] };
}
