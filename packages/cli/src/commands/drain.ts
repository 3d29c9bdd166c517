// `podplane drain`: asks the server to empty nodes and tells how it goes. The server does it: a command that ends, or is cut off, stops nothing.
import type { DrainNodeRequest, DrainNodeResponse, DrainPod, WatchDrainResponse } from '@podplane/api/gen/podplane/api/v1/cluster';
import { type Command, InvalidArgumentError } from 'commander';
import type { Cluster } from '../cluster.js';
import { EXIT_FAILED, EXIT_INTERRUPTED, EXIT_TIMEOUT, usage } from '../exit-codes.js';
import { isUnreachable } from '../failure.js';
import { type Io, pause } from '../io.js';
import { nodeName } from '../kinds.js';
import { Table } from '../output/table.js';
import type { Session } from '../session.js';
import { durationOption } from '../time.js';

/** Between attempts to hear of a drain again, ms, and how long a server may be away. */
const AGAIN_MS = 500;
const PATIENCE_MS = 60_000;

interface Options {
  readonly selector?: string;
  readonly podSelector: string;
  readonly ignoreDaemonsets?: boolean;
  readonly force?: boolean;
  readonly deleteEmptydirData?: boolean;
  readonly disableEviction?: boolean;
  readonly gracePeriod: number;
  readonly skipWaitForDeleteTimeout: number;
  readonly timeout: number;
  readonly onTimeout: string;
  readonly dryRun?: string | boolean;
  readonly wait: boolean;
  readonly output?: string;
}

function seconds(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < -1) throw new InvalidArgumentError('Use a whole number of seconds, or -1.');
  return value;
}

export function registerDrain(program: Command, session: Session): void {
  program
    .command('drain')
    .summary('empty nodes for maintenance')
    .description(
      'Cordons nodes and evicts their pods as disruption budgets allow. The server carries it out: this command only tells how it goes, and may be ended. `podplane uncordon NODE` ends a drain and lets pods come back. Exit codes: 3 when the time was over first, 1 when the drain was cancelled or refused.',
    )
    .argument('[nodes...]', 'names of nodes')
    .option('-l, --selector <labels>', 'nodes with these labels')
    .option('--ignore-daemonsets', 'leave pods of DaemonSets alone')
    .option('--force', 'also pods that declare no controller: nobody makes them anew')
    .option('--delete-emptydir-data', 'also pods with emptyDir volumes: what is in them is lost')
    .option('--pod-selector <labels>', 'only pods with these labels', '')
    .option('--grace-period <seconds>', 'what containers get to end; -1: as each pod says', seconds, -1)
    .option('--timeout <duration>', 'how long it may take; 0: for ever', durationOption, 0)
    .option('--on-timeout <what>', 'stop: tell what is left; delete: delete it, whatever its budgets say', 'stop')
    .option('--skip-wait-for-delete-timeout <seconds>', 'do not wait for pods whose grace is over for longer; 0: wait', seconds, 0)
    .option('--disable-eviction', 'delete without asking the budgets')
    .option('--dry-run [how]', 'change nothing; tell what would go, and where its replacement would run')
    .option('--no-wait', 'do not wait until the nodes are empty')
    .option('-o, --output <format>', 'of a dry run: json')
    .action(async (given: string[], options: Options, command: Command) => {
      if (given.length === 0 && options.selector === undefined) throw usage('drain needs names of nodes, or --selector');
      if (given.length > 0 && options.selector !== undefined) throw usage('names cannot be given together with a selector');
      if (options.onTimeout !== 'stop' && options.onTimeout !== 'delete')
        throw usage(`--on-timeout: "${options.onTimeout}" is not stop or delete`);
      if (typeof options.dryRun === 'string' && !['server', 'client', 'none'].includes(options.dryRun))
        throw usage(`--dry-run: "${options.dryRun}" is not server, client or none`);
      if (options.output !== undefined && options.output !== 'json') throw usage(`--output: "${options.output}" is not json`);
      const { cluster } = await session.open(command);
      const names = [...new Set(given.map(nodeName))];
      if (options.selector !== undefined) {
        const { items } = await cluster.list('Node', { namespace: '', labelSelector: options.selector });
        for (const { metadata } of items) names.push(metadata?.name ?? '');
        if (names.length === 0) session.io.err('No resources found\n');
      }
      if (options.dryRun !== undefined && options.dryRun !== false && options.dryRun !== 'none')
        for (const name of names) await preview(cluster, session.io, name, names, options);
      else await drainAll(cluster, session.io, names, options);
    });
}

/** One after the other, as kubectl does; all are cordoned with the first, so that no pod goes from one to the next. */
async function drainAll(cluster: Cluster, io: Io, names: readonly string[], options: Options): Promise<void> {
  for (const [i, name] of names.entries()) {
    const rest = names.slice(i + 1);
    let left = i === 0 ? [] : names.slice(i);
    try {
      const begun = await cluster.drainNode(requestOf(name, options, { dryRun: false, others: i === 0 ? rest : [] }));
      if (i === 0) for (const one of names) io.out(`node/${one} cordoned\n`);
      left = rest;
      await drain(cluster, io, name, begun, options);
      if (!io.signal.aborted) left = [];
    } finally {
      if (left.length > 0) io.err(`Cordoned and not drained: ${left.join(', ')}\n`);
    }
    if (io.signal.aborted) return;
  }
}

