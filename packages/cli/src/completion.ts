// Which words may come next on a command line. Walks the tree of commands; names of objects are asked of the cluster, if it answers
// soon. How shells are told is in completion-scripts.ts.
import { kindByName } from '@podplane/api/kinds/catalogue';
import { allKinds, type Kind, kindNames } from '@podplane/api/kinds/kind-names';
import type { Command, Option } from 'commander';
import { ROLLOUT_KINDS } from './revisions.js';

export interface Suggestion {
  readonly word: string;
  readonly description: string;
}

/** The shell shall complete names of files. */
export const FILES: Suggestion = { word: ':files', description: '' };

/** Names of objects of a kind, in the namespace of the command line; empty where no cluster answers. */
export type NamesOf = (kind: Kind, namespace: string | undefined) => Promise<readonly string[]>;

const KIND_COMMANDS = new Set(['get', 'describe', 'delete', 'label', 'annotate', 'patch', 'wait']);
/** What each of these works on: POD or KIND/NAME. */
const TARGET_COMMANDS = new Map<string, readonly Kind[]>([
  ['logs', ['Pod', 'Deployment', 'ReplicaSet', 'ReplicationController', 'DaemonSet', 'StatefulSet', 'Job', 'CronJob']],
  ['exec', ['Pod', 'Deployment', 'ReplicaSet', 'ReplicationController', 'DaemonSet', 'StatefulSet', 'Job', 'CronJob']],
  ['attach', ['Pod', 'Deployment', 'ReplicaSet', 'ReplicationController', 'DaemonSet', 'StatefulSet', 'Job', 'CronJob']],
  ['debug', ['Pod', 'Deployment', 'ReplicaSet', 'ReplicationController', 'DaemonSet', 'StatefulSet', 'Job', 'CronJob']],
  ['port-forward', ['Pod', 'Deployment', 'ReplicaSet', 'ReplicationController', 'DaemonSet', 'StatefulSet', 'Job', 'CronJob']],
  ['scale', ['Deployment', 'ReplicaSet', 'ReplicationController', 'StatefulSet']],
]);
const VALUES = new Map<string, readonly string[]>([
  ['--output', ['wide', 'json', 'yaml', 'name']],
  ['--cascade', ['background', 'foreground', 'orphan']],
  ['--types', ['Normal', 'Warning']],
  ['--on-timeout', ['stop', 'delete']],
  ['--dry-run', ['server', 'client', 'none']],
  ['--type', ['strategic', 'merge', 'json']],
  ['--for', ['condition=', 'jsonpath=', 'create', 'delete']],
]);

interface Parsed {
  readonly command: Command;
  /** Words that are no commands, options or their values. */
  readonly args: readonly string[];
  /** The option whose value is being typed. */
  readonly pending: Option | undefined;
  readonly namespace: string | undefined;
  readonly afterDashes: boolean;
}

function optionsOf(command: Command): readonly Option[] {
  return command.parent === null ? command.options : [...command.options, ...optionsOf(command.parent)];
}

function parse(program: Command, words: readonly string[]): Parsed {
  let command = program;
  const args: string[] = [];
  let pending: Option | undefined;
  let namespace: string | undefined;
  for (const [i, word] of words.entries()) {
    if (pending !== undefined) {
      if (pending.long === '--namespace') namespace = word;
      pending = undefined;
    } else if (word === '--') return { command, args: [...args, ...words.slice(i + 1)], pending: undefined, namespace, afterDashes: true };
    else if (word.startsWith('-')) {
      const [flag, value] = word.split('=', 2);
      const option = optionsOf(command).find(({ long, short }) => flag === long || flag === short);
      if (option?.long === '--namespace' && value !== undefined) namespace = value;
      if (option !== undefined && value === undefined && option.required) pending = option;
    } else {
      const sub = args.length === 0 ? command.commands.find((one) => one.name() === word || one.aliases().includes(word)) : undefined;
      if (sub !== undefined) command = sub;
      else args.push(word);
    }
  }
  return { command, args, pending, namespace, afterDashes: false };
}

const plain = (word: string): Suggestion => ({ word, description: '' });

async function namesWith(names: NamesOf, kind: Kind, namespace: string | undefined, prefix: string): Promise<readonly Suggestion[]> {
  return (await names(kind, namespace)).map((name) => plain(prefix + name));
}

