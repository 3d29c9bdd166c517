// The objects that a command works on, one after the other: named, of a file, by labels, or all of a kind. Which they may be and what is
// done with them is the command's business.
import { ApiError } from '@podplane/api/errors';
import type { Kind } from '@podplane/api/kinds/kind-map';
import { kindNames } from '@podplane/api/kinds/kind-names';
import type { Command } from 'commander';
import { namespaceOf } from './apply.js';
import type { Cluster } from './cluster.js';
import { CliError, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, usage } from './exit-codes.js';
import { adviceFor, refusalLine } from './failure.js';
import { fullName, parseSelection } from './kinds.js';
import { readManifests } from './manifests.js';
import type { GlobalOptions, Session } from './session.js';

export interface Target {
  readonly kind: Kind;
  /** Empty for kinds without. */
  readonly namespace: string;
  readonly name: string;
}

export interface TargetOptions {
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly selector?: string;
  readonly all?: boolean;
  readonly allNamespaces?: boolean;
}

export const targetName = ({ kind, name }: Target): string => fullName(kind, name);

/** --dry-run, --dry-run=server; kubectl's "client" asks the server, too. Throws a usage error. */
export function isDryRun(value: string | boolean | undefined): boolean {
  if (value === undefined || value === 'none' || value === false) return false;
  if (value === true || value === 'server' || value === 'client') return true;
  throw usage(`--dry-run: "${value}" is none of server, client, none`);
}

export const suffixOf = (dryRun: boolean): string => (dryRun ? ' (server dry run)' : '');

/** The objects that are meant, as they are named now. Throws usage errors. Says where there is none. */
export async function pick(
  session: Session,
  command: Command,
  resources: readonly string[],
  options: TargetOptions,
): Promise<{ readonly cluster: Cluster; readonly targets: readonly Target[] }> {
  if (options.filename !== undefined) {
    if (resources.length > 0) throw usage('give either -f or resources, not both');
    const objects = await readManifests(session.io, options.filename, options.recursive === true);
    const { cluster, namespace } = await session.open(command);
    const explicit = command.optsWithGlobals<GlobalOptions>().namespace !== undefined;
    const targets = objects.map((decoded) => ({
      kind: decoded.kind,
      namespace: namespaceOf(decoded, namespace, explicit),
      name: decoded.object.metadata?.name ?? '',
    }));
    return { cluster, targets };
  }
  const selection = parseSelection(resources);
  const { cluster, namespace: own } = await session.open(command);
  const place = (kind: Kind): string => (kindNames[kind].namespaced && options.allNamespaces !== true ? own : '');
  if (selection.how === 'names') {
    if (options.selector !== undefined || options.all) throw usage('names cannot be given together with a selector or --all');
    if (options.allNamespaces) throw usage('a resource cannot be retrieved by name across all namespaces', 'Use -n NAMESPACE.');
    return { cluster, targets: selection.objects.map(({ kind, name }) => ({ kind, namespace: place(kind), name })) };
  }
  if (options.selector === undefined && !options.all)
    throw usage(`you must say which ${selection.kinds.map((kind) => kindNames[kind].plural).join(', ')}: names, a selector (-l), or --all`);
  const targets: Target[] = [];
  for (const kind of selection.kinds) {
    const { items } = await cluster.list(kind, {
      namespace: place(kind),
      ...(options.selector === undefined ? {} : { labelSelector: options.selector }),
    });
    targets.push(...items.map(({ metadata }) => ({ kind, namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' })));
  }
  return { cluster, targets };
}

/**
 * Does it with each, and says what is refused; one that is refused does not keep the others back. Sets the exit code where one was.
 * Rejects where the command line is wrong or no server answers.
 */
export async function forEachTarget<T extends Target>(
  session: Session,
  targets: readonly T[],
  run: (target: T) => Promise<void>,
): Promise<void> {
  const { io } = session;
  if (targets.length === 0) io.err('No resources found\n');
  const advice = new Set<string>();
  let worst = 0;
  for (const target of targets) {
    try {
      await run(target);
    } catch (error) {
      if (error instanceof CliError && error.exitCode !== EXIT_USAGE && error.exitCode !== EXIT_INTERRUPTED) {
        io.err(`error: ${error.message}\n`);
        advice.add(error.advice);
        worst = worst === EXIT_FAILED ? worst : error.exitCode;
      } else if (error instanceof ApiError && error.reason !== 'ServiceUnavailable') {
        io.err(`${refusalLine(error)}\n`);
        advice.add(adviceFor(error));
        worst = EXIT_FAILED;
      } else throw error;
    }
  }
  for (const line of advice) if (line !== '') io.err(`${line}\n`);
  if (worst !== 0) process.exitCode = worst;
}
