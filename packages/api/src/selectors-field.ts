// Field selectors: "status.phase!=Running,spec.nodeName=n1". Parsing, printing, compiling. Which fields a kind has is in kinds/.
import { SelectorError } from './selectors.js';

/** One condition on one field. */
export interface FieldRequirement {
  readonly field: string;
  readonly operator: '=' | '!=';
  readonly value: string;
}

const LONGEST = 64 * 1024;

/** Splits at commas that no backslash protects; with the place where each part begins. */
function partsOf(text: string): { readonly part: string; readonly at: number }[] {
  const out: { part: string; at: number }[] = [];
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    if (text[i] === '\\') {
      i++;
    } else if (i >= text.length || text[i] === ',') {
      if (i > start) out.push({ part: text.slice(start, i), at: start });
      start = i + 1;
    }
  }
  if (start < text.length) out.push({ part: text.slice(start), at: start });
  return out;
}

function unescape(value: string, selector: string, at: number): string {
  let out = '';
  for (let i = 0; i < value.length; i++) {
    const char = value[i] ?? '';
    if (char === '\\') {
      const next = value[++i];
      if (next !== '\\' && next !== ',' && next !== '=') {
        throw new SelectorError(`invalid field selector: invalid escape sequence in value ${JSON.stringify(value)}`, selector, at + i);
      }
      out += next;
    } else if (char === '=') {
      throw new SelectorError(`invalid field selector: unescaped character in value ${JSON.stringify(value)}: "="`, selector, at + i);
    } else {
      out += char;
    }
  }
  return out;
}

/** Reads "a=b,c!=d". "" selects everything. Throws SelectorError. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  if (text.length > LONGEST) throw new SelectorError(`selector is longer than ${LONGEST} characters`, `${text.slice(0, 50)}...`, LONGEST);
  return partsOf(text).map(({ part, at }) => {
    const match = /^([^=!\\]*)(!=|==|=)/.exec(part);
    if (match === null) {
      throw new SelectorError(
        `invalid selector: '${part}'; can't understand '${part}': expected field=value, field==value or field!=value`,
        text,
        at,
      );
    }
    const field = (match[1] ?? '').trim();
    if (field === '') throw new SelectorError(`invalid selector: '${part}': no field before the operator`, text, at);
    const value = unescape(part.slice(match[0].length), text, at + match[0].length);
    return { field, operator: match[2] === '!=' ? '!=' : '=', value };
  });
}

function escape(value: string): string {
  return value.replace(/[\\,=]/g, (char) => `\\${char}`);
}

/** Text of requirements, which parses to the same. */
export function fieldRequirementsText(requirements: readonly FieldRequirement[]): string {
  return requirements.map(({ field, operator, value }) => `${field}${operator}${escape(value)}`).join(',');
}

/** Reads one field of an object as text. */
export type FieldReader<T> = (object: T) => string;

/**
 * Requirements as a function. readers: the fields that may be asked for. Throws SelectorError where a field is not among them.
 */
export function compileFieldSelector<T>(
  requirements: readonly FieldRequirement[],
  readers: Readonly<Record<string, FieldReader<T>>>,
): (object: T) => boolean {
  const checks = requirements.map(({ field, operator, value }) => {
    const reader = Object.hasOwn(readers, field) ? readers[field] : undefined;
    if (reader === undefined) {
      const known = Object.keys(readers).join(', ');
      throw new SelectorError(`field label not supported: ${field}; supported: ${known}`, fieldRequirementsText(requirements), 0);
    }
    const wanted = operator === '=';
    return (object: T): boolean => (reader(object) === value) === wanted;
  });
  if (checks.length === 0) return () => true;
  return (object) => checks.every((one) => one(object));
}
