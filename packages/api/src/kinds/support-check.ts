// Refuses and warns by the table of support.ts: finds fields of an object that have a line there. No rule of its own.
import { type FieldError, forbidden, Path } from '../errors.js';
import type { Kind } from './kind-map.js';
import { podSpecPaths, type SupportRule, supportTable } from './support.js';

/** The lines of a kind as a tree of fields, so that an object is walked once. */
interface Node {
  readonly fields: Map<string, Node>;
  /** The field is a list, and the tree below is for each of its items. */
  list: boolean;
  /** The rule is about the keys of a map. */
  keys: boolean;
  rule: SupportRule | undefined;
}

const newNode = (): Node => ({ fields: new Map(), list: false, keys: false, rule: undefined });

const CONTAINER_LISTS = ['containers', 'initContainers', 'ephemeralContainers'] as const;

/** The lines that hold for a kind, with paths from its top. */
export function rulesOf(kind: Kind): SupportRule[] {
  const prefix = podSpecPaths[kind];
  const refused = new Set(supportTable.filter((one) => one.scope === 'PodSpec' && one.support === 'refused').map((one) => one.path));
  const lists = CONTAINER_LISTS.filter((list) => !refused.has(list));
  return supportTable.flatMap((rule) => {
    if (rule.scope === kind) return [rule];
    if (prefix === undefined) return [];
    if (rule.scope === 'PodSpec') return [{ ...rule, path: `${prefix}.${rule.path}` }];
    if (rule.scope === 'Container') return lists.map((list) => ({ ...rule, path: `${prefix}.${list}[].${rule.path}` }));
    return [];
  });
}

function treeOf(kind: Kind): Node {
  const root = newNode();
  for (const rule of rulesOf(kind)) {
    if (rule.support === 'supported') continue; // nothing to look for
    let node = root;
    for (const segment of rule.path.split('.')) {
      const field = segment.replace(/(\[\]|\{\})$/, '');
      let next = node.fields.get(field);
      if (next === undefined) {
        next = newNode();
        node.fields.set(field, next);
      }
      if (segment.endsWith('[]')) next.list = true;
      if (segment.endsWith('{}')) next.keys = true;
      node = next;
    }
    node.rule = rule;
  }
  return root;
}

const trees = new Map<Kind, Node>();

function treeFor(kind: Kind): Node {
  let tree = trees.get(kind);
  if (tree === undefined) {
    tree = treeOf(kind);
    trees.set(kind, tree);
  }
  return tree;
}

type Found = (rule: SupportRule, path: Path) => void;
type Fields = Readonly<Record<string, unknown>>;

const asFields = (value: unknown): Fields | undefined => (typeof value === 'object' && value !== null ? (value as Fields) : undefined);

/** Whether a field says anything. An empty list or map says nothing; an empty message does (emptyDir: {}). */
function isSet(value: unknown): boolean {
  if (value === undefined || value === null) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Uint8Array) return value.length > 0;
  return typeof value !== 'object' || Object.keys(value).length > 0;
}

function walk(node: Node, object: Fields, path: Path | undefined, found: Found): void {
  for (const [field, next] of node.fields) {
    const value = object[field];
    if (!isSet(value)) continue;
    const at = path === undefined ? Path.of(field) : path.child(field);
    const { rule } = next;
    if (rule !== undefined) {
      if (next.keys) {
        for (const key of Object.keys(asFields(value) ?? {})) if (rule.except?.includes(key) !== true) found(rule, at.key(key));
      } else if (!isExcepted(rule, value, object)) {
        found(rule, at);
      }
    }
    if (next.fields.size === 0) continue;
    if (next.list && Array.isArray(value)) {
      for (const [i, item] of value.entries()) {
        const fields = asFields(item);
        if (fields !== undefined) walk(next, fields, at.index(i), found);
      }
    } else {
      const fields = asFields(value);
      if (fields !== undefined && !next.list) walk(next, fields, at, found);
    }
  }
}

function isExcepted(rule: SupportRule, value: unknown, parent: Fields): boolean {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (values.every((item) => rule.except?.some((one) => one === item) === true)) return true;
  return rule.exceptWhere !== undefined && parent[rule.exceptWhere[0]] === rule.exceptWhere[1];
}

/** `not supported yet`, with what is supported and why where the table says it. */
function refusalText(rule: SupportRule): string {
  const values = rule.except === undefined ? '' : `; supported: ${rule.except.map((one) => JSON.stringify(one)).join(', ')}`;
  return `not supported yet${values}${rule.note === '' ? '' : ` (${rule.note})`}`;
}

/** Fields of an object that nothing implements. */
export function refusedFields(kind: Kind, object: object): FieldError[] {
  const out: FieldError[] = [];
  walk(treeFor(kind), object as Fields, undefined, (rule, path) => {
    if (rule.support === 'refused') out.push(forbidden(path, refusalText(rule)));
  });
  return out;
}

/** Fields of an object that are accepted without effect, as sentences with their path. */
export function unsupportedWarnings(kind: Kind, object: object): string[] {
  const out: string[] = [];
  walk(treeFor(kind), object as Fields, undefined, (rule, path) => {
    if (rule.support === 'warned' && rule.note !== '') out.push(`${path.toString()}: accepted without effect: ${rule.note}`);
  });
  return out;
}
