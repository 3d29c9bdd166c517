// JSONPath as kubectl takes it: {.items[*].metadata.name}, filters, ranges, quoted text. Reads JSON trees and prints text. Which commands
// take it is their business. Not here: regular expressions, arithmetic.
import { isObject, type JsonValue } from '@podplane/api/decode/tree';
import { usage } from '../exit-codes.js';

type Operator = '==' | '!=' | '<' | '<=' | '>' | '>=';

type Step =
  | { readonly step: 'field'; readonly name: string }
  | { readonly step: 'all' }
  | { readonly step: 'deep' } // everything below, for the field that follows
  | { readonly step: 'indexes'; readonly from: number | undefined; readonly to: number | undefined; readonly by: number }
  | { readonly step: 'union'; readonly members: readonly (readonly Step[])[] }
  | { readonly step: 'filter'; readonly left: Operand; readonly operator: Operator | undefined; readonly right: Operand | undefined };

type Operand = { readonly path: readonly Step[] } | { readonly value: JsonValue };

type Part =
  | { readonly part: 'text'; readonly text: string }
  | { readonly part: 'path'; readonly steps: readonly Step[]; readonly fromRoot: boolean }
  | { readonly part: 'range'; readonly steps: readonly Step[]; readonly fromRoot: boolean; readonly body: readonly Part[] };

/** A template that was understood. */
export class JsonPath {
  readonly #parts: readonly Part[];

  /** Throws a usage error with the place where it is not understood. */
  constructor(template: string) {
    const reader = new Reader(template);
    this.#parts = reader.parts(false);
  }

  /** Values that the first path of the template finds; empty where it finds nothing. */
  values(root: JsonValue): readonly JsonValue[] {
    const path = this.#parts.find((part) => part.part === 'path');
    return path === undefined ? [] : find(path.steps, root);
  }