async function argumentSuggestions(parsed: Parsed, current: string, names: NamesOf): Promise<readonly Suggestion[]> {
  const { command, args, namespace } = parsed;
  const name = command.name();
  const slash = current.indexOf('/');
  const ofSlash = async (): Promise<readonly Suggestion[]> => {
    const kind = kindByName(current.slice(0, slash));
    return typeof kind === 'string' ? namesWith(names, kind, namespace, current.slice(0, slash + 1)) : [];
  };
  if (KIND_COMMANDS.has(name)) {
    if (slash > 0) return ofSlash();
    const [first] = args;
    if (first === undefined) {
      return allKinds.flatMap((kind) => [
        { word: kindNames[kind].plural, description: kind },
        ...kindNames[kind].shortNames.map((word) => ({ word, description: kind })),
      ]);
    }
    const kind = kindByName(first);
    return typeof kind === 'string' ? namesWith(names, kind, namespace, '') : [];
  }
  const kinds = TARGET_COMMANDS.get(name);
  if (kinds !== undefined && args.length === 0) {
    if (slash > 0) return ofSlash();
    const pods = kinds.includes('Pod') ? await namesWith(names, 'Pod', namespace, '') : [];
    return [
      ...pods,
      ...kinds
        .filter((kind) => kind !== 'Pod')
        .map((kind) => ({ word: `${kindNames[kind].shortNames[0] ?? kindNames[kind].singular}/`, description: kind })),
    ];
  }
  const parent = command.parent?.name();
  if ((parent === 'rollout' || parent === 'set') && args.length === 0) {
    if (slash > 0) return ofSlash();
    const found = await Promise.all(
      ROLLOUT_KINDS.map((kind) => namesWith(names, kind, namespace, `${kindNames[kind].shortNames[0] ?? ''}/`)),
    );
    return found.flat();
  }
  if (name === 'cordon' || name === 'uncordon' || name === 'drain') return namesWith(names, 'Node', namespace, '');
  if (name === 'completion') return ['bash', 'zsh', 'fish'].map(plain);
  if (name === 'explain') return allKinds.map((kind) => ({ word: kindNames[kind].singular, description: kind }));
  if (name === 'load') return [FILES];
  return [];
}

async function valueSuggestions(option: Option, parsed: Parsed, names: NamesOf): Promise<readonly Suggestion[]> {
  switch (option.long) {
    case '--filename':
    case '--data':
    case '--context':
      return [FILES];
    case '--namespace':
      return namesWith(names, 'Namespace', undefined, '');
    case '--node':
      return namesWith(names, 'Node', undefined, '');
    case '--container': {
      return [];
    }
    default:
      void parsed;
      return (VALUES.get(option.long ?? '') ?? []).map(plain);
  }
}

/** What may stand where the last of these words is being typed. */
export async function complete(program: Command, words: readonly string[], names: NamesOf): Promise<readonly Suggestion[]> {
  const current = words.at(-1) ?? '';
  const parsed = parse(program, words.slice(0, -1));
  if (parsed.afterDashes) return [FILES];
  let found: readonly Suggestion[];
  const equals = current.startsWith('--') ? current.indexOf('=') : -1;
  if (parsed.pending !== undefined) found = await valueSuggestions(parsed.pending, parsed, names);
  else if (equals > 0) {
    const flag = current.slice(0, equals);
    const option = optionsOf(parsed.command).find(({ long }) => long === flag);
    found =
      option === undefined
        ? []
        : (await valueSuggestions(option, parsed, names)).map(({ word, description }) => ({ word: `${flag}=${word}`, description }));
  } else if (current.startsWith('-')) {
    found = [
      ...optionsOf(parsed.command)
        .filter(({ hidden }) => !hidden)
        .map(({ long, short, description }) => ({ word: long ?? short ?? '', description })),
      { word: '--help', description: 'what this command does' },
    ];
  } else {
    const subs = parsed.args.length === 0 ? parsed.command.commands.filter((one) => !one.name().startsWith('__')) : [];
    found = [
      ...subs.map((one) => ({ word: one.name(), description: one.summary() || one.description() })),
      ...(await argumentSuggestions(parsed, current, names)),
    ];
  }
  if (found.some(({ word }) => word === FILES.word)) return [FILES];
  return found.filter(({ word }) => word.startsWith(current)).toSorted((a, b) => (a.word < b.word ? -1 : 1));
}
