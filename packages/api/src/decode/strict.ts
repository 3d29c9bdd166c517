// Holds a JSON tree against the schema of its kind: unknown fields, wrong types, impossible values. Makes a tree in the one form
// that objects have (times in UTC, bare numbers of quantities as text, nulls gone). Which values are sensible is validation's job.
import type { FieldSchema, MessageSchema } from '../schema/model.js';
import { nearest } from '../schema/nearest.js';
import { pathsTo } from '../schema/paths.js';
import { MAX_PROBLEMS } from './problems.js';
import { canonicalMicroTime, canonicalTime } from './times.js';
import { isObject, type JsonObject, type JsonValue, MAX_DEPTH, nameOfType, pathText, type Steps } from './tree.js';

/** A problem without its place in the text. */
export type Fault = {
  readonly steps: Steps;
  readonly message: string;
  readonly advice: string;
} & (
  | { readonly code: 'unknown_field'; readonly suggestion?: string }
  | { readonly code: 'wrong_type'; readonly expected: string }
  | { readonly code: 'invalid_value' | 'reserved_key' | 'too_complex' }
);

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const INT32 = 2 ** 31;

/** The tree in the form that fromJSON takes. Anything wrong is added to faults, and the tree is then of no use. */
export function strictTree(schema: MessageSchema, tree: JsonValue, faults: Fault[]): JsonValue {
  return new StrictReader(schema, faults).message(schema, tree, []);
}

class StrictReader {
  readonly #root: MessageSchema;
  readonly #faults: Fault[];

  constructor(root: MessageSchema, faults: Fault[]) {
    this.#root = root;
    this.#faults = faults;
  }

  message(schema: MessageSchema, value: JsonValue, steps: Steps): JsonValue {
    if (!isObject(value)) return this.#wrongType('an object', value, steps);
    const result: JsonObject = {};
    for (const [name, content] of Object.entries(value)) {
      // Enough is wrong to be told; looking for suggestions takes time.
      if (this.#faults.length > MAX_PROBLEMS) break;
      const own = [...steps, name];
      const field = schema.fields.get(name);
      if (field === undefined) this.#unknown(schema, name, own);
      // null means: not given, as in Kubernetes.
      else if (content !== null && content !== undefined) result[name] = this.#field(field, content, own);
    }
    return result;
  }

  #field(field: FieldSchema, value: JsonValue, steps: Steps): JsonValue {
    if (steps.length > MAX_DEPTH) return this.#tooDeep(steps);
    if (field.shape === 'list') {
      if (!Array.isArray(value)) return this.#wrongType('a list', value, steps, isObject(value) ? 'put "- " before each element' : '');
      return value.map((element, index) => this.#one(field, element, [...steps, index]));
    }
    if (field.shape === 'map') {
      if (!isObject(value)) return this.#wrongType('an object', value, steps);
      const result: JsonObject = {};
      for (const [key, content] of Object.entries(value)) {
        if (this.#faults.length > MAX_PROBLEMS) break;
        const own = [...steps, key];
        if (key === '__proto__') this.#reserved(own);
        // `key:` without a value is an empty text in maps of texts, as in Kubernetes.
        else if (content === null && (field.type === 'string' || field.type === 'bytes') && field.format === undefined) result[key] = '';
        else result[key] = this.#one(field, content, own);
      }
      return result;
    }
    return this.#one(field, value, steps);
  }

  #one(field: FieldSchema, value: JsonValue, steps: Steps): JsonValue {
    switch (field.type) {
      case 'string':
        return this.#string(field, value, steps);
      case 'boolean':
        if (typeof value === 'boolean') return value;
        return this.#wrongType('a boolean', value, steps, typeof value === 'string' ? 'write true or false, without quotes' : '');
      case 'int32':
      case 'uint32':
      case 'int64':
        return this.#integer(field.type, value, steps);
      case 'double':
        return typeof value === 'number' ? value : this.#wrongType('a number', value, steps);
      case 'bytes':
        return this.#bytes(value, steps);
      case 'time':
        return this.#time(value, steps, canonicalTime, 'such as 2026-01-31T12:00:00Z');
      case 'enum':
        if (typeof value === 'string' && field.values.includes(value)) return value;
        return this.#invalid(`${pathText(steps)}: must be one of ${field.values.join(', ')}`, '', steps);
      case 'object':
        return isObject(value) ? this.#free(value, steps) : this.#wrongType('an object', value, steps);
      case 'any':
        return field.format === 'int-or-string' ? this.#intOrString(value, steps) : this.#free(value, steps);
      case 'message':
        return field.message === undefined ? value : this.message(field.message, value, steps);
    }
  }

  #string(field: FieldSchema, value: JsonValue, steps: Steps): JsonValue {
    if (field.format === 'micro-time') return this.#time(value, steps, canonicalMicroTime, 'such as 2026-01-31T12:00:00.000000Z');
    if (typeof value === 'string') return value;
    if (field.format === 'quantity' && typeof value === 'number') {
      if (!Number.isInteger(value) || Number.isSafeInteger(value)) return String(value);
      return this.#invalid(`${pathText(steps)}: ${value} is too large for a number`, 'put it in quotes, or use a unit as in 5Gi', steps);
    }
    const quotable = typeof value === 'number' || typeof value === 'boolean';
    return this.#wrongType('a string', value, steps, quotable ? `put it in quotes: "${value}"` : '');
  }

