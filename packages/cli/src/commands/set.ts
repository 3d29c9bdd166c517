// `podplane set`: changes the image, the environment or the resources of containers in pods and templates. Sends strategic patches, so
// that what others change meanwhile stays.
import { toManifest } from '@podplane/api/decode/manifest';
import { isObject, type JsonObject, type JsonValue } from '@podplane/api/decode/tree';
import { deepEqual } from '@podplane/api/kinds/equal';
import type { Kind } from '@podplane/api/kinds/kind-map';
import type { Command } from 'commander';
import { CliError, usage } from '../exit-codes.js';
import { collect } from '../manifests.js';
import { type Output, outputOption, printed } from '../output/objects.js';
import type { Session } from '../session.js';
import { forEachTarget, isDryRun, pick, suffixOf, type Target, targetName } from '../targets.js';

/** Where the pod's spec is. */
const PATHS: ReadonlyMap<Kind, readonly string[]> = new Map<Kind, readonly string[]>([
  ['Pod', ['spec']],
  ...(['Deployment', 'ReplicaSet', 'ReplicationController', 'DaemonSet', 'StatefulSet', 'Job'] as const).map(
    (kind): [Kind, readonly string[]] => [kind, ['spec', 'template', 'spec']],
  ),
  ['CronJob', ['spec', 'jobTemplate', 'spec', 'template', 'spec']],
]);

interface Options {
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly selector?: string;
  readonly all?: boolean;
  readonly allNamespaces?: boolean;
  readonly dryRun?: boolean | string;
  readonly output?: Output;
}

type Container = JsonObject & { readonly name: string };
const LISTS = ['initContainers', 'containers'] as const;

function specOf({ kind, name }: Target, manifest: JsonObject): JsonObject {
  const path = PATHS.get(kind);
  if (path === undefined) throw new CliError(`${kind} "${name}" has no containers`);
  let tree: JsonValue | undefined = manifest;
  for (const step of path) tree = isObject(tree) ? tree[step] : undefined;
  return isObject(tree) ? tree : {};
}

const containersIn = (spec: JsonObject, list: (typeof LISTS)[number]): readonly Container[] => {
  const found = spec[list];
  return Array.isArray(found) ? found.filter((one): one is Container => isObject(one) && typeof one['name'] === 'string') : [];
};

/** What is to be changed of a container; undefined: nothing. */
type Change = (container: Container, list: (typeof LISTS)[number]) => JsonObject | undefined;

interface Work {
  readonly change: Change;
  /** "image updated" */
  readonly done: string;
  /** Throws a CliError where the spec lacks what was named. */
  readonly check: (target: Target, spec: JsonObject) => void;
}

async function run(session: Session, command: Command, resources: readonly string[], options: Options, work: Work): Promise<void> {
  const { io } = session;
  const dryRun = isDryRun(options.dryRun);
  const { cluster, targets } = await pick(session, command, resources, options);
  await forEachTarget(session, targets, async (target) => {
    const { kind, namespace, name } = target;
    const current = await cluster.get(kind, namespace, name);
    const spec = specOf(target, toManifest(kind, current as never));
    work.check(target, spec);
    const wish: JsonObject = {};
    for (const list of LISTS) {
      const changes = containersIn(spec, list).flatMap((container) => {
        const change = work.change(container, list);
        return change === undefined ? [] : [{ name: container.name, ...change }];
      });
      if (changes.length > 0) wish[list] = changes;
    }
    if (Object.keys(wish).length === 0) {
      if (options.output === undefined) io.out(`${targetName(target)} unchanged\n`);
      return;
    }
    const patch = (PATHS.get(kind) ?? []).reduceRight<JsonObject>((inner, step) => ({ [step]: inner }), wish);
    const { object, warnings } = await cluster.patch(kind, namespace, name, 'strategic', patch, { dryRun });
    for (const warning of warnings) io.err(`Warning: ${warning}\n`);
    if (options.output === undefined || options.output === 'wide') io.out(`${targetName(target)} ${work.done}${suffixOf(dryRun)}\n`);
    else io.out(printed([{ kind, object }], options.output, true));
  });
}

