// grpc.reflection (v1 and v1alpha, which differ in name only): tells clients without our proto files what there is, from our own
// descriptors. Messages are read and written by hand: they are few, and nothing else uses them.
import type { MethodDefinition } from '@grpc/grpc-js';
import { Encoded, type Gate, ServiceBuilder } from './service.js';
import { bytesField, fieldsOf, textField, textOf, varintField } from './wire.js';

const NOT_FOUND = 5;
const UNIMPLEMENTED = 12;
/** Field numbers of FileDescriptorProto. */
const FILE = { name: 1, package: 2, dependency: 3, messageType: 4, enumType: 5, service: 6, sourceCodeInfo: 9 } as const;

interface DescribedFile {
  readonly dependencies: readonly string[];
  /** Without comments. */
  readonly bytes: Uint8Array;
}

interface Described {
  readonly files: ReadonlyMap<string, DescribedFile>;
  /** File of each message, enum, service, method and field's parent, by full name. */
  readonly symbols: ReadonlyMap<string, string>;
  readonly services: readonly string[];
}

/** Names in a google.protobuf.FileDescriptorSet. */
export function describe(descriptorSet: Uint8Array): Described {
  const files = new Map<string, DescribedFile>();
  const symbols = new Map<string, string>();
  const services: string[] = [];
  for (const { field, value } of fieldsOf(descriptorSet)) {
    if (field === 1 && typeof value !== 'number') describeFile(value, files, symbols, services);
  }
  return { files, symbols, services };
}

function describeFile(file: Uint8Array, files: Map<string, DescribedFile>, symbols: Map<string, string>, services: string[]): void {
  const fields = [...fieldsOf(file)];
  const text = (wanted: number): string => textOf(fields.find(({ field }) => field === wanted)?.value ?? 0);
  const name = text(FILE.name);
  const scope = text(FILE.package);
  const kept: Uint8Array[] = [];
  for (const { field, value } of fields) {
    if (field === FILE.sourceCodeInfo) continue;
    kept.push(typeof value === 'number' ? varintField(field, value) : bytesField(field, value));
    if (typeof value === 'number') continue;
    if (field === FILE.messageType) describeMessage(value, scope, name, symbols);
    if (field === FILE.enumType) symbols.set(join(scope, nameIn(value)), name);
    if (field === FILE.service) {
      const service = join(scope, nameIn(value));
      services.push(service);
      symbols.set(service, name);
      for (const method of fieldsOf(value))
        if (method.field === 2 && typeof method.value !== 'number') symbols.set(join(service, nameIn(method.value)), name);
    }
  }
  const dependencies = fields.filter(({ field }) => field === FILE.dependency).map(({ value }) => textOf(value));
  files.set(name, { dependencies, bytes: Buffer.concat(kept) });
}

/** A message and what is inside of it (nested messages: field 3, enums: field 4). */
function describeMessage(message: Uint8Array, scope: string, file: string, symbols: Map<string, string>): void {
  const full = join(scope, nameIn(message));
  symbols.set(full, file);
  for (const { field, value } of fieldsOf(message)) {
    if (typeof value === 'number') continue;
    if (field === 3) describeMessage(value, full, file, symbols);
    if (field === 4) symbols.set(join(full, nameIn(value)), file);
  }
}

function nameIn(descriptor: Uint8Array): string {
  for (const { field, value } of fieldsOf(descriptor)) if (field === 1) return textOf(value);
  return '';
}

function join(scope: string, name: string): string {
  return scope === '' ? name : `${scope}.${name}`;
}

/** The answer (ServerReflectionResponse) to one question (ServerReflectionRequest). */
export function reflect(described: Described, served: readonly string[], request: Uint8Array): Uint8Array {
  let host = '';
  let answer = error(UNIMPLEMENTED, 'the question is not known');
  for (const { field, value } of fieldsOf(request)) {
    switch (field) {
      case 1:
        host = textOf(value);
        break;
      case 3:
        answer = fileAnswer(described, textOf(value));
        break;
      case 4: {
        const file = described.symbols.get(textOf(value));
        answer = file === undefined ? error(NOT_FOUND, `symbol ${textOf(value)} is not known`) : fileAnswer(described, file);
        break;
      }
      case 5:
        answer = error(NOT_FOUND, 'there are no extensions by number');
        break;
      case 6:
        answer = bytesField(5, textField(1, textOf(value)));
        break;
      case 7:
        answer = bytesField(6, Buffer.concat(served.map((service) => bytesField(1, textField(1, service)))));
        break;
      default:
        break;
    }
  }
  return Buffer.concat([textField(1, host), bytesField(2, request), answer]);
}

function error(code: number, message: string): Uint8Array {
  return bytesField(7, Buffer.concat([varintField(1, code), textField(2, message)]));
}

/** A file and all that it needs, so that a client must not ask again. */
function fileAnswer({ files }: Described, name: string): Uint8Array {
  const found = new Map<string, Uint8Array>();
  const visit = (one: string): void => {
    const file = files.get(one);
    if (file === undefined || found.has(one)) return;
    found.set(one, file.bytes);
    for (const dependency of file.dependencies) visit(dependency);
  };
  visit(name);
  if (found.size === 0) return error(NOT_FOUND, `file ${name} is not known`);
  return bytesField(4, Buffer.concat([...found.values()].map((bytes) => bytesField(1, bytes))));
}

/** The service under one of its two names; served: names of the services that exist. */
export function reflectionService(
  version: 'v1' | 'v1alpha',
  described: () => Described,
  served: readonly string[],
  gate: Gate,
): ServiceBuilder {
  const method: MethodDefinition<Uint8Array, never> = {
    path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    requestStream: true,
    responseStream: true,
    requestSerialize: () => Buffer.alloc(0),
    requestDeserialize: (bytes) => bytes,
    responseSerialize: () => Buffer.alloc(0), // answers are always Encoded
    responseDeserialize: () => undefined as never,
  };
  return new ServiceBuilder(gate).bidi(method, async (input, out) => {
    for await (const request of input) await out.write(new Encoded(reflect(described(), served, request)));
  });
}