  #integer(type: 'int32' | 'uint32' | 'int64', value: JsonValue, steps: Steps): JsonValue {
    if (typeof value !== 'number') {
      return this.#wrongType(
        'a whole number',
        value,
        steps,
        typeof value === 'string' && /^-?[0-9]+$/.test(value) ? 'remove the quotes' : '',
      );
    }
    if (!Number.isInteger(value)) return this.#invalid(`${pathText(steps)}: ${value} is not a whole number`, '', steps);
    const fits =
      type === 'int64'
        ? Number.isSafeInteger(value)
        : type === 'uint32'
          ? value >= 0 && value < 2 * INT32
          : value >= -INT32 && value < INT32;
    if (fits) return value === 0 ? 0 : value;
    return this.#invalid(
      `${pathText(steps)}: ${value} does not fit into ${type === 'int64' ? 'the 53 bits that are kept' : '32 bits'}`,
      '',
      steps,
    );
  }

  #intOrString(value: JsonValue, steps: Steps): JsonValue {
    if (typeof value === 'string') return value;
    return typeof value === 'number' ? this.#integer('int32', value, steps) : this.#wrongType('a whole number or a string', value, steps);
  }

  #bytes(value: JsonValue, steps: Steps): JsonValue {
    if (typeof value !== 'string') return this.#wrongType('base64 text', value, steps);
    const text = value.replaceAll(/[\r\n]/g, '');
    if (BASE64.test(text)) return text;
    const advice = this.#root.name === 'Secret' ? 'encode it, or write it as it is under stringData' : 'encode it';
    return this.#invalid(`${pathText(steps)}: not base64`, advice, steps);
  }

  #time(value: JsonValue, steps: Steps, read: (text: string) => string | undefined, example: string): JsonValue {
    if (typeof value !== 'string') return this.#wrongType('a time', value, steps, example);
    return read(value) ?? this.#invalid(`${pathText(steps)}: "${shown(value)}" is not a time in RFC 3339`, example, steps);
  }

  /** A value of no fixed form, copied. */
  #free(value: JsonValue, steps: Steps): JsonValue {
    if (steps.length > MAX_DEPTH) return this.#tooDeep(steps);
    if (Array.isArray(value)) return value.map((element, index) => this.#free(element, [...steps, index]));
    if (!isObject(value)) {
      if (typeof value === 'number' && !Number.isFinite(value))
        return this.#invalid(`${pathText(steps)}: not a number that JSON can hold`, '', steps);
      return value ?? null;
    }
    const result: JsonObject = {};
    for (const [key, content] of Object.entries(value)) {
      const own = [...steps, key];
      if (key === '__proto__') this.#reserved(own);
      else result[key] = this.#free(content, own);
    }
    return result;
  }

  #unknown(schema: MessageSchema, name: string, steps: Steps): void {
    if (name === '__proto__') {
      this.#reserved(steps);
      return;
    }
    const suggestion = nearest(name, schema.fields.keys());
    const [elsewhere] = suggestion === undefined ? pathsTo(this.#root, name) : [];
    const advice = suggestion !== undefined ? `did you mean "${suggestion}"?` : elsewhere !== undefined ? `it belongs at ${elsewhere}` : '';
    const message = `unknown field "${shown(pathText(steps))}"`;
    this.#faults.push({ code: 'unknown_field', steps, message, advice, ...(suggestion === undefined ? {} : { suggestion }) });
  }

  #wrongType(expected: string, value: JsonValue, steps: Steps, advice = ''): null {
    const path = pathText(steps);
    const message = `${path === '' ? '' : `${path}: `}expected ${expected}, got ${nameOfType(value)}`;
    this.#faults.push({ code: 'wrong_type', steps, message, advice, expected });
    return null;
  }

  #invalid(message: string, advice: string, steps: Steps): null {
    this.#faults.push({ code: 'invalid_value', steps, message, advice });
    return null;
  }

  #reserved(steps: Steps): void {
    this.#faults.push({ code: 'reserved_key', steps, message: reservedMessage(steps), advice: 'use another name' });
  }

  #tooDeep(steps: Steps): null {
    this.#faults.push({ code: 'too_complex', steps, message: `nested deeper than ${MAX_DEPTH} levels`, advice: '' });
    return null;
  }
}

export function reservedMessage(steps: Steps): string {
  return `${pathText(steps.slice(0, -1)) || 'the object'}: "${String(steps.at(-1))}" cannot be a key`;
}

/** Long texts of others are cut in messages. */
export function shown(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 200)}...`;
}
