// `podplane sim`: what would happen if. The server thinks it through with its real controllers and scheduler on a copy of its state; here it is
// asked and told.
import { ApiError } from '@podplane/api/errors';
import type { SimulatedPod, SimulatedWrite, SimulateResponse } from '@podplane/api/gen/podplane/api/v1/cluster';
import { toObject } from '@podplane/api/kinds/catalogue';
import type { Command } from 'commander';
import { newObject, type Planned, patchFor, planApply, refusalOf } from '../apply.js';
import { EXIT_FAILED, usage } from '../exit-codes.js';
import type { Io } from '../io.js';
import { nodeName } from '../kinds.js';
import { collect, readManifests } from '../manifests.js';
import { Table } from '../output/table.js';
import type { GlobalOptions, Session } from '../session.js';
import { spent } from '../time.js';
import { previewDrain } from './drain.js';

interface Options {
  readonly check?: boolean;
  readonly output?: string;
}

const STATES = ['moves', 'new', 'pending', 'lost', 'stays', 'ignored', 'goes'] as const;
/** What nobody wishes for. */
const BAD: readonly string[] = ['pending', 'lost', 'stays', 'blocked'];

const dash = (text: string): string => (text === '' ? '-' : text);

function row(pod: SimulatedPod): readonly string[] {
  const name = pod.name === '' ? '-' : `${pod.namespace}/${pod.name}`;
  return [name, dash(pod.workload), pod.state, dash(pod.node), dash(pod.newNode), dash(pod.newName), pod.message];
}

/** Returns whether all is well. */
function tell(io: Io, answer: SimulateResponse, options: Options): boolean {
  const { pods, budgets, unchanged, settled, elapsedMillis } = answer;
  const well = budgets.length === 0 && !pods.some(({ state }) => BAD.includes(state));
  if (options.output === 'json') {
    io.out(`${JSON.stringify(answer, undefined, 2)}\n`);
    return well;
  }
  if (pods.length > 0) io.out(new Table(['Pod', 'Of', 'What', 'From', 'To', 'As', 'Why']).render(pods.map(row)));
  for (const { namespace, name, desiredHealthy, fewestHealthy } of budgets) {
    io.out(
      `The budget ${namespace}/${name} would be broken: ${fewestHealthy} healthy pods for a while, where it asks for ${desiredHealthy}.\n`,
    );
  }
  const counts = STATES.flatMap((state) => {
    const count = pods.filter((pod) => pod.state === state).length;
    return count > 0 ? [`${count} ${state}`] : [];
  });
  const time = settled ? `settled after ${spent(elapsedMillis)} of its time` : `not settled after ${spent(elapsedMillis)} of its time`;
  io.out(`${[...counts, `${unchanged} unchanged`].join(', ')}; ${time} (nothing was changed)\n`);
  return well;
}

function writeOf(planned: Planned): SimulatedWrite | undefined {
  const { kind, namespace, name, current } = planned;
  if (current === undefined) return { write: { $case: 'create', value: toObject(kind, newObject(planned) as never) } };
  const patch = patchFor({ ...planned, current });
  if (patch === undefined) return undefined;
  return { write: { $case: 'patch', value: { kind, namespace, name, patch: Buffer.from(JSON.stringify(patch)) } } };
}

/** What the server refused of these, with its place in the file. */
function located(planned: readonly Planned[], error: unknown): unknown {
  if (!(error instanceof ApiError)) return error;
  const { kind, namespace, name } = error.target;
  const refused = planned.find((one) => one.kind === kind && one.namespace === namespace && one.name === name);
  return refused === undefined ? error : refusalOf(refused.decoded, error);
}

export function registerSim(program: Command, session: Session): void {
  const sim = program
    .command('sim')
    .summary('what would happen if')
    .description(
      'Asks what would happen, and changes nothing: the real controllers and scheduler go on with a copy of the state, by a clock of their own, until nothing changes any more. Pods count as ready a second after they got a node; CronJobs start nothing meanwhile.',
    );
  const subcommand = (name: string, description: string): Command =>
    sim
      .command(name)
      .description(description)
      .option('--check', 'exit code 1 where a pod would be pending, lost, blocked or not replaced, or a budget broken')
      .option('-o, --output <format>', 'json');
  const options = (command: Command): Options => {
    const given = command.opts<Options>();
    if (given.output !== undefined && given.output !== 'json') throw usage(`--output: "${given.output}" is not json`);
    return given;
  };
  const end = (well: boolean, { check }: Options): void => {
    if (!well && check === true) process.exitCode = EXIT_FAILED;
  };

  subcommand('lose-node', 'These nodes fall silent at once and do not return.')
    .argument('<nodes...>', 'names of nodes')
    .action(async (nodes: readonly string[], _options: unknown, command: Command) => {
      const given = options(command);
      const { cluster } = await session.open(command);
      const answer = await cluster.simulate({ $case: 'loseNodes', value: { nodes: nodes.map(nodeName) } });
      end(tell(session.io, answer, given), given);
    });

  subcommand('drain', 'Nodes are drained; as podplane drain --dry-run with everything allowed.')
    .argument('<nodes...>', 'names of nodes')
    .action(async (nodes: readonly string[], _options: unknown, command: Command) => {
      const given = options(command);
      const names = [...new Set(nodes.map(nodeName))];
      const { cluster } = await session.open(command);
      const allowed = { ignoreDaemonSets: true, force: true, deleteEmptyDirData: true, disableEviction: false };
      const rest = {
        gracePeriodSeconds: undefined,
        skipWaitForDeleteSeconds: undefined,
        timeoutSeconds: 0,
        onTimeout: 'Stop',
        podSelector: '',
      };
      let well = true;
      for (const node of names) {
        const others = names.filter((other) => other !== node);
        const pods = await previewDrain(cluster, session.io, { node, others, ...allowed, ...rest, dryRun: true }, given.output);
        if (pods.some(({ state }) => BAD.includes(state))) well = false;
      }
      end(well, given);
    });

  subcommand('apply', 'Manifests are applied.')
    .option('-f, --filename <file>', 'a file, a directory, or - for standard input (may be given several times)', collect)
    .option('-R, --recursive', 'directories of directories too')
    .action(async (files: { readonly filename?: readonly string[]; readonly recursive?: boolean }, command: Command) => {
      const given = options(command);
      const { io } = session;
      const objects = await readManifests(io, files.filename ?? [], files.recursive === true);
      const { cluster, namespace } = await session.open(command);
      const explicit = command.optsWithGlobals<GlobalOptions>().namespace !== undefined;
      const planned = await planApply(cluster, objects, { namespace, explicit, now: io.system.clock.now() });
      const writes = planned.flatMap((one) => writeOf(one) ?? []);
      const answer = await cluster.simulate({ $case: 'writes', value: { writes } }).catch((error: unknown) => {
        throw located(planned, error);
      });
      end(tell(io, answer, given), given);
    });
}
