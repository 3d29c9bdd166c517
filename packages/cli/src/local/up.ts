// `podplane up`: a server and some agents on this machine, each a process of its own. Runs until Ctrl-C, which ends them and leaves the
// pods running; the next up adopts them. What is kept where is in data-dir.ts.
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from '../cluster.js';
import { CliError } from '../exit-codes.js';
import { type Io, untilAborted } from '../io.js';
import { observe, waitFor } from '../observe.js';
import { startProgress } from '../output/progress.js';
import { spent } from '../time.js';
import { AGENT_FLAGS } from './agent-flags.js';
import { type Child, commandLine, endText, lastLines, startChild, untilReady } from './children.js';
import { DataDir, makeFolder } from './data-dir.js';
import type { EngineNetwork } from './engine.js';
import { endProcess, isAlive, refOf } from './processes.js';
import { claimChosenRange, claimFreeRange } from './range-claim.js';

const SERVER_LIMIT_MS = 30_000;
const NODES_LIMIT_MS = 60_000;
/** Server and agents end within this, or are killed. */
const GRACE_MS = 10_000;
const TOKEN_TTL_S = 600;

export interface UpOptions {
  readonly nodes: number;
  readonly data: string;
  /** 0: any free one. */
  readonly port: number;
  readonly address: string;
  readonly nodePrefix: string;
  /** All pods' addresses; undefined: as before, or a range that nothing on this machine uses. */
  readonly clusterCidr?: string;
  /** More options for the server. */
  readonly serverFlags: readonly string[];
}

export interface UpWorld {
  readonly io: Io;
  /** Dials the cluster of a context file. */
  readonly dial: (contextFile: string) => Promise<Cluster>;
  /** Networks of the engine. Rejects with a CliError where no Docker Engine can be used. */
  readonly networks: () => Promise<readonly EngineNetwork[]>;
  /** Ranges of addresses of this machine's own interfaces. */
  readonly ownRanges: () => readonly string[];
  /** Notes the context for commands in this checkout; answers how to undo it. */
  readonly publish: (contextFile: string) => Promise<void>;
}

