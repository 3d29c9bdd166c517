// Commands that run on this machine: `up` and `down` for a whole cluster, `server` and `agent` for one process of it.

import { X509Certificate } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { homedir, networkInterfaces } from 'node:os';
import { join, resolve } from 'node:path';
import { type NodeResources, parseNodeResource } from '@podplane/agent/node/devices';
import { type Command, InvalidArgumentError } from 'commander';
import { dialFile } from '../connect.js';
import { CliError, usage } from '../exit-codes.js';
import { goOnWithoutReaders, type Io, takesTimeToEnd, untilAborted } from '../io.js';
import { noteAgentProcess, shutDownAgent } from '../local/agent-process.js';
import { type CareFlags, careOf, careOptions } from '../local/care-flags.js';
import { sayReady } from '../local/children.js';
import { down, removeLeftovers } from '../local/down.js';
import { engineNetworks, engineSocket } from '../local/engine.js';
import { noteAgent, noteServer, parseLabels, readNodeFile, writeNodeFile } from '../local/node-file.js';
import { plainLog } from '../local/plain-log.js';
import { refOf } from '../local/processes.js';
import { type UpOptions, up } from '../local/up.js';
import type { Session } from '../session.js';
import { countOption, durationOption } from '../time.js';
import { VERSION } from '../version.js';
import { type ServerTimings, timingsOf, withTimings } from './server-timings.js';

/** Longest that an agent may take to end its pods when it is told that its host shuts down. */
const MOST_SHUTDOWN_MS = 3_600_000;
/** What an agent needs to end besides its pods. */
const ENDING_MS = 15_000;

function portOption(text: string): number {
  const port = countOption(text);
  if (port > 65535) throw usage(`${text} is not a port`, 'Choose one between 1 and 65535, or 0 for any free one.');
  return port;
}

function nodesOption(text: string): number {
  const count = countOption(text);
  if (count < 1 || count > 50) throw usage(`--nodes: ${text} is not between 1 and 50`);
  return count;
}

