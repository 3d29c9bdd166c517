// `podplane patch`: changes some fields of an object. How patches are applied is the server's business.

import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type JsonValue } from '@podplane/api/decode/tree';
import type { Command } from 'commander';
import { parse } from 'yaml';
import { usage } from '../exit-codes.js';
import { collect } from '../manifests.js';
import { type Output, outputOption, printed } from '../output/objects.js';
import type { Session } from '../session.js';
import { forEachTarget, isDryRun, pick, suffixOf, targetName } from '../targets.js';

const TYPES = ['strategic', 'merge', 'json'] as const;
type Type = (typeof TYPES)[number];

interface Options {
  readonly patch?: string;
  readonly patchFile?: string;
  readonly type: Type;
  readonly subresource?: string;
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly dryRun?: boolean | string;
  readonly output?: Output;
}

function typeOption(text: string): Type {
  const found = TYPES.find((type) => type === text);
  if (found === undefined) throw usage(`--type must be one of ${TYPES.join(', ')}, not "${text}"`);
  return found;
}

/** The patch, from YAML or JSON. Throws a usage error. */
function documentOf(text: string, where: string): JsonValue {
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw usage(`${where}: unable to parse the patch: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
  }
  if (typeof value !== 'object' || value === null) throw usage(`${where}: a patch is an object, or a list of operations`);
  return value as JsonValue;
}

export function registerPatch(program: Command, session: Session): void {
  program
    .command('patch')
    .summary('change some fields of objects')
    .description('Changes some fields of objects.')
    .argument('[resources...]', 'for example: deploy/web, or pod web-1')
    .option('-p, --patch <patch>', 'what to change, as JSON or YAML')
    .option('--patch-file <file>', 'a file with it')
    .option(
      '--type <type>',
      'strategic (lists of containers and the like are merged by name), merge (RFC 7386) or json (RFC 6902)',
      typeOption,
      'strategic',
    )
    .option('--subresource <name>', 'status: of the status instead')
    .option('-f, --filename <file>', 'the objects of a file, a directory, or - for standard input', collect)
    .option('-R, --recursive', 'directories of directories too')
    .option('--dry-run [how]', 'let the server decide everything and keep nothing')
    .option('-o, --output <format>', 'json, yaml or name instead of words', outputOption)
    .addHelpText(
      'after',
      `\nExamples:\n  podplane patch deploy/web -p '{"spec":{"replicas":3}}'\n  podplane patch deploy web -p 'spec: {template: {spec: {containers: [{name: web, image: "web:2"}]}}}'\n  podplane patch deploy web --type json -p '[{"op":"replace","path":"/spec/replicas","value":3}]'`,
    )
    .action(async (resources: string[], options: Options, command: Command) => {
      if ((options.patch === undefined) === (options.patchFile === undefined))
        throw usage('must specify --patch or --patch-file containing the contents of the patch');
      if (options.subresource !== undefined && options.subresource !== 'status')
        throw usage(`--subresource: "${options.subresource}" is not status`);
      const patch =
        options.patch === undefined
          ? documentOf(await readFile(resolve(session.io.cwd, options.patchFile ?? ''), 'utf8'), '--patch-file')
          : documentOf(options.patch, '--patch');
      if (Array.isArray(patch) !== (options.type === 'json'))
        throw usage(
          options.type === 'json' ? 'a patch of the type json is a list of operations' : 'a list of operations needs --type json',
        );
      const dryRun = isDryRun(options.dryRun);
      const { cluster, targets } = await pick(session, command, resources, options);
      const { io } = session;
      await forEachTarget(session, targets, async (target) => {
        const { kind, namespace, name } = target;
        const before = await cluster.get(kind, namespace, name);
        const { object, warnings } = await cluster.patch(kind, namespace, name, options.type, patch, {
          dryRun,
          ...(options.subresource === 'status' ? { subresource: 'status' } : {}),
        });
        for (const warning of warnings) io.err(`Warning: ${warning}\n`);
        const same = object.metadata?.resourceVersion === before.metadata?.resourceVersion && !dryRun;
        if (options.output === undefined || options.output === 'wide')
          io.out(`${targetName(target)} patched${same ? ' (no change)' : ''}${suffixOf(dryRun)}\n`);
        else io.out(printed([{ kind, object }], options.output, true));
      });
    });
}
