// `podplane agent`: a node as one process. What it imports stays in the memory of every agent.
import { hostname } from 'node:os';
import { join, resolve } from 'node:path';
import { type NodeResources, parseNodeResource } from '@podplane/agent/node/devices';
import { DEFAULT_LOG_LIMITS } from '@podplane/agent/runtime/docker/log-limits';
import { isQuantity, wholeValue } from '@podplane/api/quantity';
import { type Command, InvalidArgumentError } from 'commander';
import { CliError, usage } from '../exit-codes.js';
import { goOnWithoutReaders, type Io, takesTimeToEnd } from '../io.js';
import { noteAgentProcess, shutDownAgent } from '../local/agent-process.js';
import { type CareFlags, careOf, careOptions, type Reserved, reservedOption } from '../local/care-flags.js';
import { sayReady } from '../local/children.js';
import { engineSocket } from '../local/engine.js';
import { noteAgent, parseLabels, readNodeFile, writeNodeFile } from '../local/node-file.js';
import { plainLog } from '../local/plain-log.js';
import { refOf } from '../local/processes.js';
import { durationOption } from '../time.js';
import { VERSION } from '../version.js';

/** Longest that an agent may take to end its pods when it is told that its host shuts down. */
const MOST_SHUTDOWN_MS = 3_600_000;
/** What an agent needs to end besides its pods. */
const ENDING_MS = 15_000;

/** Below, the engine would begin a new file with every few lines. */
const MIN_LOG_BYTES = 4096;
/** The engine renames all of them each time that one is full. */
const MAX_LOG_FILES = 1000;

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
  readonly systemReserved?: Reserved;
  readonly containerLogMaxSize: number;
  readonly containerLogMaxFiles: number;
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

function parseLogSize(text: string): number {
  const bytes = isQuantity(text) ? wholeValue(text) : 0;
  if (bytes < MIN_LOG_BYTES) throw new InvalidArgumentError(`it must be a quantity of at least ${MIN_LOG_BYTES} bytes, as in 10Mi`);
  return bytes;
}

function parseLogFiles(text: string): number {
  const files = Number(text);
  if (!Number.isInteger(files) || files < 2 || files > MAX_LOG_FILES)
    throw new InvalidArgumentError(`it must be a whole number from 2 to ${MAX_LOG_FILES}`);
  return files;
}

export function registerAgent(program: Command, io: Io): void {
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
    .option('--pod-pids-limit <number>', 'processes that each pod may have', parsePids)
    .option('--system-reserved <amounts>', 'what pods do not get of the machine: cpu=500m,memory=1Gi', reservedOption)
    .option(
      '--container-log-max-size <quantity>',
      'output of a container that one log file holds (default: 10Mi)',
      parseLogSize,
      DEFAULT_LOG_LIMITS.maxBytes,
    )
    .option(
      '--container-log-max-files <number>',
      'log files that are kept of a container, with the one that it writes to',
      parseLogFiles,
      DEFAULT_LOG_LIMITS.maxFiles,
    )
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
        systemReserved: options.systemReserved,
        logs: { maxBytes: options.containerLogMaxSize, maxFiles: options.containerLogMaxFiles },
      });
    });
  careOptions(agent);
}
