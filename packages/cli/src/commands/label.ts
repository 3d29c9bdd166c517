// `podplane label` and `podplane annotate`: sets and removes labels and annotations of objects.
import type { Kind } from '@podplane/api/kinds/kind-map';
import type { Command } from 'commander';
import type { Cluster } from '../cluster.js';
import { CliError, usage } from '../exit-codes.js';
import { isKindWord } from '../kinds.js';
import { collect } from '../manifests.js';
import type { Output } from '../output/objects.js';
import { outputOption, printed } from '../output/objects.js';
import type { Session } from '../session.js';
import { forEachTarget, isDryRun, pick, suffixOf, type Target, targetName } from '../targets.js';

interface Options {
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly selector?: string;
  readonly all?: boolean;
  readonly allNamespaces?: boolean;
  readonly overwrite?: boolean | string;
  readonly list?: boolean;
  readonly resourceVersion?: string;
  readonly dryRun?: boolean | string;
  readonly output?: Output;
}

/** What shall be: a value, or null for none. */
type Wishes = ReadonlyMap<string, string | null>;

const WISH = /^([^=]+)=([^]*)$|^([^=]+)-$/;

/** Words that are KEY=VALUE or KEY-, and those before them. Throws usage errors. */
function wishesOf(words: readonly string[], what: string): { readonly resources: readonly string[]; readonly wishes: Wishes } {
  const at = words.findIndex((word, i) => word.includes('=') || (word.endsWith('-') && (i > 0 || !isKindWord(word))));
  const resources = at < 0 ? words : words.slice(0, at);
  const wishes = new Map<string, string | null>();
  for (const word of at < 0 ? [] : words.slice(at)) {
    const [, key, value, removed] = WISH.exec(word) ?? [];
    const name = key ?? removed;
    if (name === undefined) throw usage(`"${word}" is neither KEY=VALUE nor KEY-`, 'Name all objects before them.');
    const wish = value ?? null;
    if (wishes.has(name) && wishes.get(name) !== wish)
      throw usage(
        `${wishes.get(name) === null || wish === null ? `cannot both set and remove the ${what} "${name}"` : `"${name}" is given twice`}`,
      );
    wishes.set(name, wish);
  }
  return { resources, wishes };
}

interface Field {
  readonly word: 'label' | 'annotate';
  readonly noun: 'label' | 'annotation';
  readonly field: 'labels' | 'annotations';
}

const FIELDS: readonly Field[] = [
  { word: 'label', noun: 'label', field: 'labels' },
  { word: 'annotate', noun: 'annotation', field: 'annotations' },
];

const isOverwriting = (value: boolean | string | undefined): boolean => {
  if (value === undefined || value === false || value === 'false') return false;
  if (value === true || value === 'true') return true;
  throw usage(`--overwrite: "${value}" is neither true nor false`);
};

/** The word for what was done, as kubectl has it. */
function outcome(field: Field, now: Readonly<Record<string, string>>, changes: Wishes): string {
  if (field.word === 'annotate') return 'annotated';
  if (changes.size === 0) return 'not labeled';
  return [...changes].every(([key, value]) => value === null && now[key] !== undefined) ? 'unlabeled' : 'labeled';
}

async function change(session: Session, cluster: Cluster, field: Field, target: Target, wishes: Wishes, options: Options): Promise<void> {
  const { io } = session;
  const { kind, namespace, name } = target;
  const dryRun = isDryRun(options.dryRun);
  const object = await cluster.get(kind, namespace, name);
  const now = object.metadata?.[field.field] ?? {};
  if (options.list) {
    if (targetsAreMany(options)) io.out(`Listing ${field.field} for ${targetName(target)}:\n`);
    for (const key of Object.keys(now).sort()) io.out(`${targetsAreMany(options) ? ' ' : ''}${key}=${now[key]}\n`);
  }
  if (wishes.size === 0) return;
  const kept = [...wishes].flatMap(([key, value]) =>
    value !== null && now[key] !== undefined && now[key] !== value && !isOverwriting(options.overwrite)
      ? [`'${key}' already has a value (${now[key]})`]
      : [],
  );
  if (kept.length > 0) throw new CliError(`${targetName(target)}: ${kept.join(', ')}, and --overwrite is false`);
  const changes: Wishes = new Map([...wishes].filter(([key, value]) => (value === null ? now[key] !== undefined : now[key] !== value)));
  for (const [key, value] of wishes) if (value === null && now[key] === undefined) io.out(`${field.noun} "${key}" not found.\n`);
  let after = object as Awaited<ReturnType<Cluster['mergePatch']>>['object'];
  if (changes.size > 0) {
    const metadata = {
      [field.field]: Object.fromEntries(changes),
      ...(options.resourceVersion === undefined ? {} : { resourceVersion: options.resourceVersion }),
    };
    const written = await cluster.mergePatch(kind, namespace, name, { metadata }, { dryRun });
    for (const warning of written.warnings) io.err(`Warning: ${warning}\n`);
    after = written.object;
  }
  if (options.output === undefined || options.output === 'wide')
    io.out(`${targetName(target)} ${outcome(field, now, changes)}${suffixOf(dryRun)}\n`);
  else io.out(printed([{ kind: kind satisfies Kind, object: after }], options.output, true));
}

const targetsAreMany = ({ all, selector, filename }: Options): boolean => all === true || selector !== undefined || filename !== undefined;

/** Both are one command with two words. */
export function registerLabel(program: Command, session: Session): void {
  for (const field of FIELDS) {
    program
      .command(field.word)
      .summary(`set or remove ${field.field}`)
      .description(`Sets (KEY=VALUE) and removes (KEY-) ${field.field} of objects.`)
      .argument('[words...]', `for example: pod web-1 ${field.word === 'label' ? 'tier=front' : 'note="as asked"'} old-`)
      .option('-f, --filename <file>', 'the objects of a file, a directory, or - for standard input', collect)
      .option('-R, --recursive', 'directories of directories too')
      .option('-l, --selector <labels>', 'objects with these labels')
      .option('--all', 'all of the kind, in the namespace')
      .option('-A, --all-namespaces', 'of all namespaces')
      .option('--overwrite [bool]', 'also where there is another value now')
      .option('--list', `print the ${field.field}`)
      .option('--resource-version <version>', 'only where the object has not changed since')
      .option('--dry-run [how]', 'let the server decide everything and keep nothing')
      .option('-o, --output <format>', 'json, yaml or name instead of words', outputOption)
      .action(async (words: string[], options: Options, command: Command) => {
        const { resources, wishes } = wishesOf(words, field.noun);
        if (wishes.size === 0 && !options.list)
          throw usage(`at least one ${field.noun} update is required`, `For example: podplane ${field.word} pod web-1 key=value`);
        const { cluster, targets } = await pick(session, command, resources, options);
        if (options.resourceVersion !== undefined && targets.length > 1) throw usage('--resource-version goes with one object only');
        await forEachTarget(session, targets, (target) => change(session, cluster, field, target, wishes, options));
      });
  }
}
