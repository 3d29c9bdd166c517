// `podplane rollout`: how a Deployment, DaemonSet or StatefulSet gets from one template to the next.
import { toManifest } from '@podplane/api/decode/manifest';
import { isObject } from '@podplane/api/decode/tree';
import { PodTemplateSpec } from '@podplane/api/gen/podplane/core/v1/pod';
import type { KindMap } from '@podplane/api/kinds/kind-map';
import { kindNames } from '@podplane/api/kinds/kind-names';
import { diffAsMergePatch } from '@podplane/api/patch';
import type { Command } from 'commander';
import type { Cluster } from '../cluster.js';
import { CliError, usage } from '../exit-codes.js';
import { fullName, isKindWord, type Named } from '../kinds.js';
import { templateText } from '../output/describe-template.js';
import { startProgress } from '../output/progress.js';
import { Table } from '../output/table.js';
import { rolloutVerdict } from '../readiness.js';
import { CHANGE_CAUSE, REVISION, type Revision, ROLLOUT_KINDS, type RolloutKind, revisionsOf } from '../revisions.js';
import type { Session } from '../session.js';
import { forEachTarget, pick, type Target } from '../targets.js';
import { countOption, limitOption } from '../time.js';
import { untilReady, verdictOf } from '../wait.js';
import { parseTarget } from '../workloads.js';

const RESTARTED_AT = 'kubectl.kubernetes.io/restartedAt';

interface Rollable extends Named {
  readonly kind: RolloutKind;
}

const isRollable = (kind: string): kind is RolloutKind => (ROLLOUT_KINDS as readonly string[]).includes(kind);

const SOME = 'deploy/NAME, ds/NAME or sts/NAME; several of them';
const SELECTOR = ['-l, --selector <labels>', 'those with these labels'] as const;
const ALL = ['--all', 'all of the kind, in the namespace'] as const;

const EXAMPLE = 'For example: podplane rollout status deploy/web';

/** deploy/web or "deployment web". */
function workloadOf(words: readonly string[]): Rollable {
  const [first = '', second, ...more] = words;
  if (words.length === 0) throw usage('you must say which workload', 'For example: podplane rollout restart deploy/web');
  if (more.length > 0 || (second !== undefined && words.some((word) => word.includes('/')))) throw usage('name one workload', EXAMPLE);
  if (second === undefined && !first.includes('/')) {
    if (isKindWord(first)) throw usage(`you must say which: ${first}/NAME, or ${first} NAME`);
    throw usage(`"${first}" may be of any kind: say deploy/${first}, ds/${first} or sts/${first}`);
  }
  const { kind, name } = parseTarget(second === undefined ? first : `${first}/${second}`);
  if (isRollable(kind)) return { kind, name };
  throw usage(`${fullName(kind, name)} has no rollout; Deployments, DaemonSets and StatefulSets have`, EXAMPLE);
}

const there = (revisions: readonly Revision[]): string => `There are: ${revisions.map(({ number }) => number).join(', ') || 'none'}`;

function revisionOf(revisions: readonly Revision[], number: number): Revision {
  const found = revisions.find((one) => one.number === number);
  if (found === undefined) throw new CliError(`unable to find specified revision ${number} in history`, { advice: there(revisions) });
  return found;
}

interface StatusOptions {
  readonly watch: boolean;
  readonly timeout: number;
  readonly revision: number;
}

/** How a rollout stands; revision 0: whichever is the newest. */
function judgeOf(revision: number): typeof verdictOf {
  return (kind, object, pods) => {
    if (kind !== 'Deployment') return verdictOf(kind, object, pods);
    const deployment = object as KindMap['Deployment'];
    const isSeen = (deployment.status?.observedGeneration ?? 0) >= (deployment.metadata?.generation ?? 0);
    const running = Number(deployment.metadata?.annotations[REVISION] ?? 0);
    if (revision > 0 && isSeen && running !== revision)
      return { state: 'failed', text: `desired revision (${revision}) is different from the running revision (${running})` };
    return rolloutVerdict(deployment, pods);
  };
}