/** Makes the folder, or says why it cannot be used. */
function prepare(data: DataDir): void {
  try {
    makeFolder(data.agents);
    accessSync(data.root, constants.W_OK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CliError(`the data directory ${data.root} cannot be written (${code})`, {
      advice: 'Choose another one: --data DIRECTORY',
      cause: error,
    });
  }
}

/** Refuses where an up runs; ends what one that was killed has left. */
async function clearLeftovers(io: Io, data: DataDir): Promise<void> {
  const before = data.readUp();
  if (before === undefined) return;
  if (before.up.pid !== process.pid && isAlive(before.up)) {
    throw new CliError(`podplane up runs already with ${data.root} (process ${before.up.pid}; server at ${before.server.address})`, {
      advice: `Use it as it is, stop it with Ctrl-C (or kill ${before.up.pid}), or start another one with --data OTHER --port 0 --node-prefix OTHER.`,
    });
  }
  const left = [before.server, ...before.agents].filter(isAlive);
  if (left.length > 0) {
    io.err(`Ending ${left.length} processes of an earlier start that was killed; their pods stay ...\n`);
    await Promise.all(left.map((one) => endProcess(io.system, one, GRACE_MS)));
  }
  data.removeUp();
}

/** A node's name belongs to the data directory that used it first on this engine; an agent would refuse too, but only in its log. */
function refuseTakenNames(names: readonly string[], networks: readonly EngineNetwork[], data: DataDir): void {
  const taken = names.filter((name) => {
    const owner = networks.find(({ labels }) => labels['podplane.dev/node'] === name)?.labels['podplane.dev/machine'];
    return owner !== undefined && owner !== data.machineId(name);
  });
  if (taken.length === 0) return;
  throw new CliError(`another Podplane cluster on this Docker Engine has nodes named ${taken.join(', ')}`, {
    advice: `Start this one with other names: --node-prefix OTHER (and --port 0). If that cluster is gone for good, remove what it left: podplane down --leftovers ${taken.join(',')}`,
  });
}

export async function up(world: UpWorld, options: UpOptions): Promise<void> {
  const { io } = world;
  const { system } = io;
  const began = system.clock.monotonic();
  const data = new DataDir(join(options.data));
  prepare(data);
  await clearLeftovers(io, data);
  const names = Array.from({ length: options.nodes }, (_, i) => `${options.nodePrefix}-${i + 1}`);
  const networks = await world.networks();
  refuseTakenNames(names, networks, data);
  const chosen = options.clusterCidr ?? data.readRange();
  const inUse = async (): Promise<readonly string[]> => [...(await world.networks()).flatMap(({ ranges }) => ranges), ...world.ownRanges()];
  using claim = await (chosen === undefined ? claimFreeRange(inUse) : claimChosenRange(chosen));
  const children: Child[] = [];
  let cluster: Cluster | undefined;
  // Noted as soon as there is a process: whoever kills this one leaves nothing that down or the next up does not know of.
  const note = (address: string): void => {
    const [server, ...agents] = children;
    if (server === undefined) return;
    data.writeUp({
      up: refOf(process.pid),
      server: { ...server.ref, address },
      agents: agents.map(({ name, ref }) => ({ name, ...ref, address })),
    });
  };
  try {
    const serverArgs = [
      'server',
      '--data',
      data.server,
      '--port',
      String(options.port),
      '--address',
      options.address,
      '--context-file',
      data.contextFile,
      '--cluster-cidr',
      claim.range,
      ...options.serverFlags,
    ];
    const server = startChild('the server', serverArgs, data.log('server'));
    children.push(server);
    note('');
    const { address } = await untilReady(system, server, SERVER_LIMIT_MS, io.signal);
    note(address);
    data.writeRange(claim.range); // the server took it
    cluster = await world.dial(data.contextFile);
    const { secret, token } = await cluster.createToken('podplane up', TOKEN_TTL_S);
    // A node that was Ready when server and agent stopped is Ready in the server's eyes until it is missed: each start has another id.
    const { items: before } = await cluster.list('Node', { namespace: '' });
    const startIds = new Set(before.map(({ status }) => status?.nodeInfo?.bootID));
    const agents = names.map((name) =>
      startChild(
        name,
        ['agent', '--data', data.agent(name), '--name', name, '--server', address],
        data.log(name),
        { PODPLANE_TOKEN: secret },
        AGENT_FLAGS, // as bin/podplane.js does for agents that are started by hand
      ),
    );
    children.push(...agents);
    note(address);
    const idle = data.agentNames().filter((name) => !names.includes(name));
    if (idle.length > 0) io.err(`Not started this time: ${idle.join(', ')}. What they left is removed by: ${commandLine(['down'])}\n`);
    await untilNodesReady(io, cluster, agents, startIds, began);
    if (token !== undefined) await cluster.revokeToken(token.id).catch(() => undefined); // it ends by itself soon
    cluster.close();
    await world.publish(data.contextFile);
    greet(io, data, address, names.length, spent(system.clock.monotonic() - began));
    const port = address.slice(address.lastIndexOf(':') + 1);
    watchChild(io, server, serverArgs.with(serverArgs.indexOf('--port') + 1, port));
    for (const agent of agents) watchChild(io, agent, ['agent', '--data', data.agent(agent.name)]);
    await untilAborted(io);
  } finally {
    cluster?.close();
    await stopAll(io, data, children);
  }
}

/** Until the agents' nodes are Ready, by what these very agents said: startIds are those of earlier starts. */
async function untilNodesReady(
  io: Io,
  cluster: Cluster,
  agents: readonly Child[],
  startIds: ReadonlySet<string | undefined>,
  began: number,
): Promise<void> {
  const progress = startProgress(io);
  const ready = new Set<string>();
  const started = io.system.clock.monotonic();
  const text = (): string => `nodes Ready: ${ready.size} of ${agents.length}`;
  try {
    const failed = Promise.race(
      agents.map(async (child) => {
        await untilReady(io.system, child, NODES_LIMIT_MS, io.signal); // rejects where it ends
        return new Promise<never>((_, reject) => {
          void child.ended.then((how) =>
            reject(
              new CliError(`${child.name} ended (${how}):\n${lastLines(child.logFile, 0, 3)}`, { advice: `Its log: ${child.logFile}` }),
            ),
          );
        });
      }),
    );
    const wait = waitFor({
      io,
      what: `${agents.length} nodes to be Ready`,
      timeoutMs: NODES_LIMIT_MS - (io.system.clock.monotonic() - started),
      advice: `Their logs: ${agents[0]?.logFile ?? ''} ...`,
      judge: () => (ready.size === agents.length ? { state: 'done', text: text() } : { state: 'waiting', text: text() }),
      run: (signal, changed) => [
        observe(cluster, 'Node', { namespace: '' }, signal, (nodes) => {
          ready.clear();
          for (const node of nodes.values()) {
            const is = node.status?.conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
            if (is && !startIds.has(node.status?.nodeInfo?.bootID) && agents.some(({ name }) => name === node.metadata?.name))
              ready.add(node.metadata?.name ?? '');
          }
          changed();
        }),
      ],
      onWord: (word) => progress.say(io.live ? `${word} after ${spent(io.system.clock.monotonic() - began)}` : word),
    });
    await Promise.race([wait, failed]);
  } finally {
    progress.stop();
  }
}

function greet(io: Io, data: DataDir, address: string, nodes: number, time: string): void {
  io.out(
    `${nodes} ${nodes === 1 ? 'node' : 'nodes'} Ready after ${time}. The control plane is at ${address}; its data and logs are in ${data.root}\n\n` +
      'In another terminal, in this checkout:\n' +
      `  ${commandLine(['get', 'nodes'])}\n` +
      `  ${commandLine(['apply', '-f', 'examples/web.yaml'])}\n` +
      `Elsewhere: export PODPLANE_CONTEXT=${data.contextFile}\n\n` +
      `Ctrl-C stops server and agents; pods go on running, the next start takes them over. To remove everything: ${commandLine(['down'])}\n`,
  );
}

/** Says when one has ended, and how to start it again: it is not done here, as a node that was killed shall be lost. */
function watchChild(io: Io, child: Child, again: readonly string[]): void {
  void child.ended.then((how) => {
    if (!io.signal.aborted) io.err(endText(child, how, again));
  });
}

/** The server first, so that it does not see nodes leave and replace their pods. */
async function stopAll(io: Io, data: DataDir, children: readonly Child[]): Promise<void> {
  const noted = data.readUp();
  const [server, ...agents] = children;
  // What was started again by hand is noted there.
  const mine = noted?.up.pid === process.pid ? noted : undefined;
  const refs = [...agents.map(({ ref }) => ref), ...(mine?.agents ?? [])];
  if (io.signal.aborted) io.err('Stopping server and agents; pods go on running ...\n');
  const servers = [server?.ref, mine?.server].filter((ref) => ref !== undefined);
  await Promise.all(servers.map((ref) => endProcess(io.system, ref, GRACE_MS)));
  await Promise.all(refs.map((ref) => endProcess(io.system, ref, GRACE_MS)));
  if (mine !== undefined) data.removeUp();
}
