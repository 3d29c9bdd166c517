// The API reference (docs/api.md) as Markdown, made from the proto files and their comments alone. scripts/api-docs.mjs writes it.
import type { DescEnum, DescField, DescMessage, DescMethod, DescService } from '@bufbuild/protobuf';
import { commentOf, descriptors } from './descriptors.js';
import { typeText } from './explain.js';
import { type FieldSchema, messageSchema } from './model.js';

const INTRODUCTION = `# API reference

Made from the files below \`proto/\` by \`npm run docs:api\`; change those, not this page.

Every kind is a protobuf message whose proto3-JSON form is its manifest: field names, defaults and meaning are those of
Kubernetes. In the tables, *required* fields must be given; a quantity is text such as \`500m\` or \`2Gi\` (YAML may leave the quotes
out), an int-or-string is a whole number or text such as \`25%\`, a time is RFC 3339. Field numbers are those of Kubernetes; numbers
above 1000 belong to fields that manifests flatten (see the option \`inlinedFrom\` in \`proto/podplane/meta/v1/options.proto\`).
`;

/** Packages in the order of the page: first what clients call, then what they send. */
const PACKAGES: readonly (readonly [string, string])[] = [
  ['podplane.api.v1', 'Services for clients'],
  ['podplane.node.v1', 'Services for nodes'],
  ['podplane.core.v1', 'Objects: v1'],
  ['podplane.apps.v1', 'Objects: apps/v1'],
  ['podplane.batch.v1', 'Objects: batch/v1'],
  ['podplane.policy.v1', 'Objects: policy/v1'],
  ['podplane.storage.v1', 'Objects: storage.k8s.io/v1'],
  ['podplane.coordination.v1', 'Objects: coordination.k8s.io/v1'],
  ['podplane.meta.v1', 'Metadata'],
];

/** The whole page, ended by a line feed. Throws where a package of proto/ has no place on it. */
export function apiReference(): string {
  const messages = new Map<string, DescMessage[]>();
  const services = new Map<string, DescService[]>();
  const enums = new Map<string, DescEnum[]>();
  for (const type of descriptors()) {
    if (type.kind === 'extension' || !type.typeName.startsWith('podplane.')) continue;
    const name = type.file.proto.package;
    if (!PACKAGES.some(([known]) => known === name)) throw new Error(`package ${name} has no place in the API reference`);
    if (type.kind === 'service') add(services, name, type);
    else if (type.kind === 'enum') add(enums, name, type);
    else add(messages, name, type);
  }
  const parts = [INTRODUCTION, contents(messages, services)];
  for (const [name, title] of PACKAGES) {
    parts.push(`## ${title}\n\nPackage \`${name}\`.\n`);
    for (const service of services.get(name) ?? []) parts.push(serviceText(service));
    for (const message of kindsFirst(messages.get(name) ?? [])) parts.push(messageText(message));
    for (const one of enums.get(name) ?? []) parts.push(enumText(one));
  }
  return `${parts.join('\n').trimEnd()}\n`;
}

function contents(messages: ReadonlyMap<string, DescMessage[]>, services: ReadonlyMap<string, DescService[]>): string {
  const called = [...services.values()].flat().map((it) => `[${it.name}](#service-${it.name.toLowerCase()})`);
  const kinds = [...messages.values()]
    .flat()
    .filter(isKind)
    .map((it) => link(it.name));
  return `Services: ${called.join(', ')}.\n\nKinds: ${kinds.join(', ')}.\n`;
}

function serviceText(service: DescService): string {
  const rows = service.methods.map((it) => `| ${it.name} | ${methodType(it)} | ${cell(commentOf(it))} |`);
  return `### Service ${service.name}\n\n${paragraphs(commentOf(service))}| Method | Request and response | Meaning |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

function methodType(method: DescMethod): string {
  const clientStreams = method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming';
  const serverStreams = method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming';
  return `${clientStreams ? 'stream of ' : ''}${link(method.input.name)} → ${serverStreams ? 'stream of ' : ''}${link(method.output.name)}`;
}

function messageText(message: DescMessage): string {
  const head = `### ${message.name}\n\n${paragraphs(commentOf(message))}`;
  if (message.fields.length === 0) return `${head}No fields.\n`;
  const schema = messageSchema(message.typeName);
  const rows = message.fields.map((desc) => {
    const field = schema.fields.get(desc.jsonName);
    if (field === undefined) throw new Error(`${message.typeName}.${desc.name} is not in the schema`);
    return `| ${field.name} | ${field.number} | ${typeCell(field, desc)} | ${meaning(field, desc)} |`;
  });
  return `${head}| Field | No. | Type | Meaning |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`;
}

function typeCell(field: FieldSchema, desc: DescField): string {
  const target = field.message?.name ?? desc.enum?.name;
  const one = target === undefined ? typeText({ ...field, shape: 'single' }) : link(target);
  if (field.shape === 'list') return `list of ${one}`;
  return field.shape === 'map' ? `map of ${one}` : one;
}

function meaning(field: FieldSchema, desc: DescField): string {
  const says = [cell(field.comment)];
  // In what services send, whether a scalar is marked optional says nothing about whether one must give it.
  if (field.required && !desc.parent.file.proto.name.match(/^podplane\/(?:api|node)\//)) says.unshift('*Required.*');
  if (desc.oneof !== undefined) says.push(`One of \`${desc.oneof.name}\`.`);
  if (field.allowed.length > 0) says.push(`Values: ${field.allowed.map((it) => (it === '' ? 'empty' : `\`${it}\``)).join(', ')}.`);
  if (field.defaulted !== undefined) says.push(`Default: ${field.defaulted === '' ? 'empty' : `\`${field.defaulted}\``}.`);
  if (field.patchMergeKey !== undefined) says.push(`Merged by \`${field.patchMergeKey}\`.`);
  return says.filter((it) => it !== '').join(' ');
}

function enumText(one: DescEnum): string {
  const rows = one.values.map((it) => `| ${it.name} | ${it.number} |`);
  return `### ${one.name}\n\n${paragraphs(commentOf(one))}| Value | No. |\n| --- | --- |\n${rows.join('\n')}\n`;
}

function kindsFirst(messages: readonly DescMessage[]): DescMessage[] {
  return [...messages.filter(isKind), ...messages.filter((it) => !isKind(it))];
}

function isKind(message: DescMessage): boolean {
  return messageSchema(message.typeName).apiVersion !== undefined;
}

function link(name: string): string {
  return `[${name}](#${name.toLowerCase()})`;
}

function paragraphs(comment: string): string {
  return comment === '' ? '' : `${escaped(comment).replaceAll('\n', '\n\n')}\n\n`;
}

function cell(comment: string): string {
  return escaped(comment).replaceAll('\n', '<br>').replaceAll('|', '\\|');
}

/** Angle brackets would be taken for HTML. */
function escaped(text: string): string {
  return text.replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function add<T>(map: Map<string, T[]>, key: string, value: T): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [value]);
  else known.push(value);
}