interface SomeOptions {
  readonly selector?: string;
  readonly all?: boolean;
}

/** All that are named: several, or those with labels. Throws usage errors. */
async function workloadsOf(
  session: Session,
  command: Command,
  words: readonly string[],
  options: SomeOptions,
): Promise<{ readonly cluster: Cluster; readonly targets: readonly (Target & Rollable)[] }> {
  const isMany = options.selector !== undefined || options.all === true;
  if (words.length < 2 && !isMany) workloadOf(words); // says what is missing
  const { cluster, targets } = await pick(session, command, words, options);
  const rollable = targets.map((target) => {
    const { kind, name } = target;
    if (!isRollable(kind)) throw usage(`${fullName(kind, name)} has no rollout; Deployments, DaemonSets and StatefulSets have`, EXAMPLE);
    return { ...target, kind };
  });
  return { cluster, targets: rollable };
}

export function registerRollout(program: Command, session: Session): void {
  const rollout = program
    .command('rollout')
    .summary('follow and steer the change of a workload')
    .description('Follows and steers the change of a Deployment, DaemonSet or StatefulSet.');
  const target = '<workload...>';
  const some = '[workloads...]';

  rollout
    .command('status')
    .description('Waits until the rollout is complete.\nExit codes: 0 complete, 1 failed, 3 not in time.')
    .argument(target, 'deploy/NAME, ds/NAME or sts/NAME')
    .option('-w, --watch [bool]', 'wait until it is complete', (text: string) => text !== 'false', true)
    .option('--timeout <duration>', 'longest wait; 0: no limit', limitOption, 300_000)
    .option('--revision <number>', 'of this revision; one that is not the newest has failed', countOption, 0)
    .action(async (words: string[], options: StatusOptions, command: Command) => {
      const { kind, name } = workloadOf(words);
      const { cluster, namespace } = await session.open(command);
      const { io } = session;
      const what = `${kindNames[kind].singular} "${name}"`;
      const judge = judgeOf(options.revision);
      if (!options.watch) {
        const verdict = judge(kind, await cluster.get(kind, namespace, name), []);
        if (verdict.state === 'failed') throw new CliError(`${what} ${verdict.text}`);
        io.out(verdict.state === 'done' ? `${what} successfully rolled out\n` : `Waiting for ${what} rollout to finish: ${verdict.text}\n`);
        return;
      }
      const progress = startProgress(io);
      try {
        await cluster.get(kind, namespace, name); // one that does not exist is an error, not something to wait for
        await untilReady({ io, cluster, namespace, timeoutMs: options.timeout, progress }, { kind, name }, judge);
      } finally {
        progress.stop();
      }
      io.out(`${what} successfully rolled out\n`);
    });

  rollout
    .command('restart')
    .description('Replaces all pods, by the rules of the rollout.')
    .argument(some, SOME)
    .option(...SELECTOR)
    .option(...ALL)
    .action(async (words: string[], options: SomeOptions, command: Command) => {
      const { cluster, targets } = await workloadsOf(session, command, words, options);
      const now = new Date(session.io.system.clock.now()).toISOString();
      await forEachTarget(session, targets, async ({ kind, namespace, name }) => {
        if (kind === 'Deployment' && (await cluster.get(kind, namespace, name)).spec?.paused === true)
          throw new CliError(`deployments.apps "${name}" can't restart paused deployment (run rollout resume first)`);
        await cluster.mergePatch(kind, namespace, name, { spec: { template: { metadata: { annotations: { [RESTARTED_AT]: now } } } } });
        session.io.out(`${fullName(kind, name)} restarted\n`);
      });
    });

  for (const [word, paused] of [
    ['pause', true],
    ['resume', false],
  ] as const) {
    rollout
      .command(word)
      .description(paused ? 'Keeps changes of the template from being rolled out.' : 'Lets changes of the template be rolled out again.')
      .argument(some, SOME)
      .option(...SELECTOR)
      .option(...ALL)
      .action(async (words: string[], options: SomeOptions, command: Command) => {
        const { cluster, targets } = await workloadsOf(session, command, words, options);
        const other = targets.find(({ kind }) => kind !== 'Deployment');
        if (other !== undefined) throw usage(`${fullName(other.kind, other.name)}: pausing is not supported; Deployments can be paused`);
        await forEachTarget(session, targets, async ({ kind, namespace, name }) => {
          const now = (await cluster.get('Deployment', namespace, name)).spec?.paused ?? false;
          if (now === paused) throw new CliError(`deployments.apps "${name}" is ${paused ? 'already' : 'not'} paused`);
          await cluster.mergePatch(kind, namespace, name, { spec: { paused: paused ? true : null } });
          session.io.out(`${fullName(kind, name)} ${paused ? 'paused' : 'resumed'}\n`);
        });
      });
  }

  rollout
    .command('history')
    .description('Lists the revisions that can be gone back to.')
    .argument(target, 'deploy/NAME, ds/NAME or sts/NAME')
    .option('--revision <number>', 'all of this one', countOption, 0)
    .action(async (words: string[], options: { readonly revision: number }, command: Command) => {
      const { kind, name } = workloadOf(words);
      const { cluster, namespace } = await session.open(command);
      const revisions = await revisionsOf(cluster, namespace, kind, name);
      if (options.revision !== 0) {
        const { cause, template } = revisionOf(revisions, options.revision);
        session.io.out(`${fullName(kind, name)} with revision #${options.revision}\n`);
        if (cause !== '') session.io.out(`Change-Cause: ${cause}\n`);
        session.io.out(templateText({ template: PodTemplateSpec.fromJSON(template) }));
        return;
      }
      const table = new Table(['Revision', 'Change-Cause', 'Images']);
      session.io.out(`${fullName(kind, name)}\n`);
      session.io.out(table.render(revisions.map(({ number, cause, images }) => [String(number), cause || '<none>', images.join(',')])));
    });

  rollout
    .command('undo')
    .description('Goes back to the revision before, or to a given one.')
    .argument(target, 'deploy/NAME, ds/NAME or sts/NAME')
    .option('--to-revision <number>', 'to this one', countOption, 0)
    .action(async (words: string[], options: { readonly toRevision: number }, command: Command) => {
      const { kind, name } = workloadOf(words);
      const { cluster, namespace } = await session.open(command);
      const revisions = await revisionsOf(cluster, namespace, kind, name);
      const wanted = options.toRevision === 0 ? revisions.at(-2) : revisionOf(revisions, options.toRevision);
      if (wanted === undefined)
        throw new CliError(`no rollout history found for ${kindNames[kind].singular} "${name}"`, {
          advice: `${there(revisions)}. There is nothing to go back to before the template has changed.`,
        });
      const spec = toManifest(kind, (await cluster.get(kind, namespace, name)) as never)['spec'];
      if (!isObject(spec)) throw new CliError(`${fullName(kind, name)} has no template`);
      const change = diffAsMergePatch(isObject(spec['template']) ? spec['template'] : {}, wanted.template);
      if (Object.keys(change).length === 0) {
        session.io.out(`${fullName(kind, name)} skipped rollback (current template already matches revision ${wanted.number})\n`);
        return;
      }
      // The cause goes with the template that it is the cause of.
      const annotations = { [CHANGE_CAUSE]: wanted.cause === '' ? null : wanted.cause };
      await cluster.mergePatch(kind, namespace, name, { metadata: { annotations }, spec: { template: change } });
      session.io.out(`${fullName(kind, name)} rolled back to revision ${wanted.number}\n`);
      // kubectl refuses it here; but what failed and was paused by its annotation is better taken back before it goes on.
      if (spec['paused'] === true) session.io.err(`It is paused: podplane rollout resume ${words.join(' ')} lets it be rolled out.\n`);
    });
}