/** others: nodes that are cordoned with it, to be drained as well. */
function requestOf(
  node: string,
  options: Options,
  { dryRun, others }: { readonly dryRun: boolean; readonly others: readonly string[] },
): Omit<DrainNodeRequest, 'fieldManager'> {
  const { gracePeriod, skipWaitForDeleteTimeout: skip } = options;
  return {
    node,
    ignoreDaemonSets: options.ignoreDaemonsets ?? false,
    force: options.force ?? false,
    deleteEmptyDirData: options.deleteEmptydirData ?? false,
    disableEviction: options.disableEviction ?? false,
    podSelector: options.podSelector,
    gracePeriodSeconds: gracePeriod < 0 ? undefined : gracePeriod,
    skipWaitForDeleteSeconds: skip <= 0 ? undefined : skip,
    timeoutSeconds: Math.ceil(options.timeout / 1000),
    onTimeout: options.onTimeout === 'delete' ? 'Delete' : 'Stop',
    dryRun,
    others: others.filter((other) => other !== node),
  };
}

const keyOf = ({ namespace, name }: DrainPod): string => `${namespace}/${name}`;

const preview = (cluster: Cluster, io: Io, node: string, others: readonly string[], options: Options): Promise<readonly DrainPod[]> =>
  previewDrain(cluster, io, requestOf(node, options, { dryRun: true, others }), options.output);

/** Prints what a drain would do. The pods that it is about. */
export async function previewDrain(
  cluster: Cluster,
  io: Io,
  request: Omit<DrainNodeRequest, 'fieldManager'>,
  output: string | undefined,
): Promise<readonly DrainPod[]> {
  const { node } = request;
  const { pods, warnings } = await cluster.drainNode(request);
  if (output === 'json') {
    io.out(`${JSON.stringify({ node, pods, warnings }, undefined, 2)}\n`);
    return pods;
  }
  const rows = pods.map((pod) => [
    keyOf(pod),
    pod.state,
    pod.newNode === '' ? '-' : pod.newNode,
    pod.newName === '' ? '-' : pod.newName,
    pod.message,
  ]);
  if (rows.length > 0) io.out(new Table(['Pod', 'What', 'To node', 'As', 'Why']).render(rows));
  const count = (state: string): number => pods.filter((pod) => pod.state === state).length;
  const parts = ['moves', 'pending', 'blocked', 'lost', 'leaving', 'ended', 'ignored'].flatMap((state) =>
    count(state) > 0 ? [`${count(state)} ${state}`] : [],
  );
  io.out(`node/${node}: ${pods.length === 0 ? 'no pods' : parts.join(', ')} (dry run)\n`);
  return pods;
}

/** Tells of a drain that has begun, to its end. */
async function drain(cluster: Cluster, io: Io, node: string, { id, pods, warnings }: DrainNodeResponse, options: Options): Promise<void> {
  for (const warning of warnings) io.err(`Warning: ${warning}\n`);
  const going = pods.filter(({ state }) => state !== 'ignored');
  if (!options.wait) {
    io.out(`node/${node} is being drained: ${going.length} pods; follow it with: podplane get node ${node} --watch\n`);
    return;
  }
  const ended = await follow(cluster, io, node, id, going);
  if (ended === undefined) {
    io.err(`The server goes on draining node ${node}. To end that: podplane uncordon ${node}\n`);
    process.exitCode = EXIT_INTERRUPTED;
    return;
  }
  if (ended.state === 'Drained') io.out(`node/${node} drained\n`);
  else {
    io.err(`error: node/${node} is not drained: ${ended.message}\n`);
    process.exitCode = ended.state === 'TimedOut' ? EXIT_TIMEOUT : EXIT_FAILED;
  }
}

/** Tells what happens until it is over; undefined: interrupted. */
async function follow(
  cluster: Cluster,
  io: Io,
  node: string,
  id: string,
  pods: readonly DrainPod[],
): Promise<WatchDrainResponse | undefined> {
  const left = new Map(pods.map((pod) => [pod.uid, pod]));
  const told = new Map<string, string>();
  let lostAt: number | undefined;
  while (!io.signal.aborted) {
    try {
      for await (const step of cluster.watchDrain(node, id, io.signal)) {
        if (lostAt !== undefined) io.err('The server is back.\n');
        lostAt = undefined;
        tell(io, step, left, told);
        if (step.state !== 'Draining') return step;
      }
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      const now = io.system.clock.monotonic();
      if (lostAt === undefined) io.err('The server does not answer; the drain goes on when it is back.\n');
      lostAt ??= now;
      if (now - lostAt > PATIENCE_MS) throw error;
    }
    await pause(io, AGAIN_MS, io.signal);
  }
  return undefined;
}

function tell(io: Io, step: WatchDrainResponse, left: Map<string, DrainPod>, told: Map<string, string>): void {
  const now = new Map(step.pods.map((pod) => [pod.uid, pod]));
  if (step.state === 'Draining' || step.state === 'Drained') {
    for (const [uid, pod] of left) {
      if (now.has(uid)) continue;
      io.out(`pod/${pod.name} evicted (${pod.namespace})\n`);
      left.delete(uid);
    }
  }
  for (const [uid, pod] of now) {
    left.set(uid, pod);
    const { state, message } = pod;
    const text = state === 'leaving' ? `evicting pod ${keyOf(pod)}` : state === 'evict' ? '' : `waiting for pod ${keyOf(pod)}: ${message}`;
    if (text === '' || told.get(uid) === text) continue;
    told.set(uid, text);
    io.err(`${text}\n`);
  }
}