export function registerLocal(program: Command, session: Session, part: 'cluster' | 'processes'): void {
  const { io } = session;
  if (part === 'processes') {
    registerServer(program, io);
    registerAgent(program, io);
    return;
  }
  program
    .command('up')
    .summary('start a control plane and nodes on this machine')
    .description(
      'Starts a control plane and nodes on this machine, and runs until Ctrl-C. Pods go on running then; the next start takes them over.',
    )
    .option('--nodes <count>', 'how many nodes', nodesOption, 3)
    .option('--data <folder>', 'where everything is kept', 'data')
    .option('--port <port>', 'where the control plane listens; 0: any free one', portOption, 6443)
    .option('--address <address>', 'on which address it listens', '127.0.0.1')
    .option('--node-prefix <word>', 'names of nodes: WORD-1, WORD-2, ...', 'node')
    .option('--cluster-cidr <range>', "all pods' addresses (default: chosen at the first start, so that it overlaps nothing here)")
    .action(async (options: UpOptions) => {
      if (!/^[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?$/.test(options.nodePrefix))
        throw usage(`--node-prefix: "${options.nodePrefix}" cannot be the start of a name`, 'Use a-z, 0-9 and -.');
      goOnWithoutReaders();
      // Loaded while the server starts; where it fails, dialling says so.
      Promise.all([import('@podplane/client/context'), import('@podplane/client/client')]).catch(() => undefined);
      const world = {
        io,
        dial: (file: string) => dialFile(file, io.system),
        networks: () => engineNetworks(engineSocket(io.env)),
        ownRanges,
        publish: (file: string) => publish(io, file),
      };
      await up(world, { ...options, data: resolve(io.cwd, options.data) });
      process.exitCode = 0;
    });
  program
    .command('down')
    .summary('stop and remove what up started')
    .description('Stops what up started and removes all of it: containers, networks, volumes and data.')
    .option('--data <folder>', 'the folder that was given to up', 'data')
    .option('--leftovers <names>', 'only remove what nodes of these names (with commas) left on the engine, whose data is gone')
    .action(async (options: { readonly data: string; readonly leftovers?: string }) => {
      goOnWithoutReaders();
      const removeNode = async (name: string, machineId: string | undefined): Promise<boolean> => {
        const { DockerRuntime } = await import('@podplane/agent/runtime/docker/docker-runtime');
        const { isRuntimeError } = await import('@podplane/agent/runtime/errors');
        const runtime = new DockerRuntime(io.system, {
          socketPath: engineSocket(io.env),
          ...(machineId === undefined ? {} : { machineId }),
        });
        try {
          await runtime.removeNode(name);
          await runtime.removeClaimedVolumes(name);
          return true;
        } catch (error) {
          if (isRuntimeError(error, 'name-taken')) return false;
          throw error;
        }
      };
      if (options.leftovers !== undefined) {
        const names = options.leftovers.split(',').filter((name) => name !== '');
        return await removeLeftovers({ io, removeNode }, names);
      }
      await down({ io, removeNode, unpublish: (file) => unpublish(io, file) }, resolve(io.cwd, options.data));
    });
}

function ownRanges(): readonly string[] {
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .flatMap(({ cidr }) => cidr ?? []);
}

const PUBLISHED = join('.podplane', 'context.json');

/** Makes the context the one that commands in this folder find. Where PODPLANE_CONTEXT is set, the person finds it by that. */
async function publish(io: Io, file: string): Promise<void> {
  if (io.env['PODPLANE_CONTEXT']) return;
  const { findContext, readContext, writeContext } = await import('@podplane/client/context');
  const found = await findContext({ env: {}, cwd: io.cwd, home: homedir() }).catch(() => undefined);
  if (found?.file === resolve(file)) return;
  await writeContext(join(io.cwd, PUBLISHED), await readContext(file));
}

async function unpublish(io: Io, file: string): Promise<void> {
  const { readContext } = await import('@podplane/client/context');
  const published = join(io.cwd, PUBLISHED);
  if (!existsSync(published)) return;
  const [ours, theirs] = await Promise.all([readContext(file).catch(() => undefined), readContext(published).catch(() => undefined)]);
  if (ours !== undefined && ours.caCertificate === theirs?.caCertificate) rmSync(published, { force: true });
}

/** A context is used again while its certificate is good for more than this. */
const CONTEXT_LEFT_MS = 30 * 86_400_000;

interface ServerCommandOptions extends ServerTimings {
  readonly data: string;
  readonly port: number;
  readonly address: string;
  readonly advertise?: string;
  readonly clusterCidr?: string;
  readonly contextFile?: string;
}

function registerServer(program: Command, io: Io): void {
  withTimings(program.command('server'))
    .summary('run a control plane')
    .description('Runs a control plane until it is told to stop (SIGTERM, Ctrl-C).')
    .option('--data <folder>', 'where everything is kept', join('data', 'server'))
    .option('--port <port>', 'where it listens; 0: any free one', portOption, 6443)
    .option('--address <address>', 'on which address it listens; 0.0.0.0: on all', '127.0.0.1')
    .option('--advertise <names>', 'names and addresses by which others reach it (with commas); nodes are told the first one')
    .option('--cluster-cidr <range>', "all pods' addresses", '10.244.0.0/16')
    .option('--context-file <file>', "where an administrator's context is written (default: context.json beside the data)")
    .action(async (options: ServerCommandOptions) => {
      goOnWithoutReaders();
      const { startServer } = await import('@podplane/server/main');
      const dataDir = resolve(io.cwd, options.data);
      const advertise = (options.advertise ?? '').split(',').filter((name) => name !== '');
      const server = await startServer({
        dataDir,
        host: options.address,
        port: options.port,
        advertise,
        ...(options.clusterCidr === undefined ? {} : { clusterCidr: options.clusterCidr }),
        ...timingsOf(options),
      });
      try {
        const file = options.contextFile === undefined ? join(dataDir, 'context.json') : resolve(io.cwd, options.contextFile);
        await keepContext(io, file, server);
        io.err(`The control plane is at ${server.publicAddress}; its administrator's context: ${file}\n`);
        noteServer(dataDir, server.address, refOf(process.pid));
        sayReady(server.address);
        await untilAborted(io);
      } finally {
        await server.stop();
      }
      process.exitCode = 0;
    });
}

type Context = Awaited<ReturnType<typeof import('@podplane/client/context').readContext>>;

/** Writes the administrator's context, with the certificate that it has while that is of this cluster and good. */
async function keepContext(
  io: Io,
  file: string,
  server: { readonly address: string; issueAdminContext(): Promise<Context> },
): Promise<void> {
  const { readContext, writeContext } = await import('@podplane/client/context');
  const known = await readContext(file).catch(() => undefined);
  const fresh = await server.issueAdminContext();
  const good =
    known !== undefined &&
    known.caCertificate === fresh.caCertificate &&
    new X509Certificate(known.clientCertificate).validToDate.getTime() - io.system.clock.now() > CONTEXT_LEFT_MS;
  await writeContext(file, good ? { ...known, server: server.address } : fresh);
}

interface AgentCommandOptions extends CareFlags {
  readonly data: string;
  readonly server?: string;
  readonly token?: string;
  readonly name?: string;
  readonly nodeIp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly shutdown?: boolean;
  readonly shutdownGracePeriod: number;
  readonly shutdownGracePeriodCriticalPods: number;
  readonly resource: NodeResources;
  readonly podPidsLimit?: number;
}

function addResource(text: string, before: NodeResources): NodeResources {
  const found = parseNodeResource(text);
  if (found === undefined) throw new InvalidArgumentError('it must be as in example.com/gpu=/dev/gpu0,/dev/gpu1 or example.com/seat=5');
  if (before.has(found[0])) throw new InvalidArgumentError(`${found[0]} is given twice`);
  return new Map([...before, found]);
}

function parsePids(text: string): number {
  const pids = Number(text);
  if (!Number.isInteger(pids) || pids < 1 || pids > 2 ** 22) throw new InvalidArgumentError('it must be a whole number from 1 on');
  return pids;
}

function registerAgent(program: Command, io: Io): void {
  const agent = program
    .command('agent')
    .summary('make this machine a node')
    .description(
      'Makes this machine a node, until it is told to stop (SIGTERM, Ctrl-C); pods go on running then.\nThe first start needs --server and --token, as "podplane token create" prints them; after that --data is enough.\nExit codes: 0 stopped, 1 failed, 4 no valid certificate or token, 5 refused by the server, 6 data in use by another agent.',
    )
    .option('--data <folder>', 'where the node keeps its certificate and state', join('data', 'agent'))
    .option('--server <address>', 'host:port of the control plane')
    .option('--token <token>', 'to join with (or in the environment: PODPLANE_TOKEN)')
    .option('--name <name>', "the node's name (default: the name of the machine)")
    .option('--node-ip <address>', 'the address that others reach this machine by')
    .option('--labels <labels>', 'labels of the node: zone=a,disk=fast', parseLabels)
    .option(
      '--resource <name=value>',
      'an extended resource of the node, at each start: example.com/gpu=/dev/gpu0,/dev/gpu1 (devices) or example.com/seat=5 (a number); repeat for more',
      addResource,
      new Map(),
    )
    .option('--pod-pids-limit <number>', 'processes that each container may have', parsePids)
    .option('--shutdown', 'tell the agent that runs with this --data that its host shuts down: it ends its pods in order, then itself')
    .option('--shutdown-grace-period <duration>', 'how long all pods may take to end when the host shuts down', durationOption, 30_000)
    .option(
      '--shutdown-grace-period-critical-pods <duration>',
      'what of it is kept for critical pods and those of DaemonSets, which end last',
      durationOption,
      10_000,
    )
    .action(async (options: AgentCommandOptions) => {
      const dataDir = resolve(io.cwd, options.data);
      if (options.shutdown) return shutDownAgent(io.system, dataDir, MOST_SHUTDOWN_MS);
      goOnWithoutReaders();
      const shutdown = { totalMs: options.shutdownGracePeriod, criticalMs: options.shutdownGracePeriodCriticalPods };
      if (shutdown.criticalMs > shutdown.totalMs)
        throw usage('--shutdown-grace-period-critical-pods cannot be longer than --shutdown-grace-period, of which it is a part');
      takesTimeToEnd(shutdown.totalMs + ENDING_MS);
      const known = options.server !== undefined && options.name !== undefined ? undefined : readNodeFile(dataDir);
      const server = options.server ?? known?.server;
      if (server === undefined) {
        throw new CliError(`this machine has not joined a cluster yet (nothing is in ${dataDir})`, {
          exitCode: 2,
          advice: 'Run the command that "podplane token create" prints on the control plane.',
        });
      }
      const { hostname } = await import('node:os');
      const node = { name: options.name ?? known?.name ?? hostname().toLowerCase(), server, labels: options.labels ?? known?.labels ?? {} };
      writeNodeFile(dataDir, node);
      const token = options.token ?? (io.env['PODPLANE_TOKEN'] || undefined);
      noteAgent(dataDir, node, refOf(process.pid));
      noteAgentProcess(dataDir, refOf(process.pid));
      sayReady('');
      const { runAgent } = await import('@podplane/agent/main');
      process.exitCode = await runAgent({
        server,
        name: node.name,
        dataDir,
        labels: node.labels,
        dockerSocket: engineSocket(io.env),
        version: VERSION,
        ...(io.env['PODPLANE_LOG'] !== 'json' && process.stderr.isTTY ? { log: plainLog(io) } : {}),
        signal: io.signal,
        shutdown,
        care: careOf(options),
        ...(token === undefined ? {} : { token }),
        ...(options.nodeIp === undefined ? {} : { nodeIP: options.nodeIp }),
        resources: options.resource,
        podPidsLimit: options.podPidsLimit,
      });
    });
  careOptions(agent);
}