  /** What is printed for a tree: values of one path separated by spaces. */
  text(root: JsonValue): string {
    return render(this.#parts, root, root);
  }
}

/** A path that may come without its braces and first dot, as in --sort-by or columns. */
export function relaxedPath(text: string): JsonPath {
  const bare = /^\{[^]*\}$/.test(text) ? text.slice(1, -1) : text;
  return new JsonPath(`{${/^[.[$]/.test(bare) ? bare : `.${bare}`}}`);
}

function render(parts: readonly Part[], root: JsonValue, current: JsonValue): string {
  let text = '';
  for (const part of parts) {
    if (part.part === 'text') text += part.text;
    else {
      const found = find(part.steps, part.fromRoot ? root : current);
      text += part.part === 'path' ? found.map(valueText).join(' ') : found.map((value) => render(part.body, root, value)).join('');
    }
  }
  return text;
}

/** Plain values as they are, others as JSON. */
export function valueText(value: JsonValue): string {
  return typeof value === 'string' ? value : value === null ? '' : JSON.stringify(value);
}

function find(steps: readonly Step[], start: JsonValue): readonly JsonValue[] {
  let found: readonly JsonValue[] = [start];
  for (const step of steps) found = found.flatMap((value) => next(step, value));
  return found;
}

const children = (value: JsonValue): readonly JsonValue[] => (Array.isArray(value) ? value : isObject(value) ? Object.values(value) : []);

function everything(value: JsonValue): readonly JsonValue[] {
  return [value, ...children(value).flatMap(everything)];
}

function next(step: Step, value: JsonValue): readonly JsonValue[] {
  switch (step.step) {
    case 'field': {
      const found = isObject(value) && Object.hasOwn(value, step.name) ? value[step.name] : undefined;
      return found === undefined ? [] : [found];
    }
    case 'all':
      return children(value);
    case 'deep':
      return everything(value);
    case 'indexes': {
      if (!Array.isArray(value)) return [];
      const place = (at: number): number => Math.min(value.length, Math.max(0, at < 0 ? value.length + at : at));
      const [from, to] = [place(step.from ?? 0), place(step.to ?? value.length)];
      return value.slice(from, to).filter((_one, i) => i % step.by === 0);
    }
    case 'union':
      return step.members.flatMap((member) => find(member, value));
    case 'filter':
      return children(value).filter((one) => holds(step, one));
  }
}

function holds({ left, operator, right }: Extract<Step, { step: 'filter' }>, value: JsonValue): boolean {
  const of = (operand: Operand): readonly JsonValue[] => ('path' in operand ? find(operand.path, value) : [operand.value]);
  const a = of(left);
  if (operator === undefined || right === undefined) return a.length > 0;
  const [one, other] = [a[0], of(right)[0]];
  if (one === undefined || other === undefined) return false;
  if (operator === '==' || operator === '!=') return (valueText(one) === valueText(other)) === (operator === '==');
  const order =
    typeof one === 'number' && typeof other === 'number' ? one - other : valueText(one) < valueText(other) ? -1 : Number(one !== other);
  if (operator === '<') return order < 0;
  if (operator === '<=') return order <= 0;
  return operator === '>' ? order > 0 : order >= 0;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

/** Reads a template from its beginning to its end. */
class Reader {
  #at = 0;

  constructor(private readonly template: string) {}

  #fail(what: string): never {
    throw usage(
      `jsonpath "${this.template}": ${what} at character ${this.#at + 1}`,
      "For example: -o jsonpath='{.items[*].metadata.name}'",
    );
  }

  #take(text: string): boolean {
    if (!this.template.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    const sticky = new RegExp(pattern.source, 'y');
    sticky.lastIndex = this.#at;
    const found = sticky.exec(this.template)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #expect(text: string): void {
    if (!this.#take(text)) this.#fail(`expected "${text}"`);
  }

  #space(): void {
    this.#match(/\s*/);
  }

  parts(inRange: boolean): readonly Part[] {
    const parts: Part[] = [];
    for (;;) {
      const text = this.#match(/[^{]+/);
      if (text !== undefined) parts.push({ part: 'text', text });
      if (this.#at >= this.template.length) {
        if (inRange) this.#fail('{range} without {end}');
        return parts;
      }
      this.#expect('{');
      this.#space();
      if (this.#match(/end\s*\}/) !== undefined) {
        if (!inRange) this.#fail('{end} without {range}');
        return parts;
      }
      parts.push(...this.#braces());
    }
  }

  /** What is in one pair of braces, behind the first. */
  #braces(): readonly Part[] {
    if (this.#match(/range\s+/) !== undefined) {
      const { steps, fromRoot } = this.#path();
      this.#space();
      this.#expect('}');
      return [{ part: 'range', steps, fromRoot, body: this.parts(true) }];
    }
    const parts: Part[] = [];
    for (;;) {
      this.#space();
      if (this.#take('}')) return parts;
      const quoted = this.#quoted();
      if (quoted !== undefined) parts.push({ part: 'text', text: quoted });
      else parts.push({ part: 'path', ...this.#path() });
    }
  }

  #quoted(): string | undefined {
    const found = this.#match(/"(?:[^"\\]|\\[^])*"|'(?:[^'\\]|\\[^])*'/);
    return found?.slice(1, -1).replaceAll(/\\([^])/g, (_all, letter: string) => ESCAPES[letter] ?? letter);
  }

  /** From the root ($), from where a range is (@, . or nothing). */
  #path(): { readonly steps: readonly Step[]; readonly fromRoot: boolean } {
    const start = this.#at;
    const fromRoot = this.#take('$');
    if (!fromRoot) this.#take('@');
    const steps: Step[] = [];
    for (;;) {
      if (this.#take('..')) {
        steps.push({ step: 'deep' });
        if (!this.template.startsWith('[', this.#at)) steps.push(this.#name());
      } else if (this.#take('.')) {
        if (this.template.startsWith('[', this.#at) || this.#match(/(?=[\s}])/) !== undefined) continue; // {.} and {.[0]}
        steps.push(this.#name());
      } else if (this.#take('[')) steps.push(this.#brackets());
      else break;
    }
    if (this.#at === start) this.#fail('expected a path');
    return { steps, fromRoot };
  }

  #name(): Step {
    if (this.#take('*')) return { step: 'all' };
    const found = this.#match(/(?:\\[^]|[^\s.[\]{}()'"\\,|=!<>])+/);
    if (found === undefined) this.#fail('expected the name of a field');
    return { step: 'field', name: found.replaceAll(/\\([^])/g, '$1') };
  }

  #brackets(): Step {
    if (this.#take('?(')) return this.#filter();
    const members: Step[] = [];
    do {
      this.#space();
      members.push(this.#member());
      this.#space();
    } while (this.#take(','));
    this.#expect(']');
    const [only, ...more] = members;
    return only !== undefined && more.length === 0 ? only : { step: 'union', members: members.map((member) => [member]) };
  }

  #member(): Step {
    if (this.#take('*')) return { step: 'all' };
    const name = this.#quoted();
    if (name !== undefined) return { step: 'field', name };
    const from = this.#match(/-?\d+/);
    if (!this.#take(':')) {
      if (from === undefined) this.#fail('expected a position, a name in quotes or *');
      const at = Number(from);
      return { step: 'indexes', from: at, to: at === -1 ? undefined : at + 1, by: 1 };
    }
    const to = this.#match(/-?\d+/);
    const by = this.#take(':') ? this.#match(/\d+/) : undefined;
    if (by !== undefined && Number(by) === 0) this.#fail('a step must be more than 0');
    const number = (text: string | undefined): number | undefined => (text === undefined ? undefined : Number(text));
    return { step: 'indexes', from: number(from), to: number(to), by: number(by) ?? 1 };
  }

  #filter(): Step {
    this.#space();
    const left = this.#operand();
    this.#space();
    const operator = this.#match(/==|!=|<=|>=|<|>/) as Operator | undefined;
    this.#space();
    const right = operator === undefined ? undefined : this.#operand();
    this.#space();
    this.#expect(')');
    this.#expect(']');
    return { step: 'filter', left, operator, right };
  }

  #operand(): Operand {
    const quoted = this.#quoted();
    if (quoted !== undefined) return { value: quoted };
    const plain = this.#match(/-?\d+(?:\.\d+)?|true|false/);
    if (plain !== undefined) return { value: JSON.parse(plain) as JsonValue };
    return { path: this.#path().steps };
  }
}
