// Small changes of one field: `podplane scale`, `cordon`, `uncordon`.
import type { Kind } from '@podplane/api/kinds/kind-map';
import type { Command } from 'commander';
import { EXIT_FAILED, usage } from '../exit-codes.js';
import { fullName, nodeName, parseSelection } from '../kinds.js';
import type { Session } from '../session.js';
import { countOption } from '../time.js';

interface ScaleOptions {
  readonly replicas?: number;
  readonly currentReplicas?: number;
}

const SCALABLE = ['Deployment', 'ReplicaSet', 'ReplicationController', 'StatefulSet'] as const;
type Scalable = (typeof SCALABLE)[number];

const isScalable = (kind: Kind): kind is Scalable => (SCALABLE as readonly Kind[]).includes(kind);

export function registerScale(program: Command, session: Session): void {
  program
    .command('scale')
    .summary('change the number of pods')
    .description('Sets the number of pods of Deployments, StatefulSets, ReplicaSets and ReplicationControllers.')
    .argument('<resources...>', 'for example: deploy/web')
    .option('--replicas <count>', 'how many pods', countOption)
    .option('--current-replicas <count>', 'only where it is this many now', countOption)
    .action(async (resources: string[], options: ScaleOptions, command: Command) => {
      const { replicas } = options;
      if (replicas === undefined) throw usage('you must say how many: --replicas COUNT');
      const selection = parseSelection(resources);
      if (selection.how === 'kinds') throw usage('you must name what to scale', 'For example: podplane scale deploy/web --replicas 9');
      for (const { kind } of selection.objects)
        if (!isScalable(kind))
          throw usage(`a ${kind} cannot be scaled`, 'Deployments, StatefulSets, ReplicaSets and ReplicationControllers can.');
      const { cluster, namespace } = await session.open(command);
      for (const { kind, name } of selection.objects) {
        if (options.currentReplicas !== undefined && isScalable(kind)) {
          const object = await cluster.get(kind, namespace, name);
          const now = object.spec?.replicas ?? 1;
          if (now !== options.currentReplicas) {
            session.io.err(`error: expected ${fullName(kind, name)} to have ${options.currentReplicas} replicas, it has ${now}\n`);
            process.exitCode = EXIT_FAILED;
            continue;
          }
        }
        await cluster.mergePatch(kind, namespace, name, { spec: { replicas } });
        session.io.out(`${fullName(kind, name)} scaled\n`);
      }
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
