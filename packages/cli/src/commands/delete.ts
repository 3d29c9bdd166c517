// `podplane delete`: removes objects, and waits until they and the pods that they own are gone.
import { ApiError } from '@podplane/api/errors';
import type { Kind } from '@podplane/api/kinds/kind-map';
import { kindNames } from '@podplane/api/kinds/kind-names';
import type { Command } from 'commander';
import { namespaceOf } from '../apply.js';
import type { Cluster, DeleteOptions } from '../cluster.js';
import { EXIT_FAILED, usage } from '../exit-codes.js';
import { adviceFor, refusalLine } from '../failure.js';
import { parseSelection, resourceName } from '../kinds.js';
import { collect, readManifests } from '../manifests.js';
import { startProgress } from '../output/progress.js';
import type { GlobalOptions, Session } from '../session.js';
import { countOption, limitOption } from '../time.js';
import { type Leaving, untilGone } from '../wait.js';
import { listPods, podSetOf } from '../workloads.js';
import { waitOption } from './apply.js';

interface Options {
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly selector?: string;
  readonly all?: boolean;
  readonly gracePeriod?: number;
  readonly now?: boolean;
  readonly force?: boolean;
  readonly cascade?: string;
  readonly ignoreNotFound?: boolean;
  readonly wait: boolean | string;
  readonly timeout: number;
  readonly dryRun?: boolean | string;
  readonly output?: string;
}

interface Target {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
}

function propagation(cascade: string | undefined): NonNullable<DeleteOptions['propagationPolicy']> {
  switch (cascade ?? 'background') {
    case 'background':
      return 'Background';
    case 'foreground':
      return 'Foreground';
    case 'orphan':
      return 'Orphan';
    default:
      throw usage(`--cascade: "${cascade}" is none of background, foreground, orphan`);
  }
}

async function targetsOf(
  session: Session,
  cluster: Cluster,
  namespace: string,
  resources: readonly string[],
  options: Options,
  explicit: boolean,
): Promise<readonly Target[]> {
  if (options.filename !== undefined) {
    if (resources.length > 0) throw usage('give either -f or resources, not both');
    const objects = await readManifests(session.io, options.filename, options.recursive === true);
    // The other way round than they are made: what leans on others goes first.
    return objects
      .map((decoded) => ({
        kind: decoded.kind,
        namespace: namespaceOf(decoded, namespace, explicit),
        name: decoded.object.metadata?.name ?? '',
      }))
      .reverse();
  }
  const selection = parseSelection(resources);
  const place = (kind: Kind): string => (kindNames[kind].namespaced ? namespace : '');
  if (selection.how === 'names') {
    if (options.selector !== undefined || options.all) throw usage('names cannot be given together with a selector or --all');
    return selection.objects.map(({ kind, name }) => ({ kind, namespace: place(kind), name }));
  }
  if (options.selector === undefined && !options.all)
    throw usage(`you must say which ${selection.kinds.map((kind) => kindNames[kind].plural).join(', ')}: names, a selector (-l), or --all`);
  const found: Target[] = [];
  for (const kind of selection.kinds) {
    const { items } = await cluster.list(kind, {
      namespace: place(kind),
      ...(options.selector === undefined ? {} : { labelSelector: options.selector }),
    });
    found.push(...items.map(({ metadata }) => ({ kind, namespace: metadata?.namespace ?? '', name: metadata?.name ?? '' })));
  }
  if (found.length === 0) session.io.err('No resources found\n');
  return found;
}

const WITH_PODS: ReadonlySet<Kind> = new Set<Kind>([
  'Deployment',
  'ReplicaSet',
  'ReplicationController',
  'DaemonSet',
  'StatefulSet',
  'Job',
  'CronJob',
]);

/** The pods that go with a workload. */
async function ownedPods(cluster: Cluster, { kind, namespace, name }: Target): Promise<readonly Leaving[]> {
  if (!WITH_PODS.has(kind)) return [];
  const { pods } = await listPods(cluster, namespace, await podSetOf(cluster, namespace, { kind, name }));
  return pods.map(({ metadata }) => ({ kind: 'Pod', namespace, uid: metadata?.uid ?? '', name: metadata?.name ?? '' }));
}

