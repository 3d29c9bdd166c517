// `podplane rollout`: how a Deployment gets from one template to the next.
import { toManifest } from '@podplane/api/decode/manifest';
import { isObject } from '@podplane/api/decode/tree';
import type { KindMap } from '@podplane/api/kinds/kind-map';
import { diffAsMergePatch } from '@podplane/api/patch';
import type { Command } from 'commander';
import type { Cluster } from '../cluster.js';
import { CliError, usage } from '../exit-codes.js';
import { fullName, type Named } from '../kinds.js';
import { startProgress } from '../output/progress.js';
import { Table } from '../output/table.js';
import type { Session } from '../session.js';
import { countOption, durationOption } from '../time.js';
import { untilReady } from '../wait.js';
import { parseTarget, selectorText } from '../workloads.js';

const REVISION = 'deployment.kubernetes.io/revision';
const CHANGE_CAUSE = 'kubernetes.io/change-cause';
const RESTARTED_AT = 'kubectl.kubernetes.io/restartedAt';
/** Set by the controller on the pods of each ReplicaSet; no part of the wish. */
const TEMPLATE_HASH = 'pod-template-hash';

/** deploy/web or "deployment web". */
function deploymentOf(words: readonly string[]): Named {
  const [first = '', second, ...more] = words;
  if (more.length > 0) throw usage('name one Deployment');
  const target = parseTarget(second === undefined ? first : `${first}/${second}`);
  if (target.kind !== 'Deployment')
    throw usage(
      `a rollout is a Deployment's, ${fullName(target.kind, target.name)} has none`,
      'For example: podplane rollout status deploy/web',
    );
  return target;
}

interface Revision {
  readonly number: number;
  readonly set: KindMap['ReplicaSet'];
}

/** The Deployment's ReplicaSets by revision, oldest first. */
async function revisionsOf(cluster: Cluster, namespace: string, name: string): Promise<readonly Revision[]> {
  const deployment = await cluster.get('Deployment', namespace, name);
  const { items } = await cluster.list('ReplicaSet', { namespace, labelSelector: selectorText(deployment.spec?.selector) });
  return items
    .filter(({ metadata }) => metadata?.ownerReferences.some(({ uid }) => uid === deployment.metadata?.uid))
    .map((set) => ({ number: Number(set.metadata?.annotations[REVISION] ?? 0), set }))
    .filter(({ number }) => number > 0)
    .sort((a, b) => a.number - b.number);
}