/** Which containers are meant: a name, or part of one with *. */
function named(pattern: string): (name: string) => boolean {
  const source = pattern
    .split('*')
    .map((part) => part.replaceAll(/[.$()+?[\]\\^{|}]/g, '\\$&'))
    .join('.*');
  const regexp = new RegExp(`^${source}$`);
  return (name) => regexp.test(name);
}

/** Words before the first KEY=VALUE (or KEY-), and those from it on. */
function split(words: readonly string[], isWish: (word: string) => boolean): readonly [readonly string[], readonly string[]] {
  const at = words.findIndex(isWish);
  return at < 0 ? [words, []] : [words.slice(0, at), words.slice(at)];
}

function imageWork(wishes: readonly string[]): Work {
  const images = new Map<string, string>();
  for (const word of wishes) {
    const at = word.indexOf('=');
    const [name, image] = [word.slice(0, at), word.slice(at + 1)];
    if (at < 1 || image === '') throw usage(`"${word}" is not CONTAINER=IMAGE`);
    images.set(name, image);
  }
  if (images.size === 0) throw usage('at least one image update is required', 'For example: podplane set image deploy/web web=web:2');
  return {
    done: 'image updated',
    check: ({ name }, spec) => {
      for (const wanted of images.keys())
        if (wanted !== '*' && !LISTS.some((list) => containersIn(spec, list).some((container) => container.name === wanted)))
          throw new CliError(`unable to find container named "${wanted}"`, {
            advice: `${name} has: ${LISTS.flatMap((list) => containersIn(spec, list).map((container) => container.name)).join(', ')}`,
          });
    },
    change: ({ name, image }) => {
      const wanted = images.get(name) ?? images.get('*');
      return wanted === undefined || wanted === image ? undefined : { image: wanted };
    },
  };
}

function envWork(wishes: readonly string[], containers: string): Work {
  const set = new Map<string, string>();
  const gone = new Set<string>();
  for (const word of wishes) {
    const at = word.indexOf('=');
    if (at > 0) set.set(word.slice(0, at), word.slice(at + 1));
    else gone.add(word.slice(0, -1));
  }
  for (const name of set.keys()) if (gone.has(name)) throw usage(`cannot both set and remove "${name}"`);
  const isMeant = named(containers);
  return {
    done: 'env updated',
    check: matching(containers),
    change: (container, list) => {
      if (!isMeant(container.name) || (list === 'initContainers' && containers === '*')) return undefined;
      const now = Array.isArray(container['env']) ? container['env'].filter(isObject) : [];
      const env: JsonObject[] = [];
      for (const [name, value] of set) {
        const before = now.find((one) => one['name'] === name);
        if (before === undefined || (before['value'] ?? '') !== value || before['valueFrom'] !== undefined)
          env.push({ name, value, ...(before?.['valueFrom'] === undefined ? {} : { valueFrom: null }) });
      }
      for (const name of gone) if (now.some((one) => one['name'] === name)) env.push({ name, $patch: 'delete' });
      if (env.length === 0) return undefined;
      // New ones behind those that are there: they may speak of them.
      const names = [...now.map((one) => (typeof one['name'] === 'string' ? one['name'] : '')), ...set.keys()];
      const order = [...new Set(names)].filter((name) => !gone.has(name));
      return { '$setElementOrder/env': order.map((name) => ({ name })), env };
    },
  };
}

const matching =
  (containers: string): Work['check'] =>
  (_target, spec) => {
    const isMeant = named(containers);
    if (!LISTS.some((list) => containersIn(spec, list).some(({ name }) => isMeant(name))))
      throw new CliError(`unable to find container named "${containers}"`);
  };

/** cpu=200m,memory=512Mi; a value of 0 takes the resource away, as kubectl has it. */
function amounts(text: string | undefined, option: string): JsonObject | undefined {
  if (text === undefined) return undefined;
  const found: JsonObject = {};
  for (const part of text.split(',')) {
    const [name = '', value = '', ...more] = part.split('=');
    if (name === '' || value === '' || more.length > 0)
      throw usage(`${option}: "${part}" is not RESOURCE=AMOUNT`, `For example: ${option} cpu=200m,memory=512Mi`);
    found[name] = value === '0' ? null : value;
  }
  return found;
}

