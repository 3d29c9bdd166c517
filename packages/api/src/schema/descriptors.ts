// The descriptors of all proto files at run time: a registry, comments and our own options. What a schema makes of them is in
// model.ts.
import {
  createFileRegistry,
  type DescEnum,
  type DescExtension,
  type DescField,
  type DescMessage,
  type DescMethod,
  type DescService,
  type FileRegistry,
  fromBinary,
  getOption,
} from '@bufbuild/protobuf';
import { base64Decode } from '@bufbuild/protobuf/wire';
import { type FileDescriptorProto, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { descriptorSetBase64 } from '../gen/descriptors.js';

let bytes: Uint8Array | undefined;
let registry: FileRegistry | undefined;
const comments = new WeakMap<FileDescriptorProto, ReadonlyMap<string, string>>();

/** The google.protobuf.FileDescriptorSet of everything below proto/, imports and comments included. */
export function descriptorSet(): Uint8Array {
  bytes ??= base64Decode(descriptorSetBase64);
  return bytes;
}

/** All files, messages, services and extensions by name. Made at the first use, about 10 ms. */
export function descriptors(): FileRegistry {
  registry ??= createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet()));
  return registry;
}

/** A message by its full name (podplane.core.v1.Pod). Throws where the proto files have none such. */
export function messageDescriptor(typeName: string): DescMessage {
  const message = descriptors().getMessage(typeName);
  if (message === undefined) throw new Error(`no message ${typeName} in proto/`);
  return message;
}

/** The comment above a declaration as one paragraph a blank line; empty where there is none. */
export function commentOf(desc: DescMessage | DescField | DescService | DescMethod | DescEnum): string {
  const file = desc.kind === 'field' ? desc.parent.file : desc.kind === 'rpc' ? desc.parent.file : desc.file;
  let known = comments.get(file.proto);
  if (known === undefined) {
    const places = file.proto.sourceCodeInfo?.location ?? [];
    known = new Map(places.map((it) => [it.path.join('.'), plain(it.leadingComments || it.trailingComments)]));
    comments.set(file.proto, known);
  }
  return known.get(placeOf(desc)) ?? '';
}

/** One of our options (podplane.meta.v1.<name>) on a field or message, undefined where it is not set. */
export function stringOption(desc: DescField | DescMessage, name: string): string | undefined {
  const value = optionValue(desc, name);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** As stringOption, and the empty string counts as set. */
export function presentStringOption(desc: DescField | DescMessage, name: string): string | undefined {
  return hasOption(desc, name) ? (stringOption(desc, name) ?? '') : undefined;
}

export function booleanOption(desc: DescField | DescMessage, name: string): boolean {
  return optionValue(desc, name) === true;
}

export function numberOption(desc: DescField | DescMessage, name: string): number | undefined {
  const value = optionValue(desc, name);
  return typeof value === 'number' && value !== 0 ? value : undefined;
}

export function listOption(desc: DescField | DescMessage, name: string): readonly string[] {
  const value: unknown = optionValue(desc, name);
  return Array.isArray(value) ? value.filter((it) => typeof it === 'string') : [];
}

function optionNamed(name: string): DescExtension {
  const extension = descriptors().getExtension(`podplane.meta.v1.${name}`);
  if (extension === undefined) throw new Error(`no option ${name} in proto/podplane/meta/v1/options.proto`);
  return extension;
}

function optionValue(desc: DescField | DescMessage, name: string): unknown {
  if (desc.proto.options === undefined) return undefined;
  const option = optionNamed(name);
  return desc.kind === 'field' ? getOption(desc, option) : getOption(desc, option);
}

function hasOption(desc: DescField | DescMessage, name: string): boolean {
  const number = optionNamed(name).number;
  return desc.proto.options?.$unknown?.some((it) => it.no === number) ?? false;
}

/** The path by which google.protobuf.SourceCodeInfo names a declaration. */
function placeOf(desc: DescMessage | DescField | DescService | DescMethod | DescEnum): string {
  switch (desc.kind) {
    case 'message':
      return desc.parent === undefined
        ? `4.${desc.file.proto.messageType.indexOf(desc.proto)}`
        : `${placeOf(desc.parent)}.3.${desc.parent.proto.nestedType.indexOf(desc.proto)}`;
    case 'field':
      return `${placeOf(desc.parent)}.2.${desc.parent.proto.field.indexOf(desc.proto)}`;
    case 'enum':
      return desc.parent === undefined
        ? `5.${desc.file.proto.enumType.indexOf(desc.proto)}`
        : `${placeOf(desc.parent)}.4.${desc.parent.proto.enumType.indexOf(desc.proto)}`;
    case 'service':
      return `6.${desc.file.proto.service.indexOf(desc.proto)}`;
    case 'rpc':
      return `${placeOf(desc.parent)}.2.${desc.parent.proto.method.indexOf(desc.proto)}`;
  }
}

/** Lines of a comment joined to paragraphs. */
function plain(comment: string): string {
  return comment
    .split(/\n[ \t]*\n/)
    .map((paragraph) => paragraph.replaceAll(/\s+/g, ' ').trim())
    .filter((paragraph) => paragraph !== '')
    .join('\n');
}
