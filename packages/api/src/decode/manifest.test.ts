// Manifests survive the way through objects, bytes and YAML unchanged: real ones, and any that the schema allows.
import { readFileSync } from 'node:fs';
import { fromBinary, fromJson, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { Kind } from '../kinds/kind-map.js';
import { descriptors, messageDescriptor } from '../schema/descriptors.js';
import { type FieldSchema, kindSchema, type MessageSchema } from '../schema/model.js';
import { codecs } from './codecs.js';
import { type DecodedObject, decodeManifests, decodeObject } from './decode.js';
import { apiVersionOf } from './kind-of.js';
import { toManifest, toYaml } from './manifest.js';
import { problemLine } from './problems.js';
import type { JsonObject, JsonValue } from './tree.js';

const KINDS = Object.keys(codecs) as Kind[];

function readOne(text: string): DecodedObject {
  const result = decodeManifests(text, { source: 'test' });
  if (!result.ok) throw new Error(result.problems.map(problemLine).join('\n'));
  const [first] = result.objects;
  if (first === undefined || result.objects.length > 1) throw new Error(`${result.objects.length} objects`);
  return first;
}

function manifestOf<K extends Kind>(kind: K, tree: JsonObject): JsonObject {
  const result = decodeObject(kind, tree);
  if (!result.ok) throw new Error(result.problems.map(problemLine).join('\n'));
  const throughBytes = codecs[kind].decode(codecs[kind].encode(result.object).finish());
  const manifest = toManifest(kind, result.object);
  expect(toManifest(kind, throughBytes)).toEqual(manifest);
  return manifest;
}

/** Values of one field's type, in the one form that objects hold. */
function valueOf(field: FieldSchema, depth: number): fc.Arbitrary<JsonValue> {
  if (field.format === 'quantity') return fc.constantFrom('0', '1', '500m', '1.5', '2Gi', '1e3');
  if (field.format === 'int-or-string')
    return fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.constantFrom('25%', 'http', ''));
  if (field.format === 'micro-time') return timeOf(6);
  switch (field.type) {
    case 'string':
      return fc.oneof(
        fc.string({ unit: 'grapheme' }),
        fc.constantFrom('', 'yes', 'on', '0644', '1e3', '~', 'null', '<<', '*a', '# x', 'a: b', ' a ', 'a\n\nb\n', '-', '1:30', '0o7'),
      );
    case 'boolean':
      return fc.boolean();
    case 'int32':
      return fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    case 'uint32':
      return fc.nat();
    case 'int64':
      return fc.maxSafeInteger().map((it) => (it === 0 ? 0 : it));
    case 'double':
      return fc.double({ noNaN: true, noDefaultInfinity: true }).map((it) => (it === 0 ? 0 : it));
    case 'bytes':
      return fc.uint8Array().map((it) => Buffer.from(it).toString('base64'));
    case 'time':
      return fc.constantFrom(0, 3, 6, 9).chain(timeOf);
    case 'enum':
      return fc.constantFrom(...field.values);
    case 'object':
      return fc.dictionary(keys, free);
    case 'any':
      return free;
    case 'message':
      return field.message === undefined ? fc.constant({}) : treeOf(field.message, depth - 1);
  }
}

function timeOf(digits: number): fc.Arbitrary<string> {
  const fraction = fc
    .string({ unit: fc.constantFrom('0', '1', '5', '9'), minLength: digits, maxLength: digits })
    .map((it) => (/^0*$/.test(it) && digits > 0 ? '1'.padStart(digits, '0') : it.replace(/000$/, '001')));
  return fc
    .tuple(fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true }), fraction)
    .map(([date, part]) => `${date.toISOString().slice(0, 19)}${digits === 0 ? '' : `.${part}`}Z`);
}

const keys = fc
  .oneof(fc.string({ unit: 'grapheme' }), fc.constantFrom('constructor', 'toString', 'on', '<<', '1', 'example.com/a'))
  .filter((it) => it !== '__proto__');
const free: fc.Arbitrary<JsonValue> = fc
  .jsonValue({ maxDepth: 3 })
  .map((it) => JSON.parse(JSON.stringify(it), (_key, value: JsonValue) => (value === 0 ? 0 : value)) as JsonValue)
  .filter((it) => !JSON.stringify(it).includes('__proto__'));

/** Trees of a message: what is required is there, anything else perhaps; lists and maps are never empty (that is not given). */
function treeOf(schema: MessageSchema, depth: number): fc.Arbitrary<JsonObject> {
  const required: string[] = [];
  const fields: Record<string, fc.Arbitrary<JsonValue>> = {};
  for (const field of schema.fields.values()) {
    if (schema.apiVersion !== undefined && (field.name === 'apiVersion' || field.name === 'kind')) continue;
    const isPlain = field.required && field.shape === 'single' && field.type !== 'message' && field.type !== 'time' && field.type !== 'any';
    if (isPlain) required.push(field.name);
    else if (depth <= 0 && field.type === 'message') continue;
    const value = valueOf(field, depth);
    if (field.shape === 'list') fields[field.name] = fc.array(value, { minLength: 1, maxLength: 2 });
    else if (field.shape === 'map') fields[field.name] = fc.dictionary(keys, value, { minKeys: 1, maxKeys: 3 });
    // An empty free-form object stays one.
    else fields[field.name] = value;
  }
  const tree = fc.record(fields, { requiredKeys: required }) as fc.Arbitrary<JsonObject>;
  const { apiVersion, name } = schema;
  // A kind inside of another (claims of a StatefulSet) says what it is, too.
  return apiVersion === undefined ? tree : tree.map((inner) => ({ apiVersion, kind: name, ...inner }));
}

