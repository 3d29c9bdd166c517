// JSON text to a tree with places. Unlike JSON.parse it knows where things stand, sees duplicate keys, and gives up at a depth.
import { type JsonObject, type JsonValue, Lines, MAX_DEPTH, Places, type Steps } from './tree.js';

/** Something wrong in the text itself, before anybody asks what it means. */
export interface TextFault {
  readonly code: 'syntax' | 'too_complex' | 'duplicate_key' | 'reserved_key' | 'invalid_value';
  readonly message: string;
  readonly advice: string;
  readonly offset: number;
  /** For duplicate_key, reserved_key and invalid_value. */
  readonly steps: Steps;
}

export interface ParsedText {
  readonly value: JsonValue;
  readonly places: Places;
  /** Where any is `syntax` or `too_complex`, the value is of no use. */
  readonly faults: readonly TextFault[];
}

class Stop extends Error {
  readonly fault: TextFault;
  constructor(fault: TextFault) {
    super(fault.message);
    this.fault = fault;
  }
}

/**
 * All JSON values of a text, one after the other with or without space between. Never throws: what is wrong is in `faults`,
 * and nothing is read after a syntax error.
 */
export function parseJsonTexts(text: string): ParsedText[] {
  const results: ParsedText[] = [];
  const lines = new Lines(text);
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  for (at = skipSpace(text, at); at < text.length; at = skipSpace(text, at)) {
    const parser = new JsonParser(text, lines, at);
    try {
      results.push({ value: parser.value([]), places: parser.places, faults: parser.faults });
      at = parser.at;
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      results.push({ value: null, places: parser.places, faults: [...parser.faults, error.fault] });
      break;
    }
  }
  return results;
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
// Without escapes and control characters: taken as it stands.
const PLAIN_STRING = /"[^"\\\p{Cc}]*"/uy;
const SPACE = /[ \t\r\n]*/y;
const WORDS: readonly (readonly [string, JsonValue])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
];

class JsonParser {
  readonly places: Places;
  readonly faults: TextFault[] = [];
  readonly #text: string;
  #at: number;

  constructor(text: string, lines: Lines, start: number) {
    this.#text = text;
    this.#at = start;
    this.places = new Places(lines, start);
  }

  /** Where the value that was read has ended. */
  get at(): number {
    return this.#at;
  }

  value(steps: Steps): JsonValue {
    if (steps.length > MAX_DEPTH) this.#stop(`nested deeper than ${MAX_DEPTH} levels`, 'too_complex');
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(steps);
      case '[':
        return this.#array(steps);
      case '"':
        return this.#string();
      case undefined:
        return this.#stop('the text ends in the middle of a JSON value');
      default:
        return this.#scalar(steps);
    }
  }

  #object(steps: Steps): JsonObject {
    const object: JsonObject = {};
    this.#at++;
    this.#space();
    if (this.#text[this.#at] === '}') {
      this.#at++;
      return object;
    }
    for (;;) {
      const offset = this.#at;
      if (this.#text[offset] !== '"') this.#stop('expected a key in double quotes');
      const key = this.#string();
      this.#space();
      if (this.#text[this.#at] !== ':') this.#stop(`expected ":" after the key "${key}"`);
      this.#at++;
      this.#space();
      const own = [...steps, key];
      const value = this.value(own);
      if (key === '__proto__') this.faults.push(reservedKey(own, offset));
      else if (Object.hasOwn(object, key)) this.faults.push(duplicateKey(own, offset));
      else {
        object[key] = value;
        this.places.note(object, key, offset);
      }
      if (!this.#more('}')) return object;
    }
  }

  #array(steps: Steps): JsonValue[] {
    const array: JsonValue[] = [];
    this.#at++;
    this.#space();
    if (this.#text[this.#at] === ']') {
      this.#at++;
      return array;
    }
    for (;;) {
      this.places.note(array, array.length, this.#at);
      array.push(this.value([...steps, array.length]));
      if (!this.#more(']')) return array;
    }
  }

  /** After an element: true where another follows, false at the end. */
  #more(end: '}' | ']'): boolean {
    this.#space();
    const found = this.#text[this.#at];
    if (found !== ',' && found !== end) this.#stop(`expected "," or "${end}"`);
    this.#at++;
    this.#space();
    return found === ',';
  }

  #string(): string {
    const start = this.#at;
    PLAIN_STRING.lastIndex = start;
    if (PLAIN_STRING.test(this.#text)) {
      this.#at = PLAIN_STRING.lastIndex;
      return this.#text.slice(start + 1, this.#at - 1);
    }
    let end = start + 1;
    for (let c = this.#text[end]; c !== '"'; c = this.#text[end]) {
      if (c === undefined) this.#stop('a string is not closed');
      end += c === '\\' ? 2 : 1;
    }
    this.#at = end + 1;
    try {
      // The engine's own rules for escapes.
      return String(JSON.parse(this.#text.slice(start, this.#at)));
    } catch {
      this.#at = start;
      return this.#stop('a string holds a bad escape or a raw control character');
    }
  }

  #scalar(steps: Steps): JsonValue {
    for (const [word, value] of WORDS) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    NUMBER.lastIndex = this.#at;
    const found = NUMBER.exec(this.#text)?.[0];
    if (found === undefined) this.#stop('expected a JSON value');
    const number = Number(found);
    if (!Number.isFinite(number)) this.faults.push(notFinite(steps, this.#at, found));
    this.#at = NUMBER.lastIndex;
    return Number.isFinite(number) ? number : null;
  }

  #space(): void {
    this.#at = skipSpace(this.#text, this.#at);
  }

  #stop(message: string, code: 'syntax' | 'too_complex' = 'syntax'): never {
    throw new Stop({ code, message, advice: '', offset: Math.min(this.#at, this.#text.length), steps: [] });
  }
}

function skipSpace(text: string, from: number): number {
  SPACE.lastIndex = from;
  SPACE.test(text);
  return SPACE.lastIndex;
}

export function duplicateKey(steps: Steps, offset: number): TextFault {
  return { code: 'duplicate_key', message: '', advice: 'keep one of them', offset, steps };
}

export function reservedKey(steps: Steps, offset: number): TextFault {
  return { code: 'reserved_key', message: '', advice: 'use another name', offset, steps };
}

export function notFinite(steps: Steps, offset: number, written: string): TextFault {
  const message = `${written} is not a number that JSON can hold`;
  return { code: 'invalid_value', message, advice: 'put it in quotes where text is meant', offset, steps };
}