/** kubectl's words; the rest is what it means here. */
const IMMEDIATE =
  'Warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.\n' +
  'A pod of a StatefulSet (podplane.dev/fencing: strict) may so run twice, until its node hears of it: use this only where that node is gone for good.\n';

export function registerDelete(program: Command, session: Session): void {
  program
    .command('delete')
    .summary('delete objects')
    .description('Deletes objects, and waits until they and their pods are gone.')
    .argument('[resources...]', 'for example: pod web-1, deploy/web, pods -l app=web')
    .option('-f, --filename <file>', 'the objects of a file, a directory, or - for standard input', collect)
    .option('-R, --recursive', 'directories of directories too')
    .option('-l, --selector <labels>', 'objects with these labels')
    .option('--all', 'all of the kind, in the namespace')
    .option('--grace-period <seconds>', 'time that containers get to end', countOption)
    .option('--now', 'a grace period of 1 second')
    .option('--force', 'with --grace-period=0: without waiting for the node')
    .option('--cascade <how>', 'background, foreground or orphan')
    .option('--ignore-not-found', 'no error for what does not exist')
    .option('--wait [bool]', 'wait until it is gone', waitOption, true)
    .option('--no-wait', 'do not wait')
    .option('--timeout <duration>', 'longest wait; 0: no limit', limitOption, 300_000)
    .option('--dry-run [how]', 'only say what would be deleted')
    .action(async (resources: string[], options: Options, command: Command) => {
      const { io } = session;
      if (options.now && options.gracePeriod !== undefined) throw usage('--now and --grace-period cannot be specified together');
      if (options.force && (options.gracePeriod ?? (options.now ? 1 : 0)) > 0)
        throw usage('--force and --grace-period greater than 0 cannot be specified together');
      if (options.force) io.err(IMMEDIATE);
      if (options.gracePeriod === 0 && !options.force && !options.now)
        io.err('Warning: a grace period of 0 kills containers at once; add --force to also not wait for a node that does not answer.\n');
      const gracePeriodSeconds = options.now
        ? 1
        : options.force
          ? (options.gracePeriod ?? 0)
          : options.gracePeriod === 0
            ? 1
            : options.gracePeriod;
      const propagationPolicy = propagation(options.cascade);
      const dryRun = options.dryRun !== undefined && options.dryRun !== 'none';
      const { cluster, namespace } = await session.open(command);
      const targets = await targetsOf(
        session,
        cluster,
        namespace,
        resources,
        options,
        command.optsWithGlobals<GlobalOptions>().namespace !== undefined,
      );
      const leaving: Leaving[] = [];
      let failed = 0;
      const advice = new Set<string>();
      for (const target of targets) {
        const { kind, name } = target;
        try {
          const pods = propagationPolicy === 'Orphan' || options.wait === false ? [] : await ownedPods(cluster, target);
          const { object, gone } = await cluster.delete(kind, target.namespace, name, {
            propagationPolicy,
            dryRun,
            ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
          });
          io.out(
            `${resourceName(kind).replace(/^[^.]+/, kindNames[kind].singular)} "${name}" ${options.force ? 'force deleted' : 'deleted'}${dryRun ? ' (server dry run)' : ''}\n`,
          );
          leaving.push(...pods);
          if (!gone && object !== undefined) leaving.push({ kind, namespace: target.namespace, uid: object.metadata?.uid ?? '', name });
        } catch (error) {
          if (!(error instanceof ApiError) || error.reason === 'ServiceUnavailable') throw error;
          if (error.reason === 'NotFound' && options.ignoreNotFound) continue;
          failed++;
          io.err(`${refusalLine(error)}\n`);
          advice.add(adviceFor(error));
        }
      }
      for (const line of advice) if (line !== '') io.err(`${line}\n`);
      if (failed > 0) process.exitCode = EXIT_FAILED;
      if (options.wait === false || dryRun || leaving.length === 0) return;
      const progress = startProgress(io);
      try {
        await untilGone({ io, cluster, timeoutMs: options.timeout, progress }, leaving);
      } finally {
        progress.stop();
      }
    });
}
