// Selectors: by labels (text as on the command line, and the messages LabelSelector and NodeSelector) and by fields (text).
// Parsing, printing, and compiling to functions. Which fields a kind has is in kinds/; faults inside manifests are found by
// kinds/selector-validation.ts.
import type { NodeSelector, NodeSelectorRequirement, NodeSelectorTerm } from './gen/podplane/core/v1/scheduling.js';
import type { LabelSelector } from './gen/podplane/meta/v1/meta.js';
import type { DeepReadonly } from './kinds/kind-map.js';
import { labelValueProblems, qualifiedNameProblems } from './names.js';

export type Labels = Readonly<Record<string, string>>;
export type LabelPredicate = (labels: Labels) => boolean;

/** A selector text that cannot be read; at is the place in it, counted in characters from 0. */
export class SelectorError extends Error {
  override readonly name = 'SelectorError';
  readonly selector: string;
  readonly at: number;
  constructor(message: string, selector: string, at: number) {
    super(`${message} (at ${at} of ${JSON.stringify(selector)})`);
    this.selector = selector;
    this.at = at;
  }
}

export type LabelOperator = 'Equals' | 'NotEquals' | 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt';

/** One condition on one label. Equals, NotEquals, Gt and Lt have one value; Exists and DoesNotExist none. */
export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  readonly values: readonly string[];
}

// -------------------------------------------------------------------------------------------------------- labels, as text

type TokenKind = 'word' | ',' | '(' | ')' | '=' | '==' | '!=' | '!' | '>' | '<' | 'end';
interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly at: number;
}

const SPECIAL = new Set(['=', '!', '(', ')', '>', '<', ',']);
const BLANK = new Set([' ', '\t', '\r', '\n']);

function tokensOf(text: string): Token[] {
  const out: Token[] = [];
  let i = 0;
  while (i < text.length) {
    const char = text[i] ?? '';
    const two = text.slice(i, i + 2);
    if (BLANK.has(char)) {
      i++;
    } else if (two === '==' || two === '!=') {
      out.push({ kind: two, text: two, at: i });
      i += 2;
    } else if (SPECIAL.has(char)) {
      out.push({ kind: char as TokenKind, text: char, at: i });
      i++;
    } else {
      const start = i;
      while (i < text.length && !SPECIAL.has(text[i] ?? '') && !BLANK.has(text[i] ?? '')) i++;
      out.push({ kind: 'word', text: text.slice(start, i), at: start });
    }
  }
  out.push({ kind: 'end', text: '', at: text.length });
  return out;
}

