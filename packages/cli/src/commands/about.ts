// Commands about the tool and the language: `version`, `api-resources`, `explain`.
import { allKinds, kindNames } from '@podplane/api/kinds/kind-names';
import { type FieldSchema, kindSchema, type MessageSchema } from '@podplane/api/schema/model';
import { nearest } from '@podplane/api/schema/nearest';
import type { Command } from 'commander';
import { usage } from '../exit-codes.js';
import { isUnreachable } from '../failure.js';
import { kindByWord } from '../kinds.js';
import { Table } from '../output/table.js';
import type { Session } from '../session.js';
import { VERSION } from '../version.js';

export function registerAbout(program: Command, session: Session): void {
  program
    .command('version')
    .description('Prints the versions of this command and of the server.')
    .option('--client', 'only of this command')
    .option('-o, --output <format>', 'json')
    .action(async (options: { readonly client?: boolean; readonly output?: string }, command: Command) => {
      const { io } = session;
      const client = { version: VERSION, nodeVersion: process.versions.node };
      if (options.output !== undefined && options.output !== 'json') throw usage(`--output: "${options.output}" is not json`);
      if (options.client) {
        io.out(options.output === 'json' ? `${JSON.stringify({ client }, undefined, 2)}\n` : `Client Version: ${VERSION}\n`);
        return;
      }
      let unreachable: unknown;
      const { cluster } = await session.open(command);
      const server = await cluster.version().catch((error: unknown) => {
        if (!isUnreachable(error)) throw error;
        unreachable = error;
        return undefined;
      });
      if (options.output === 'json') io.out(`${JSON.stringify({ client, ...(server === undefined ? {} : { server }) }, undefined, 2)}\n`);
      else {
        io.out(`Client Version: ${VERSION}\n`);
        if (server !== undefined)
          io.out(
            `Server Version: ${server.version}${server.gitCommit === '' ? '' : ` (${server.gitCommit})`}, Node ${server.nodeVersion}, cluster ${server.clusterId}\n`,
          );
      }
      if (unreachable !== undefined) throw unreachable;
    });

  program
    .command('api-resources')
    .description('Lists the kinds of objects, with their short names.')
    .option('--namespaced <bool>', 'only those in namespaces (true) or not (false)')
    .option('-o, --output <format>', 'name')
    .action((options: { readonly namespaced?: string; readonly output?: string }) => {
      const kinds = allKinds.filter(
        (kind) => options.namespaced === undefined || String(kindNames[kind].namespaced) === options.namespaced,
      );
      if (options.output === 'name') {
        for (const kind of kinds)
          session.io.out(`${kindNames[kind].plural}${kindNames[kind].group === '' ? '' : `.${kindNames[kind].group}`}\n`);
        return;
      }
      const rows = kinds.map((kind) => {
        const { plural, shortNames, apiVersion, namespaced } = kindNames[kind];
        return [plural, shortNames.join(','), apiVersion, String(namespaced), kind];
      });
      session.io.out(new Table(['Name', 'ShortNames', 'APIVersion', 'Namespaced', 'Kind']).render(rows));
    });

  program
    .command('explain')
    .description('Tells what a field of a manifest means.')
    .argument('<path>', 'KIND or KIND.FIELD.FIELD, for example pod.spec.containers')
    .option('--recursive', 'all fields below')
    .action((path: string, options: { readonly recursive?: boolean }) => session.io.out(explain(path, options.recursive === true)));
}

function typeText(field: FieldSchema): string {
  const one = field.message?.name ?? (field.type === 'any' ? (field.format ?? 'any') : (field.format ?? field.type));
  return field.shape === 'list' ? `[]${one}` : field.shape === 'map' ? `map[string]${one}` : one;
}

function paragraph(text: string, indent: string): string {
  const out: string[] = [];
  for (const part of text.split('\n')) {
    let line = indent;
    for (const word of part.split(/\s+/)) {
      if (line.length + word.length > 100 && line.trim() !== '') {
        out.push(line.trimEnd());
        line = indent;
      }
      line += `${word} `;
    }
    out.push(line.trimEnd());
  }
  return out.join('\n');
}

function fieldList(schema: MessageSchema, indent: string, recursive: boolean, above: readonly string[]): string {
  let text = '';
  for (const field of schema.fields.values()) {
    text += `${indent}${field.name}\t<${typeText(field)}>${field.required ? ' -required-' : ''}\n`;
    if (recursive) {
      if (field.message !== undefined && !above.includes(field.message.typeName))
        text += fieldList(field.message, `${indent}  `, true, [...above, field.message.typeName]);
    } else {
      if (field.comment !== '') text += `${paragraph(field.comment, `${indent}  `)}\n`;
      if (field.defaulted !== undefined) text += `${indent}  Default: ${field.defaulted}\n`;
      if (field.allowed.length > 0) text += `${indent}  One of: ${field.allowed.join(', ')}\n`;
      text += '\n';
    }
  }
  return text;
}

/** What `explain` prints. Throws usage errors with suggestions. */
export function explain(path: string, recursive: boolean): string {
  const [word = '', ...steps] = path.split('.');
  const kind = kindByWord(word);
  let schema = kindSchema(kind);
  if (schema === undefined) throw usage(`nothing is known about ${kind}`);
  const top = schema;
  let field: FieldSchema | undefined;
  for (const step of steps) {
    const fields: ReadonlyMap<string, FieldSchema> = schema?.fields ?? new Map();
    const found = fields.get(step.replace(/\[.*\]$/, ''));
    if (found === undefined) {
      const near = nearest(step, fields.keys());
      throw usage(
        `field "${step}" does not exist in ${schema?.name ?? field?.name ?? kind}`,
        near === undefined
          ? `podplane explain ${[word, ...steps.slice(0, steps.indexOf(step))].join('.')} tells which there are.`
          : `Did you mean "${near}"?`,
      );
    }
    field = found;
    schema = found.message;
  }
  let text = `KIND:     ${kind}\nVERSION:  ${top.apiVersion ?? kindNames[kind].apiVersion}\n\n`;
  if (field !== undefined) text += `FIELD: ${field.name} <${typeText(field)}>\n\n`;
  const comment = field?.comment || schema?.comment || '';
  if (comment !== '') text += `DESCRIPTION:\n${paragraph(comment, '    ')}\n\n`;
  if (field !== undefined && schema === undefined) {
    if (field.defaulted !== undefined) text += `DEFAULT: ${field.defaulted}\n`;
    if (field.allowed.length > 0) text += `ONE OF:  ${field.allowed.join(', ')}\n`;
  }
  if (schema !== undefined) text += `FIELDS:\n${fieldList(schema, '  ', recursive, [schema.typeName])}`;
  return text;
}
