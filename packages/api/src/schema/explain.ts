// What a field means, for people: `podplane explain pod.spec.containers`. All of it comes from the proto files.
import { type FieldSchema, kindSchema, kindSchemas, type MessageSchema } from './model.js';
import { nearest } from './nearest.js';
import { pathNames } from './paths.js';

export interface ExplainedField {
  readonly name: string;
  /** As people write types: string, []Container, map[string]string. */
  readonly type: string;
  readonly required: boolean;
  /** Paragraphs separated by line feeds. */
  readonly comment: string;
  readonly allowed: readonly string[];
  readonly defaulted?: string;
  /** 0, or how far below the explained thing the field is, where everything below it was asked for. */
  readonly depth: number;
}

export type Explanation =
  | {
      readonly ok: true;
      readonly kind: string;
      readonly apiVersion: string;
      readonly path: string;
      /** The field at the path; undefined for the kind itself. */
      readonly field?: ExplainedField;
      /** What the thing itself is, where its type is a structure. */
      readonly comment: string;
      /** The fields below it; empty where it is a plain value. */
      readonly fields: readonly ExplainedField[];
    }
  | { readonly ok: false; readonly code: 'unknown_kind' | 'unknown_field'; readonly message: string; readonly suggestion?: string };

/**
 * kind: as in manifests ("Pod"). path: "spec.containers", empty for the kind itself; indexes are skipped.
 * recursive: `fields` holds everything below, each field followed by its own.
 */
export function explain(kind: string, path = '', options: { readonly recursive?: boolean } = {}): Explanation {
  const schema = kindSchema(kind);
  if (schema === undefined) return missing('unknown_kind', `no kind "${kind}"`, nearest(kind, kindSchemas().keys()));
  let message: MessageSchema | undefined = schema;
  let field: FieldSchema | undefined;
  const done: string[] = [];
  for (const name of pathNames(path)) {
    const next: FieldSchema | undefined = message?.fields.get(name);
    if (next === undefined) {
      const where = [kind, ...done].join('.');
      return missing('unknown_field', `${where} has no field "${name}"`, message && nearest(name, message.fields.keys()));
    }
    field = next;
    message = next.message;
    done.push(name);
  }
  return {
    ok: true,
    kind,
    apiVersion: schema.apiVersion ?? '',
    path: done.join('.'),
    ...(field === undefined ? {} : { field: explained(field, 0) }),
    comment: message?.comment ?? '',
    fields: fieldsBelow(message, options.recursive === true, []),
  };
}

/** The explanation as text for a terminal, lines not longer than the width where words allow it. */
export function explainText(explanation: Extract<Explanation, { ok: true }>, width = 80): string {
  const lines = [`KIND:       ${explanation.kind}`, `VERSION:    ${explanation.apiVersion}`, ''];
  if (explanation.field !== undefined) lines.push(`FIELD: ${headOf(explanation.field)}`, '');
  const about = [...new Set([explanation.field?.comment ?? '', explanation.comment])].filter((it) => it !== '');
  lines.push('DESCRIPTION:', ...about.flatMap((it) => wrapped(it, '    ', width)));
  if (about.length === 0) lines.push('    (nothing more is said about it)');
  if (explanation.field !== undefined) lines.push(...valuesOf(explanation.field, '    ', width));
  if (explanation.fields.length > 0) {
    lines.push('', 'FIELDS:');
    const nested = explanation.fields.some((it) => it.depth > 0);
    for (const field of explanation.fields) {
      if (nested) {
        // A Pod has more than a thousand fields: names and types are what one looks for then.
        lines.push(`${'  '.repeat(field.depth + 1)}${headOf(field)}`);
        continue;
      }
      lines.push(`  ${headOf(field)}`, ...wrapped(field.comment, '    ', width), ...valuesOf(field, '    ', width), '');
    }
  }
  return `${lines.join('\n').trimEnd()}\n`;
}

/** A field's type as people write it. */
export function typeText(field: FieldSchema): string {
  const one = field.format ?? (field.type === 'message' ? (field.message?.name ?? 'object') : field.type);
  if (field.shape === 'list') return `[]${one}`;
  return field.shape === 'map' ? `map[string]${one}` : one;
}

/** above: the messages that are being walked, so that one that holds itself ends. */
function fieldsBelow(message: MessageSchema | undefined, recursive: boolean, above: readonly MessageSchema[]): ExplainedField[] {
  if (message === undefined || above.includes(message)) return [];
  return [...message.fields.values()].flatMap((field) => {
    const below = recursive ? fieldsBelow(field.message, true, [...above, message]) : [];
    return [explained(field, above.length), ...below];
  });
}

function explained(field: FieldSchema, depth: number): ExplainedField {
  const { name, required, comment, defaulted } = field;
  const allowed = field.type === 'enum' ? field.values : field.allowed;
  return { name, type: typeText(field), required, comment, allowed, depth, ...(defaulted === undefined ? {} : { defaulted }) };
}

function headOf(field: ExplainedField): string {
  return `${field.name} <${field.type}>${field.required ? ' -required-' : ''}`;
}

function valuesOf(field: ExplainedField, indent: string, width: number): string[] {
  const allowed = field.allowed.length === 0 ? '' : `One of: ${field.allowed.map((it) => it || '""').join(', ')}`;
  const defaulted = field.defaulted === undefined ? '' : `Default: ${field.defaulted || '""'}`;
  return [...wrapped(allowed, indent, width), ...wrapped(defaulted, indent, width)];
}

function wrapped(text: string, indent: string, width: number): string[] {
  if (text === '') return [];
  return text.split('\n').flatMap((paragraph) => {
    const lines: string[] = [];
    let line = indent;
    for (const word of paragraph.split(' ')) {
      if (line.length > indent.length && line.length + word.length >= width) {
        lines.push(line);
        line = indent;
      }
      line += line.length === indent.length ? word : ` ${word}`;
    }
    return [...lines, line];
  });
}

function missing(code: 'unknown_kind' | 'unknown_field', message: string, suggestion: string | undefined): Explanation {
  return { ok: false, code, message, ...(suggestion === undefined ? {} : { suggestion }) };
}