class LabelParser {
  readonly #text: string;
  readonly #tokens: readonly Token[];
  #next = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokensOf(text);
  }

  #peek(): Token {
    return this.#tokens[this.#next] ?? { kind: 'end', text: '', at: this.#text.length };
  }

  #take(): Token {
    const token = this.#peek();
    this.#next++;
    return token;
  }

  #fail(found: Token, expected: string): never {
    const what = found.kind === 'end' ? 'end of selector' : `'${found.text}'`;
    throw new SelectorError(`unable to parse requirement: found ${what}, expected: ${expected}`, this.#text, found.at);
  }

  #check(problems: readonly string[], what: string, token: Token): void {
    if (problems.length === 0) return;
    throw new SelectorError(
      `unable to parse requirement: ${what}: Invalid value: ${JSON.stringify(token.text)}: ${problems.join('; ')}`,
      this.#text,
      token.at,
    );
  }

  all(): LabelRequirement[] {
    const out: LabelRequirement[] = [];
    if (this.#peek().kind === 'end') return out;
    for (;;) {
      out.push(this.#requirement());
      const token = this.#take();
      if (token.kind === 'end') return out;
      if (token.kind !== ',') this.#fail(token, "',' or end of selector");
    }
  }

  #key(): string {
    const token = this.#take();
    if (token.kind !== 'word') this.#fail(token, 'a label key');
    this.#check(qualifiedNameProblems(token.text), 'key', token);
    return token.text;
  }

  #requirement(): LabelRequirement {
    if (this.#peek().kind === '!') {
      this.#take();
      return { key: this.#key(), operator: 'DoesNotExist', values: [] };
    }
    const key = this.#key();
    const token = this.#peek();
    switch (token.kind) {
      case ',':
      case 'end':
        return { key, operator: 'Exists', values: [] };
      case '=':
      case '==':
        this.#take();
        return { key, operator: 'Equals', values: [this.#value()] };
      case '!=':
        this.#take();
        return { key, operator: 'NotEquals', values: [this.#value()] };
      case '>':
      case '<':
        this.#take();
        return { key, operator: token.kind === '>' ? 'Gt' : 'Lt', values: [this.#integer()] };
      default:
        if (token.kind === 'word' && (token.text === 'in' || token.text === 'notin')) {
          this.#take();
          return { key, operator: token.text === 'in' ? 'In' : 'NotIn', values: this.#values() };
        }
        return this.#fail(token, "one of in, notin, =, ==, !=, >, <, ',' or end of selector");
    }
  }

  /** A value; may be empty ("a="). */
  #value(): string {
    const token = this.#peek();
    if (token.kind === ',' || token.kind === 'end' || token.kind === ')') return '';
    if (token.kind !== 'word') this.#fail(token, 'a label value');
    this.#take();
    this.#check(labelValueProblems(token.text), 'values', token);
    return token.text;
  }

  #integer(): string {
    const token = this.#peek();
    const value = this.#value();
    if (parseInteger(value) === undefined) this.#check(["for 'Gt', 'Lt' operators, the value must be an integer"], 'values', token);
    return value;
  }

  #values(): string[] {
    const open = this.#take();
    if (open.kind !== '(') this.#fail(open, "'('");
    const values = new Set<string>();
    for (;;) {
      values.add(this.#value());
      const token = this.#take();
      if (token.kind === ')') return [...values].sort();
      if (token.kind !== ',') this.#fail(token, "',' or ')'");
    }
  }
}

// Longer than any selector that a person or a program of good will sends.
const LONGEST = 64 * 1024;

/** Reads "a=b,c!=d,e in (f,g),!h". "" selects everything. Throws SelectorError. */
export function parseLabelSelector(text: string): LabelRequirement[] {
  if (text.length > LONGEST) throw new SelectorError(`selector is longer than ${LONGEST} characters`, `${text.slice(0, 50)}...`, LONGEST);
  return new LabelParser(text).all();
}

/** Text of requirements, which parses to the same. */
export function requirementsText(requirements: readonly LabelRequirement[]): string {
  return requirements.map(requirementText).join(',');
}

function requirementText({ key, operator, values }: LabelRequirement): string {
  switch (operator) {
    case 'Exists':
      return key;
    case 'DoesNotExist':
      return `!${key}`;
    case 'Equals':
      return `${key}=${values[0] ?? ''}`;
    case 'NotEquals':
      return `${key}!=${values[0] ?? ''}`;
    case 'Gt':
      return `${key}>${values[0] ?? ''}`;
    case 'Lt':
      return `${key}<${values[0] ?? ''}`;
    case 'In':
      return `${key} in (${values.join(',')})`;
    case 'NotIn':
      return `${key} notin (${values.join(',')})`;
  }
}

// -------------------------------------------------------------------------------------------------------------- compiling

function parseInteger(text: string): bigint | undefined {
  return /^[+-]?[0-9]{1,19}$/.test(text) ? BigInt(text.replace(/^\+/, '')) : undefined;
}

function compileRequirement({ key, operator, values }: LabelRequirement): LabelPredicate {
  const [first = ''] = values;
  switch (operator) {
    case 'Exists':
      return (labels) => Object.hasOwn(labels, key);
    case 'DoesNotExist':
      return (labels) => !Object.hasOwn(labels, key);
    case 'Equals':
      return (labels) => Object.hasOwn(labels, key) && labels[key] === first;
    case 'NotEquals':
      return (labels) => !Object.hasOwn(labels, key) || labels[key] !== first;
    case 'In': {
      const set = new Set(values);
      return (labels) => Object.hasOwn(labels, key) && set.has(labels[key] ?? '');
    }
    case 'NotIn': {
      const set = new Set(values);
      return (labels) => !Object.hasOwn(labels, key) || !set.has(labels[key] ?? '');
    }
    case 'Gt':
    case 'Lt': {
      const bound = parseInteger(first);
      return (labels) => {
        const value = Object.hasOwn(labels, key) ? parseInteger(labels[key] ?? '') : undefined;
        if (value === undefined || bound === undefined) return false;
        return operator === 'Gt' ? value > bound : value < bound;
      };
    }
  }
}

/** All requirements as one function; none of them: everything. */
export function compileRequirements(requirements: readonly LabelRequirement[]): LabelPredicate {
  const predicates = requirements.map(compileRequirement);
  const [only] = predicates;
  if (only === undefined) return () => true;
  if (predicates.length === 1) return only;
  return (labels) => predicates.every((one) => one(labels));
}

// ------------------------------------------------------------------------------------------------ labels, as in manifests

const MESSAGE_OPERATORS: Readonly<Record<string, LabelOperator>> = {
  In: 'In',
  NotIn: 'NotIn',
  Exists: 'Exists',
  DoesNotExist: 'DoesNotExist',
  Gt: 'Gt',
  Lt: 'Lt',
};

/** What a LabelSelector asks for; undefined where it has an operator that does not exist (validation refuses those). */
function requirementsOf(selector: DeepReadonly<LabelSelector>): LabelRequirement[] | undefined {
  const out: LabelRequirement[] = Object.entries(selector.matchLabels).map(([key, value]) => ({
    key,
    operator: 'Equals',
    values: [value],
  }));
  for (const { key, operator, values } of selector.matchExpressions) {
    const known = MESSAGE_OPERATORS[operator];
    if (known === undefined || known === 'Gt' || known === 'Lt') return undefined;
    out.push({ key, operator: known, values });
  }
  return out;
}

/** A LabelSelector as a function. None given: nothing matches; an empty one: everything does; a wrong one: nothing. */
export function compileLabelSelector(selector: DeepReadonly<LabelSelector> | undefined): LabelPredicate {
  const requirements = selector === undefined ? undefined : requirementsOf(selector);
  return requirements === undefined ? () => false : compileRequirements(requirements);
}

/** As kubectl prints it: "app=web,tier in (a,b)"; "<none>" for an empty one. */
export function labelSelectorText(selector: DeepReadonly<LabelSelector>): string {
  const requirements = (requirementsOf(selector) ?? []).toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return requirements.length === 0 ? '<none>' : requirementsText(requirements);
}

/** A plain map (Service.spec.selector, Pod.spec.nodeSelector) as a function. */
export function compileLabelMap(map: Labels): LabelPredicate {
  return compileRequirements(Object.entries(map).map(([key, value]) => ({ key, operator: 'Equals', values: [value] })));
}

/** What a node selector looks at. */
export interface SelectableNode {
  readonly name: string;
  readonly labels: Labels;
}

function compileNodeRequirements(requirements: readonly DeepReadonly<NodeSelectorRequirement>[]): LabelPredicate | undefined {
  const out: LabelRequirement[] = [];
  for (const { key, operator, values } of requirements) {
    const known = MESSAGE_OPERATORS[operator];
    if (known === undefined) return undefined;
    out.push({ key, operator: known, values });
  }
  return compileRequirements(out);
}

/** One term: all of its expressions and fields. An empty term matches nothing. */
export function compileNodeSelectorTerm(term: DeepReadonly<NodeSelectorTerm>): (node: SelectableNode) => boolean {
  if (term.matchExpressions.length + term.matchFields.length === 0) return () => false;
  const labels = compileNodeRequirements(term.matchExpressions);
  const fields = compileNodeRequirements(term.matchFields);
  if (labels === undefined || fields === undefined) return () => false;
  if (term.matchFields.length === 0) return (node) => labels(node.labels);
  return (node) => labels(node.labels) && fields({ 'metadata.name': node.name });
}

/** Any of the terms. None given: every node; no terms: none. */
export function compileNodeSelector(selector: DeepReadonly<NodeSelector> | undefined): (node: SelectableNode) => boolean {
  if (selector === undefined) return () => true;
  const terms = selector.nodeSelectorTerms.map(compileNodeSelectorTerm);
  return (node) => terms.some((one) => one(node));
}