function resourcesWork(limits: JsonObject | undefined, requests: JsonObject | undefined, containers: string): Work {
  if (limits === undefined && requests === undefined)
    throw usage('you must specify an update to requests or limits (in the form of --requests/--limits)');
  const isMeant = named(containers);
  return {
    done: 'resource requirements updated',
    check: matching(containers),
    change: ({ name, resources }, list) => {
      if (!isMeant(name) || (list === 'initContainers' && containers === '*')) return undefined;
      const change: JsonObject = {};
      for (const [field, wanted] of [
        ['limits', limits],
        ['requests', requests],
      ] as const) {
        const now = isObject(resources) && isObject(resources[field]) ? resources[field] : {};
        const other = Object.entries(wanted ?? {}).filter(([key, value]) => !deepEqual(now[key] ?? null, value));
        if (other.length > 0) change[field] = Object.fromEntries(other);
      }
      return Object.keys(change).length === 0 ? undefined : { resources: change };
    },
  };
}

const common = (command: Command): Command =>
  command
    .option('-f, --filename <file>', 'the objects of a file, a directory, or - for standard input', collect)
    .option('-R, --recursive', 'directories of directories too')
    .option('-l, --selector <labels>', 'objects with these labels')
    .option('--all', 'all of the kind, in the namespace')
    .option('-A, --all-namespaces', 'of all namespaces')
    .option('--dry-run [how]', 'let the server decide everything and keep nothing')
    .option('-o, --output <format>', 'json, yaml or name instead of words', outputOption);

export function registerSet(program: Command, session: Session): void {
  const set = program
    .command('set')
    .summary('change images, variables or resources of containers')
    .description('Changes containers of workloads and pods.');
  common(set.command('image'))
    .description('Sets images of containers: CONTAINER=IMAGE, or *=IMAGE for all.')
    .argument('<words...>', 'for example: deploy/web web=web:2')
    .action((words: string[], options: Options, command: Command) => {
      const [resources, wishes] = split(words, (word) => word.includes('='));
      return run(session, command, resources, options, imageWork(wishes));
    });
  common(set.command('env'))
    .description('Sets variables of containers (NAME=VALUE), or takes them away (NAME-).')
    .argument('<words...>', 'for example: deploy/web MODE=fast OLD-')
    .option('-c, --containers <name>', 'of this container; * stands for any letters', '*')
    .action((words: string[], options: Options & { readonly containers: string }, command: Command) => {
      const isWish = (word: string): boolean => word.includes('=') || /^[A-Za-z_][A-Za-z0-9_.-]*-$/.test(word);
      const [resources, wishes] = split(words, isWish);
      const wrong = wishes.find((word) => !isWish(word));
      if (wrong !== undefined) throw usage(`"${wrong}" is neither NAME=VALUE nor NAME-`);
      if (wishes.length === 0)
        throw usage('at least one environment variable must be provided', 'For example: podplane set env deploy/web MODE=fast');
      return run(session, command, resources, options, envWork(wishes, options.containers));
    });
  common(set.command('resources'))
    .description('Sets requests and limits of containers.')
    .argument('<words...>', 'for example: deploy/web')
    .option('-c, --containers <name>', 'of this container; * stands for any letters', '*')
    .option('--limits <amounts>', 'for example cpu=200m,memory=512Mi; 0 takes one away')
    .option('--requests <amounts>', 'for example cpu=100m,memory=256Mi; 0 takes one away')
    .action(
      (
        resources: string[],
        options: Options & { readonly containers: string; readonly limits?: string; readonly requests?: string },
        command: Command,
      ) =>
        run(
          session,
          command,
          resources,
          options,
          resourcesWork(amounts(options.limits, '--limits'), amounts(options.requests, '--requests'), options.containers),
        ),
    );
}