export function registerRollout(program: Command, session: Session): void {
  const rollout = program
    .command('rollout')
    .summary('follow and steer the change of a Deployment')
    .description('Follows and steers the change of a Deployment.');
  const target = '<deployment...>';

  rollout
    .command('status')
    .description('Waits until the rollout is complete.\nExit codes: 0 complete, 1 failed, 3 not in time.')
    .argument(target, 'deploy/NAME')
    .option('-w, --watch [bool]', 'wait until it is complete', (text: string) => text !== 'false', true)
    .option('--timeout <duration>', 'longest wait', durationOption, 300_000)
    .action(async (words: string[], options: { readonly watch: boolean; readonly timeout: number }, command: Command) => {
      const { kind, name } = deploymentOf(words);
      const { cluster, namespace } = await session.open(command);
      const { io } = session;
      if (!options.watch) {
        const { deploymentVerdict } = await import('../readiness.js');
        const verdict = deploymentVerdict(await cluster.get('Deployment', namespace, name));
        if (verdict.state === 'failed') throw new CliError(`deployment "${name}" ${verdict.text}`);
        io.out(
          verdict.state === 'done'
            ? `deployment "${name}" successfully rolled out\n`
            : `Waiting for deployment "${name}" rollout to finish: ${verdict.text}\n`,
        );
        return;
      }
      const progress = startProgress(io);
      try {
        await cluster.get('Deployment', namespace, name); // one that does not exist is an error, not something to wait for
        await untilReady({ io, cluster, namespace, timeoutMs: options.timeout, progress }, { kind, name });
      } finally {
        progress.stop();
      }
      io.out(`deployment "${name}" successfully rolled out\n`);
    });

  rollout
    .command('restart')
    .description('Replaces all pods, by the rules of the rollout.')
    .argument(target, 'deploy/NAME')
    .action(async (words: string[], _options: unknown, command: Command) => {
      const { kind, name } = deploymentOf(words);
      const { cluster, namespace } = await session.open(command);
      const now = new Date(session.io.system.clock.now()).toISOString();
      await cluster.mergePatch(kind, namespace, name, { spec: { template: { metadata: { annotations: { [RESTARTED_AT]: now } } } } });
      session.io.out(`${fullName(kind, name)} restarted\n`);
    });

  for (const [word, paused] of [
    ['pause', true],
    ['resume', false],
  ] as const) {
    rollout
      .command(word)
      .description(paused ? 'Keeps changes of the template from being rolled out.' : 'Lets changes of the template be rolled out again.')
      .argument(target, 'deploy/NAME')
      .action(async (words: string[], _options: unknown, command: Command) => {
        const { kind, name } = deploymentOf(words);
        const { cluster, namespace } = await session.open(command);
        const now = (await cluster.get('Deployment', namespace, name)).spec?.paused ?? false;
        if (now === paused) throw new CliError(`deployments.apps "${name}" is ${paused ? 'already' : 'not'} paused`);
        await cluster.mergePatch(kind, namespace, name, { spec: { paused: paused ? true : null } });
        session.io.out(`${fullName(kind, name)} ${paused ? 'paused' : 'resumed'}\n`);
      });
  }

  rollout
    .command('history')
    .description('Lists the revisions that can be gone back to.')
    .argument(target, 'deploy/NAME')
    .action(async (words: string[], _options: unknown, command: Command) => {
      const { kind, name } = deploymentOf(words);
      const { cluster, namespace } = await session.open(command);
      const revisions = await revisionsOf(cluster, namespace, name);
      const table = new Table(['Revision', 'Change-Cause', 'Images']);
      session.io.out(`${fullName(kind, name)}\n`);
      session.io.out(
        table.render(
          revisions.map(({ number, set }) => [
            String(number),
            set.metadata?.annotations[CHANGE_CAUSE] ?? '<none>',
            (set.spec?.template?.spec?.containers ?? []).map(({ image }) => image ?? '').join(','),
          ]),
        ),
      );
    });

  rollout
    .command('undo')
    .description('Goes back to the revision before, or to a given one.')
    .argument(target, 'deploy/NAME')
    .option('--to-revision <number>', 'to this one', countOption, 0)
    .action(async (words: string[], options: { readonly toRevision: number }, command: Command) => {
      const { kind, name } = deploymentOf(words);
      const { cluster, namespace } = await session.open(command);
      const revisions = await revisionsOf(cluster, namespace, name);
      const wanted = options.toRevision === 0 ? revisions.at(-2) : revisions.find(({ number }) => number === options.toRevision);
      if (wanted === undefined) {
        throw new CliError(
          options.toRevision === 0
            ? `no rollout history found for deployment "${name}"`
            : `unable to find specified revision ${options.toRevision} in history`,
          {
            advice: `There are: ${revisions.map(({ number }) => number).join(', ') || 'none'}`,
          },
        );
      }
      const deployment = await cluster.get('Deployment', namespace, name);
      const was = toManifest('ReplicaSet', wanted.set)['spec'];
      const is = toManifest('Deployment', deployment)['spec'];
      if (!isObject(was) || !isObject(is)) throw new CliError(`deployment "${name}" has no template`);
      const template = structuredClone(was['template']);
      if (isObject(template) && isObject(template['metadata']) && isObject(template['metadata']['labels']))
        delete template['metadata']['labels'][TEMPLATE_HASH];
      const change = diffAsMergePatch(isObject(is['template']) ? is['template'] : {}, isObject(template) ? template : {});
      await cluster.mergePatch(kind, namespace, name, { spec: { template: change } });
      session.io.out(`${fullName(kind, name)} rolled back to revision ${wanted.number}\n`);
    });
}
