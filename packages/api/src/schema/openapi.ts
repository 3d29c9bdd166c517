// OpenAPI v3 schemas of the kinds, in the form that Kubernetes' clients read (kubectl's explain, validation and patches among
// them): names, extensions for lists and merges, references inside allOf. The documents around them are the REST face's business.
import { type FieldSchema, kindSchema, type MessageSchema } from './model.js';

export interface OpenApiSchema {
  readonly description?: string;
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, OpenApiSchema>>;
  readonly additionalProperties?: OpenApiSchema;
  readonly items?: OpenApiSchema;
  readonly required?: readonly string[];
  readonly $ref?: string;
  readonly allOf?: readonly OpenApiSchema[];
  readonly oneOf?: readonly OpenApiSchema[];
  readonly 'x-kubernetes-group-version-kind'?: readonly { readonly group: string; readonly version: string; readonly kind: string }[];
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: string;
  readonly 'x-kubernetes-patch-strategy'?: string;
  readonly 'x-kubernetes-patch-merge-key'?: string;
  readonly 'x-kubernetes-preserve-unknown-fields'?: true;
}

export interface OpenApiSchemas {
  /** The name of the kind's own schema. */
  readonly name: string;
  /** It and all that it refers to, for components.schemas. */
  readonly schemas: Readonly<Record<string, OpenApiSchema>>;
}

/** undefined where there is no such kind. */
export function openApiSchema(kind: string): OpenApiSchemas | undefined {
  const schema = kindSchema(kind);
  if (schema === undefined) return undefined;
  const schemas: Record<string, OpenApiSchema> = {};
  addMessage(schema, schemas);
  return { name: openApiName(schema), schemas };
}

/** io.k8s.api.core.v1.Pod: the name by which Kubernetes' clients know a structure. */
export function openApiName(schema: MessageSchema): string {
  const [, group = '', version = ''] = schema.typeName.split('.');
  const place = group === 'meta' ? 'io.k8s.apimachinery.pkg.apis.meta' : `io.k8s.api.${group}`;
  return `${place}.${version}.${schema.name}`;
}

function addMessage(schema: MessageSchema, schemas: Record<string, OpenApiSchema>): void {
  const name = openApiName(schema);
  if (schemas[name] !== undefined) return;
  // Holds the place while its own fields are added.
  schemas[name] = {};
  const properties: Record<string, OpenApiSchema> = {};
  for (const field of schema.fields.values()) {
    properties[field.name] = fieldSchemaOf(field);
    if (field.message !== undefined) addMessage(field.message, schemas);
  }
  const required = [...schema.fields.values()].filter((it) => it.required).map((it) => it.name);
  schemas[name] = {
    ...described(schema.comment),
    type: 'object',
    properties,
    ...(required.length === 0 ? {} : { required }),
    ...(schema.structType === undefined ? {} : { 'x-kubernetes-map-type': schema.structType }),
    ...(schema.apiVersion === undefined ? {} : { 'x-kubernetes-group-version-kind': [groupVersionKind(schema.apiVersion, schema.name)] }),
  };
}

function fieldSchemaOf(field: FieldSchema): OpenApiSchema {
  const extensions: OpenApiSchema = {
    ...described(field.comment),
    ...(field.listType === undefined ? {} : { 'x-kubernetes-list-type': field.listType }),
    ...(field.listMapKeys.length === 0 ? {} : { 'x-kubernetes-list-map-keys': field.listMapKeys }),
    ...(field.mapType === undefined ? {} : { 'x-kubernetes-map-type': field.mapType }),
    ...(field.patchStrategy.length === 0 ? {} : { 'x-kubernetes-patch-strategy': field.patchStrategy.join(',') }),
    ...(field.patchMergeKey === undefined ? {} : { 'x-kubernetes-patch-merge-key': field.patchMergeKey }),
  };
  if (field.shape === 'list') return { ...extensions, type: 'array', items: valueSchema(field) };
  if (field.shape === 'map') return { ...extensions, type: 'object', additionalProperties: valueSchema(field) };
  return { ...extensions, ...valueSchema(field), ...defaultOf(field) };
}

function valueSchema(field: FieldSchema): OpenApiSchema {
  if (field.format === 'quantity') return { oneOf: [{ type: 'string' }, { type: 'number' }] };
  if (field.format === 'int-or-string') return { format: 'int-or-string', oneOf: [{ type: 'integer' }, { type: 'string' }] };
  if (field.format === 'micro-time') return { type: 'string', format: 'date-time' };
  switch (field.type) {
    case 'string':
      return field.allowed.length === 0 ? { type: 'string' } : { type: 'string', enum: field.allowed };
    case 'enum':
      return { type: 'string', enum: field.values };
    case 'boolean':
      return { type: 'boolean' };
    case 'int32':
    case 'int64':
      return { type: 'integer', format: field.type };
    case 'uint32':
      return { type: 'integer', format: 'int64' };
    case 'double':
      return { type: 'number', format: 'double' };
    case 'bytes':
      return { type: 'string', format: 'byte' };
    case 'time':
      return { type: 'string', format: 'date-time' };
    case 'object':
      return { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
    case 'any':
      return { 'x-kubernetes-preserve-unknown-fields': true };
    case 'message':
      // A reference hides what stands beside it, so it goes into an allOf.
      return field.message === undefined ? { type: 'object' } : { allOf: [{ $ref: `#/components/schemas/${openApiName(field.message)}` }] };
  }
}

/** The default as JSON of the field's type. */
function defaultOf(field: FieldSchema): OpenApiSchema {
  const text = field.defaulted;
  if (text === undefined || field.shape !== 'single') return {};
  if (field.type === 'boolean') return { default: text === 'true' };
  if (field.type === 'int32' || field.type === 'int64') return { default: Number(text) };
  return { default: text };
}

function described(comment: string): OpenApiSchema {
  return comment === '' ? {} : { description: comment };
}

function groupVersionKind(apiVersion: string, kind: string): { group: string; version: string; kind: string } {
  const slash = apiVersion.indexOf('/');
  return { group: slash < 0 ? '' : apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1), kind };
}
