// The schema of manifests: for each message its fields with type, comment, merge keys and the like, as the proto files say.
// Decoding, patches, explain and OpenAPI all read this; none of them looks at descriptors itself.
import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import {
  booleanOption,
  commentOf,
  descriptors,
  listOption,
  messageDescriptor,
  numberOption,
  presentStringOption,
  stringOption,
} from './descriptors.js';

/**
 * What one value of a field is. `time`: an RFC 3339 string. `object`: any JSON object. `any`: any JSON value.
 * `message`: a structure of its own.
 */
export type ValueType =
  | 'string'
  | 'boolean'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'double'
  | 'bytes'
  | 'time'
  | 'object'
  | 'any'
  | 'enum'
  | 'message';

/** `quantity`: like 500m or 2Gi. `int-or-string`: a whole number or a percentage. `micro-time`: RFC 3339 with microseconds. */
export type Format = 'quantity' | 'int-or-string' | 'micro-time';

export type ListType = 'atomic' | 'set' | 'map';

export interface FieldSchema {
  readonly name: string;
  readonly number: number;
  /** Paragraphs separated by line feeds; empty where nothing is said. */
  readonly comment: string;
  /** `list` and `map` hold many values of the type; keys of maps are strings. */
  readonly shape: 'single' | 'list' | 'map';
  readonly type: ValueType;
  /** Where the type is `message`. */
  readonly message?: MessageSchema;
  /** Where the type is `enum`: its values. */
  readonly values: readonly string[];
  readonly format?: Format;
  readonly required: boolean;
  /** Values that a string may have; empty: any. */
  readonly allowed: readonly string[];
  /** What the server fills in, as text. */
  readonly defaulted?: string;
  readonly patchStrategy: readonly ('merge' | 'retainKeys')[];
  readonly patchMergeKey?: string;
  readonly listType?: ListType;
  readonly listMapKeys: readonly string[];
  readonly mapType?: 'atomic' | 'granular';
}

export interface MessageSchema {
  /** Without the package: PodSpec. */
  readonly name: string;
  /** podplane.core.v1.PodSpec */
  readonly typeName: string;
  readonly comment: string;
  /** Set for kinds only: v1, apps/v1. */
  readonly apiVersion?: string;
  /** By name, in the order of the proto file. */
  readonly fields: ReadonlyMap<string, FieldSchema>;
  readonly structType?: 'atomic';
  /** See the option of this name in options.proto. */
  readonly inlinedFrom?: number;
}

const wellKnown: ReadonlyMap<string, ValueType> = new Map([
  ['google.protobuf.Timestamp', 'time'],
  ['google.protobuf.Struct', 'object'],
  ['google.protobuf.Value', 'any'],
]);

const scalars: ReadonlyMap<ScalarType, ValueType> = new Map([
  [ScalarType.STRING, 'string'],
  [ScalarType.BOOL, 'boolean'],
  [ScalarType.INT32, 'int32'],
  [ScalarType.UINT32, 'uint32'],
  [ScalarType.INT64, 'int64'],
  [ScalarType.DOUBLE, 'double'],
  [ScalarType.BYTES, 'bytes'],
]);

const built = new Map<string, MessageSchema>();
let kinds: ReadonlyMap<string, MessageSchema> | undefined;

/** The schema of a message by its full name. Throws where there is none such. */
export function messageSchema(typeName: string): MessageSchema {
  return built.get(typeName) ?? build(messageDescriptor(typeName));
}

/** All messages that are kinds, by kind. */
export function kindSchemas(): ReadonlyMap<string, MessageSchema> {
  if (kinds === undefined) {
    const found = new Map<string, MessageSchema>();
    for (const type of descriptors()) {
      if (type.kind === 'message' && stringOption(type, 'apiVersion') !== undefined) {
        found.set(type.name, messageSchema(type.typeName));
      }
    }
    kinds = found;
  }
  return kinds;
}

/** The schema of a kind ("Pod"); undefined where there is no such kind. */
export function kindSchema(kind: string): MessageSchema | undefined {
  return kindSchemas().get(kind);
}

function build(desc: DescMessage): MessageSchema {
  const fields = new Map<string, FieldSchema>();
  const apiVersion = stringOption(desc, 'apiVersion');
  const inlinedFrom = numberOption(desc, 'inlinedFrom');
  const schema: MessageSchema = {
    name: desc.name,
    typeName: desc.typeName,
    comment: commentOf(desc),
    fields,
    ...(apiVersion === undefined ? {} : { apiVersion }),
    ...(inlinedFrom === undefined ? {} : { inlinedFrom }),
    ...(stringOption(desc, 'structType') === 'atomic' ? { structType: 'atomic' } : {}),
  };
  // Before its fields, as a message may hold itself.
  built.set(desc.typeName, schema);
  for (const field of desc.fields) fields.set(field.jsonName, fieldSchema(field, apiVersion !== undefined));
  return schema;
}

function fieldSchema(field: DescField, ofKind: boolean): FieldSchema {
  const message = field.message;
  const type = valueType(field);
  const format = stringOption(field, 'format');
  const defaulted = presentStringOption(field, 'defaulted');
  const patchMergeKey = stringOption(field, 'patchMergeKey');
  const listType = stringOption(field, 'listType');
  const mapType = stringOption(field, 'mapType');
  const alwaysThere = field.fieldKind === 'scalar' && field.proto.proto3Optional !== true && field.oneof === undefined;
  // A manifest's apiVersion and kind are judged by decoding, before any schema is known.
  const typeMeta = ofKind && (field.name === 'apiVersion' || field.name === 'kind');
  return {
    name: field.jsonName,
    number: field.number,
    comment: commentOf(field),
    shape: field.fieldKind === 'list' ? 'list' : field.fieldKind === 'map' ? 'map' : 'single',
    type,
    ...(type === 'message' && message !== undefined ? { message: messageSchema(message.typeName) } : {}),
    values: field.enum?.values.map((it) => it.name) ?? [],
    ...(isFormat(format) ? { format } : {}),
    required: booleanOption(field, 'required') || (alwaysThere && !typeMeta),
    allowed: listOption(field, 'allowed'),
    ...(defaulted === undefined ? {} : { defaulted }),
    patchStrategy: strategies(stringOption(field, 'patchStrategy')),
    ...(patchMergeKey === undefined ? {} : { patchMergeKey }),
    ...(isListType(listType) ? { listType } : {}),
    listMapKeys: listOption(field, 'listMapKeys'),
    ...(mapType === 'atomic' || mapType === 'granular' ? { mapType } : {}),
  };
}

function valueType(field: DescField): ValueType {
  if (field.message !== undefined) return wellKnown.get(field.message.typeName) ?? 'message';
  if (field.enum !== undefined) return 'enum';
  const type = field.scalar === undefined ? undefined : scalars.get(field.scalar);
  if (type === undefined) throw new Error(`${field.parent.typeName}.${field.name}: the schema knows no such type`);
  return type;
}

function strategies(text: string | undefined): ('merge' | 'retainKeys')[] {
  return (text ?? '').split(',').filter((it) => it === 'merge' || it === 'retainKeys');
}

function isFormat(text: string | undefined): text is Format {
  return text === 'quantity' || text === 'int-or-string' || text === 'micro-time';
}

function isListType(text: string | undefined): text is ListType {
  return text === 'atomic' || text === 'set' || text === 'map';
}
