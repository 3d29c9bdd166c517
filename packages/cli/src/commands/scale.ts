// Small changes of one field: `podplane scale`, `cordon`, `uncordon`.
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import type { Command } from 'commander';
import type { Cluster } from '../cluster.js';
import { CliError, usage } from '../exit-codes.js';
import { isConflict } from '../failure.js';
import { type AnyObject, nodeName } from '../kinds.js';
import { collect } from '../manifests.js';
import { observe, waitFor } from '../observe.js';
import type { Session } from '../session.js';
import { forEachTarget, isDryRun, pick, suffixOf, type Target, targetName } from '../targets.js';
import { countOption, durationOption } from '../time.js';

interface ScaleOptions {
  readonly replicas?: number;
  readonly currentReplicas?: number;
  readonly resourceVersion?: string;
  readonly timeout: number;
  readonly filename?: readonly string[];
  readonly recursive?: boolean;
  readonly selector?: string;
  readonly all?: boolean;
  readonly dryRun?: boolean | string;
}

const SCALABLE = ['Deployment', 'ReplicaSet', 'ReplicationController', 'StatefulSet'] as const;
type Scalable = (typeof SCALABLE)[number];

const isScalable = (kind: Kind): kind is Scalable => (SCALABLE as readonly Kind[]).includes(kind);

/** Until there are as many pods as asked for. */
async function untilScaled(session: Session, cluster: Cluster, target: Target, replicas: number, timeoutMs: number): Promise<void> {
  const { kind, namespace, name } = target;
  let object: AnyObject | undefined;
  await waitFor({
    io: session.io,
    what: `${targetName(target)} to have ${replicas} pods`,
    timeoutMs,
    judge: () => {
      const { metadata, status } = (object ?? {}) as Partial<KindMap[Scalable]>;
      if (object === undefined) return { state: 'failed', text: 'it was deleted' };
      const now = status?.replicas ?? 0;
      const isSeen = (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0);
      return isSeen && now === replicas ? { state: 'done', text: '' } : { state: 'waiting', text: `it has ${now}` };
    },
    run: (signal, changed) => [
      observe(cluster, kind, { namespace, fieldSelector: `metadata.name=${name}` }, signal, (objects) => {
        [object] = objects.values();
        changed();
      }),
    ],
    onWord: () => undefined,
  });
}

/** Tries again where a controller wrote between the look at the number and the change of it. */
async function scaleOne(cluster: Cluster, target: Target, replicas: number, options: ScaleOptions, dryRun: boolean): Promise<void> {
  const { kind, namespace, name } = target;
  for (let tries = 1; ; tries++) {
    let { resourceVersion } = options;
    if (options.currentReplicas !== undefined && isScalable(kind)) {
      const { metadata, spec } = await cluster.get(kind, namespace, name);
      const now = spec?.replicas ?? 1;
      if (now !== options.currentReplicas)
        throw new CliError(`expected ${targetName(target)} to have ${options.currentReplicas} replicas, it has ${now}`);
      resourceVersion ??= metadata?.resourceVersion;
    }
    try {
      const metadata = resourceVersion === undefined ? {} : { metadata: { resourceVersion } };
      await cluster.mergePatch(kind, namespace, name, { ...metadata, spec: { replicas } }, { dryRun });
      return;
    } catch (error) {
      if (!isConflict(error) || options.resourceVersion !== undefined || tries === SCALE_TRIES) throw error;
    }
  }
}

const SCALE_TRIES = 5;

export function registerScale(program: Command, session: Session): void {
  program
    .command('scale')
    .summary('change the number of pods')
    .description('Sets the number of pods of Deployments, StatefulSets, ReplicaSets and ReplicationControllers.')
    .argument('[resources...]', 'for example: deploy/web')
    .option('--replicas <count>', 'how many pods', countOption)
    .option('--current-replicas <count>', 'only where it is this many now', countOption)
    .option('--resource-version <version>', 'only where the object has not changed since')
    .option('--timeout <duration>', 'wait until there are so many, at most so long; 0: do not wait', durationOption, 0)
    .option('-f, --filename <file>', 'the objects of a file, a directory, or - for standard input', collect)
    .option('-R, --recursive', 'directories of directories too')
    .option('-l, --selector <labels>', 'objects with these labels')
    .option('--all', 'all of the kind, in the namespace')
    .option('--dry-run [how]', 'let the server decide everything and keep nothing')
    .action(async (resources: string[], options: ScaleOptions, command: Command) => {
      const { replicas } = options;
      if (replicas === undefined) throw usage('you must say how many: --replicas COUNT');
      const dryRun = isDryRun(options.dryRun);
      const { cluster, targets } = await pick(session, command, resources, options);
      for (const { kind } of targets)
        if (!isScalable(kind))
          throw usage(`a ${kind} cannot be scaled`, 'Deployments, StatefulSets, ReplicaSets and ReplicationControllers can.');
      if (options.resourceVersion !== undefined && targets.length > 1) throw usage('--resource-version goes with one object only');
      await forEachTarget(session, targets, async (target) => {
        await scaleOne(cluster, target, replicas, options, dryRun);
        session.io.out(`${targetName(target)} scaled${suffixOf(dryRun)}\n`);
        if (options.timeout > 0 && !dryRun) await untilScaled(session, cluster, target, replicas, options.timeout);
      });
    });
}

export function registerCordon(program: Command, session: Session): void {
  for (const [word, unschedulable, summary] of [
    ['cordon', true, 'keep new pods off nodes'],
    ['uncordon', false, 'let new pods onto nodes again'],
  ] as const) {
    program
      .command(word)
      .summary(summary)
      .description(unschedulable ? 'Keeps new pods off nodes; those that run there stay.' : 'Lets new pods onto nodes again.')
      .argument('<nodes...>', 'names of nodes')
      .action(async (names: string[], _options: unknown, command: Command) => {
        const nodes = names.map(nodeName);
        const { cluster } = await session.open(command);
        for (const name of nodes) {
          const node = await cluster.get('Node', '', name);
          const already = (node.spec?.unschedulable ?? false) === unschedulable;
          if (!already) await cluster.mergePatch('Node', '', name, { spec: { unschedulable: unschedulable ? true : null } });
          session.io.out(`node/${name} ${already ? `already ${word}ed` : `${word}ed`}\n`);
        }
      });
  }
}