/** The paths of all fields below a message, and those that a tree has. */
function allPaths(schema: MessageSchema, path = ''): string[] {
  return [...schema.fields.values()].flatMap((field) => {
    const own = `${path}.${field.name}`;
    return field.message === undefined ? [own] : [own, ...allPaths(field.message, own)];
  });
}

function pathsIn(value: JsonValue, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((it) => pathsIn(it, path));
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, it]) => pathsIn(it, `${path}.${key}`))];
}

describe('real manifests', () => {
  it.each(['pod.yaml', 'deployment.yaml'])('%s comes back as it was written', (file) => {
    const text = readFileSync(new URL(`testdata/${file}`, import.meta.url), 'utf8');
    const { kind, object, raw } = readOne(text);
    const manifest = toManifest(kind, object as never);
    // What the yaml package makes of the text by itself; bare numbers of quantities and file modes are what we add to it.
    const octal = {
      default: true,
      tag: 'tag:yaml.org,2002:int',
      format: 'OCT',
      test: /^0[0-7]+$/,
      resolve: (it: string): number => Number.parseInt(it, 8),
    } as const;
    const independent = parse(text, { merge: true, customTags: (tags) => [octal, ...tags] }) as JsonObject;
    expect(raw).toEqual(independent);
    const quantities = (key: string, value: JsonValue): JsonValue =>
      ['cpu', 'memory', 'divisor'].includes(key) && typeof value === 'number' ? String(value) : value;
    expect(manifest).toEqual(JSON.parse(JSON.stringify(independent), quantities));
    expect(readOne(toYaml(manifest)).object).toEqual(object);
    expect(readOne(JSON.stringify(manifest)).object).toEqual(object);
    expect(manifestOf(kind, manifest)).toEqual(manifest);
  });

  it.each(['pod.yaml', 'deployment.yaml'])("%s is our message's proto3 JSON form, as another protobuf library reads it", (file) => {
    const { kind, object } = readOne(readFileSync(new URL(`testdata/${file}`, import.meta.url), 'utf8'));
    const manifest = toManifest(kind, object as never);
    const foreign = messageDescriptor(kindSchema(kind)?.typeName ?? '');
    const bytes = toBinary(foreign, fromJson(foreign, manifest, { registry: descriptors() }));
    expect(toManifest(kind, codecs[kind].decode(bytes) as never)).toEqual(manifest);
    expect(toBinary(foreign, fromBinary(foreign, codecs[kind].encode(object as never).finish())).length).toBe(bytes.length);
  });

  it('pod.yaml names every field of a PodSpec', () => {
    const spec = readOne(readFileSync(new URL('testdata/pod.yaml', import.meta.url), 'utf8')).raw['spec'] ?? null;
    const there = new Set(pathsIn(spec).map((it) => it.replace(/^\.(?:initContainers|ephemeralContainers)\./, '.containers.')));
    const podSpec = kindSchema('Pod')?.fields.get('spec')?.message;
    if (podSpec === undefined) throw new Error('no PodSpec');
    // A field is covered where any message of the same type shows it: types are shared, and not all their uses need all fields.
    const byMessage = (path: string): string => {
      let at = podSpec;
      let name = '';
      for (const step of path.split('.').slice(1)) {
        const field = at.fields.get(step);
        if (field === undefined) return '';
        name = `${at.name === 'EphemeralContainer' ? 'Container' : at.name === 'LifecycleHandler' ? 'Probe' : at.name}.${step}`;
        if (field.message === undefined) return name;
        at = field.message;
      }
      return name;
    };
    const covered = new Set([...there, ...pathsIn(spec)].map(byMessage));
    const missing = new Set(
      allPaths(podSpec)
        .map(byMessage)
        .filter((it) => !covered.has(it)),
    );
    // Of the claim's template, metadata is an ordinary one; its fields are shown on the pod itself.
    expect([...missing].filter((it) => !/^(?:ObjectMeta|OwnerReference|ManagedFieldsEntry)\./.test(it))).toEqual([]);
  });
});

describe('any manifest that the schema allows', () => {
  it.each(KINDS)('%s: tree -> object -> tree, through bytes and YAML', (kind) => {
    const schema = kindSchema(kind);
    if (schema === undefined) throw new Error(`${kind} has no schema`);
    fc.assert(
      fc.property(treeOf(schema, 4), (fields) => {
        const tree: JsonObject = { apiVersion: apiVersionOf(kind), kind, ...fields };
        const manifest = manifestOf(kind, tree);
        expect(manifest).toEqual(tree);
        expect(Object.keys(manifest).slice(0, 2)).toEqual(['apiVersion', 'kind']);
        expect(readOne(toYaml(manifest)).raw).toEqual(manifest);
        expect(readOne(JSON.stringify(manifest)).raw).toEqual(manifest);
      }),
      { numRuns: 60 },
    );
  });

  it('YAML of any JSON comes back, and means the same to YAML 1.1 readers', () => {
    fc.assert(
      fc.property(fc.dictionary(keys, free), (value) => {
        const tree: JsonObject = { ...value, apiVersion: 'v1', kind: 'ConfigMap' };
        const text = toYaml(tree);
        const result = decodeManifests(text, { source: 'test' });
        // Most keys are no fields of a ConfigMap: what counts is that it was read.
        expect(
          result.ok ||
            result.problems.every((it) => it.code === 'unknown_field' || it.code === 'wrong_type' || it.code === 'invalid_value'),
        ).toBe(true);
        expect(parse(text)).toEqual(tree);
      }),
      { numRuns: 300 },
    );
  });
});
