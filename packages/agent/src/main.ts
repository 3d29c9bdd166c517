// The agent as a process: reads and makes what it needs (data directory, identity, runtime), runs until it is told to stop, and leaves
// the pods running. Used by "podplane agent". What an agent does is in agent.ts.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { arch, cpus, hostname, networkInterfaces, release, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import type { Taint } from '@podplane/api/gen/podplane/core/v1/node';
import { realSystem, suspendCountingClock } from '@podplane/api/system';
import { pino } from 'pino';
import { Agent } from './agent.js';
import { removeNodeCgroups } from './cgroups/clean-up.js';
import { leastFreeBytes, nodeLimits } from './cgroups/limits.js';
import { PodCgroups } from './cgroups/pod-cgroups.js';
import { lockDataDirectory } from './data-lock.js';
import { DockerWatchdog } from './fencing/docker-watchdog.js';
import { IdentityError, isTransient } from './identity/errors.js';
import { IdentityStore, type StoredIdentity } from './identity/identity-store.js';
import { joinCluster, splitAddress } from './identity/join.js';
import { CertificateRenewal, renewCertificate } from './identity/renewal.js';
import type { Log } from './log.js';
import { NodeDevices, type NodeResources } from './node/devices.js';
import { defaultShutdownLimits, type ShutdownLimits } from './node/graceful-shutdown.js';
import { hostShutsDown } from './node/host-shutdown.js';
import { type CareSettings, DEFAULT_PRESSURE } from './node/node-care.js';
import { type NodeFlags, nodeAmounts } from './node/node-status.js';
import { readHost } from './node/pressure.js';
import { ProcessUsers } from './node/process-users.js';
import { TerminationMessages } from './pods/termination-messages.js';
import { DockerRuntime } from './runtime/docker/docker-runtime.js';
import type { LogLimits } from './runtime/docker/log-limits.js';
import type { ContainerRuntime } from './runtime/types.js';
import { grpcSessionPort } from './session/grpc-port.js';
import { grpcTunnels } from './session/grpc-tunnel.js';
import { NODE_REMOVED } from './session/refusals.js';
import { fileStateStore } from './state/state-store.js';
import { heapRoom } from './tunnels/heap-room.js';
import { Tunnels } from './tunnels/tunnels.js';
import { runningContainers, UsageSampler } from './usage/sampler.js';
import { PodFiles } from './volumes/pod-files.js';

export interface RunAgentOptions {
  /** host:port */
  readonly server: string;
  /** Needed for the first start, and when the certificate has run out. */
  readonly token?: string | undefined;
  /** Default: the host's name. */
  readonly name?: string | undefined;
  readonly dataDir: string;
  /** The address that pods and people reach this node by. Default: that of the first outward interface. */
  readonly nodeIP?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly taints?: readonly Taint[] | undefined;
  /** Path of the engine's socket. Default: the one of Docker. */
  readonly dockerSocket?: string | undefined;
  readonly maxPods?: number | undefined;
  /** Calls that start or stop containers at the same time; fewer where several agents share an engine. Default: twice the cores. */
  readonly maxEngineCalls?: number | undefined;
  /** What the node offers, where it is not all that the engine has. */
  readonly cpuMillis?: number | undefined;
  readonly memoryBytes?: number | undefined;
  /** Kept for the machine itself. */
  readonly systemReserved?: { readonly cpuMillis: number; readonly memoryBytes: number } | undefined;
  /** Extended resources of this node, with the devices behind them. */
  readonly resources?: NodeResources | undefined;
  /** Processes that each pod may have. Default: any number. */
  readonly podPidsLimit?: number | undefined;
  /** How much of containers' output is kept. Default: as the kubelet. */
  readonly logs?: LogLimits | undefined;
  /** When the node is short of something and when images go. Default: as the kubelet. */
  readonly care?: CareSettings | undefined;
  readonly version?: string | undefined;
  readonly logLevel?: string | undefined;
  /** How pods end when the host shuts down. */
  readonly shutdown?: ShutdownLimits | undefined;
  /** Stands between the agent and its engine. For tests: how else would one end an agent between two of its steps. */
  readonly engine?: ((docker: ContainerRuntime) => ContainerRuntime) | undefined;
  /** Ends the agent as SIGTERM does. */
  readonly signal?: AbortSignal | undefined;
  /** Where log lines go. Default: standard error. */
  readonly log?: Log | undefined;
}

/** Exit codes of the process, beside 0. */
export const EXIT = { failed: 1, identity: 4, refused: 5, inUse: 6 } as const;

const DEFAULT_MAX_PODS = 110;
const RETRY_JOIN_MS = 2_000;
/** What pods of a removed node get to end: less than the server waits before it counts them as gone. */
const REMOVED_GRACE_SECONDS = 3;
const REMOVED_MS = 10_000;

/** Runs an agent until SIGTERM, SIGINT or the signal. Resolves with the exit code; says on the log what went wrong. */
export async function runAgent(options: RunAgentOptions): Promise<number> {
  const log: Log =
    options.log ??
    pino({ level: options.logLevel ?? 'info', base: { node: options.name ?? hostname() } }, pino.destination({ dest: 2, sync: true }));
  const ended = Promise.withResolvers<number>();
  const onSignal = (): void => ended.resolve(0);
  process.on('SIGTERM', onSignal);
  process.on('SIGINT', onSignal);
  options.signal?.addEventListener('abort', onSignal, { once: true });
  if (options.signal?.aborted) onSignal();
  const letGo: (() => Promise<void> | void)[] = [];
  try {
    await begin(options, log, ended, letGo);
    return await ended.promise;
  } catch (error) {
    if (error instanceof IdentityError) {
      // A person typed the token: a sentence, not a line of a log. Services have it in their log all the same.
      if (options.log === undefined) process.stderr.write(sentences(error));
      else log.error({ code: error.code }, words(error));
      return EXIT.identity;
    }
    log.error({ err: error }, error instanceof Error ? error.message : String(error));
    return EXIT.failed;
  } finally {
    for (const one of letGo.toReversed()) await one();
    process.off('SIGTERM', onSignal);
    process.off('SIGINT', onSignal);
  }
}

async function begin(
  options: RunAgentOptions,
  log: Log,
  ended: PromiseWithResolvers<number>,
  letGo: (() => Promise<void> | void)[],
): Promise<void> {
  const system = realSystem();
  const store = new IdentityStore(options.dataDir);
  store.open();
  const unlock = await lockDataDirectory(options.dataDir);
  if (unlock === undefined) {
    log.error({ dataDir: options.dataDir }, 'another agent uses this data directory; give each agent its own --data');
    ended.resolve(EXIT.inUse);
    return;
  }
  letGo.push(unlock);
  const machineId = store.machineId();
  const nodeName = options.name ?? hostname().toLowerCase();
  splitAddress(options.server);

  let identity = await identityFor(options, nodeName, machineId, store, log, ended.promise);
  if (identity === undefined) return;
  const current = (): StoredIdentity => identity as StoredIdentity;

  const tunnels = grpcTunnels(options.server, current);
  letGo.push(() => tunnels.close());
  const docker = new DockerRuntime(system, {
    socketPath: options.dockerSocket,
    maxCalls: options.maxEngineCalls,
    machineId,
    logs: options.logs,
  });
  letGo.push(() => docker.close());
  const runtime = options.engine?.(docker) ?? docker;
  const connect = grpcSessionPort(options.server, current);
  const { thresholds } = options.care?.pressure ?? DEFAULT_PRESSURE;
  const flags: NodeFlags = {
    nodeName,
    nodeIP: options.nodeIP ?? outwardAddress(),
    maxPods: options.maxPods ?? DEFAULT_MAX_PODS,
    cpuMillis: options.cpuMillis,
    memoryBytes: options.memoryBytes,
    reservedCpuMillis: options.systemReserved?.cpuMillis ?? 0,
    // What shall stay free is not for pods either, as with the kubelet.
    reservedMemoryBytes: (options.systemReserved?.memoryBytes ?? 0) + leastFreeBytes(thresholds, options.memoryBytes ?? totalmem()),
    devices: new NodeDevices(options.resources ?? new Map()),
    pidsLimit: options.podPidsLimit,
    agentVersion: `v${options.version ?? '0.1.0'}`,
    machineId,
    bootId: randomUUID(),
  };
  const agent = new Agent({
    system,
    runtime,
    log,
    watchdog: new DockerWatchdog({ nodeName, dataDir: resolve(options.dataDir), runtime: docker }),
    leaseClock: suspendCountingClock(),
    cgroups: new PodCgroups({
      nodeName,
      runtime: docker,
      log,
      pidsLimit: options.podPidsLimit,
      ofNode: (info) => nodeLimits(nodeAmounts(flags, info), thresholds),
    }),
    files: new PodFiles({ dataDir: resolve(options.dataDir), runtime, clock: system.clock, log }),
    connect: (handlers) => {
      // A connection that was dead for the session is dead for tunnels too, and they would find out later.
      tunnels.renew();
      return connect(handlers);
    },
    state: fileStateStore(join(options.dataDir, 'state.json'), log),
    flags,
    labels: options.labels ?? {},
    taints: options.taints ?? [],
    fallback: { cpus: cpus().length, memoryBytes: totalmem(), kernelVersion: kernelRelease(), architecture: arch() },
    readHost: (engineFolder) => readHost(options.dataDir, engineFolder),
    care: options.care ?? {},
    messages: new TerminationMessages(join(resolve(options.dataDir), 'termination'), {
      ...new ProcessUsers(runtime).reader(),
      logs: runtime.logs.bind(runtime),
    }),
    tunnels: (one) => {
      const usage = new UsageSampler({ system, runtime, containers: () => runningContainers(one.cache) });
      return new Tunnels({
        dial: tunnels.dial,
        runtime: {
          logs: runtime.logs.bind(runtime),
          exec: runtime.exec.bind(runtime),
          attach: runtime.attach.bind(runtime),
          readFiles: runtime.readFiles.bind(runtime),
          isFolder: runtime.isFolder.bind(runtime),
          writeFiles: runtime.writeFiles.bind(runtime),
          imagePresent: runtime.imagePresent.bind(runtime),
          loadImage: async (archive) => {
            await runtime.loadImage(archive);
            one.imagesChanged();
          },
        },
        usage: () => usage.report(),
        resolve: (podUid, container, previous) => one.tunnelTarget(podUid, container, previous),
        refuse: (tunnelId, reason, message) => one.session.refuseTunnel(tunnelId, reason, message),
        system,
        log,
        carrying: heapRoom(),
      });
    },
    onRefused: ({ reason }) => {
      if (reason !== NODE_REMOVED) return ended.resolve(EXIT.refused);
      log.warn({ reason }, 'this node was removed from its cluster: its pods end, its certificate is thrown away');
      agent.ending
        .leave(REMOVED_GRACE_SECONDS, REMOVED_MS)
        .then(() => store.forget())
        .catch((error: unknown) => log.error({ err: error }, 'the certificate could not be thrown away'))
        .then(async () => removeNodeCgroups(await docker.info(), nodeName))
        .catch((error: unknown) => log.warn({ err: error }, 'cgroups of this node are left behind'))
        .finally(() => ended.resolve(EXIT.refused));
    },
  });
  const renewal = new CertificateRenewal({
    system,
    log,
    current,
    renew: (old) => renewCertificate(options.server, old),
    replace: (fresh) => {
      identity = store.save(fresh, nodeName);
      tunnels.renew();
      agent.session.reconnect('the certificate was renewed');
    },
    expired: () => {
      log.error(
        { expired: new Date(current().notAfter).toISOString() },
        'the certificate of this node has expired; its pods go on running. Start the agent again with a new token: podplane token create',
      );
      ended.resolve(EXIT.identity);
    },
  });
  agent.start();
  letGo.push(() => agent.stop());
  // Told by whoever shuts the host down (podplane agent --shutdown), or found out when systemd ends the agent.
  let told = false;
  const onPower = (): void => {
    told = true;
    ended.resolve(0);
  };
  process.on('SIGPWR', onPower);
  letGo.push(async () => {
    if (told || (await hostShutsDown())) await agent.ending.run(options.shutdown ?? defaultShutdownLimits);
    process.off('SIGPWR', onPower);
  });
  renewal.start();
  letGo.push(() => renewal.stop());
}

/** The identity on disk, or a new one by token. undefined: told to stop meanwhile. Rejects with IdentityError. */
async function identityFor(
  options: RunAgentOptions,
  nodeName: string,
  machineId: string,
  store: IdentityStore,
  log: Log,
  ended: Promise<number>,
): Promise<StoredIdentity | undefined> {
  const known = store.load();
  if (known !== undefined && known.nodeName === nodeName && Date.now() < known.notAfter) return known;
  if (options.token === undefined) {
    if (known === undefined)
      throw new IdentityError(
        'no-token',
        'this node has not joined a cluster yet',
        'give --token with what "podplane token create" printed on the server',
      );
    if (known.nodeName !== nodeName) {
      throw new IdentityError(
        'no-token',
        `the certificate here is for node ${known.nodeName}, not ${nodeName}`,
        `use --name ${known.nodeName}, or give --token to join under the new name`,
      );
    }
    const expired = new Date(known.notAfter).toISOString();
    throw new IdentityError(
      'certificate-expired',
      `the certificate of this node expired at ${expired}`,
      'make a new token on the server (podplane token create) and give it with --token',
    );
  }
  let said = '';
  for (;;) {
    try {
      const identity = await joinCluster({ server: options.server, token: options.token, nodeName, machineId });
      log.info({ server: options.server }, 'joined the cluster');
      return store.save(identity, nodeName);
    } catch (error) {
      if (!(error instanceof IdentityError) || !isTransient(error)) throw error;
      if (error.message !== said) log.warn({ code: error.code }, `${words(error)}; trying again`);
      said = error.message;
    }
    const waited = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), RETRY_JOIN_MS));
    if ((await Promise.race([ended, waited])) !== undefined) return undefined;
  }
}

function words(error: IdentityError): string {
  return error.advice === '' ? error.message : `${error.message}: ${error.advice}`;
}

function sentences({ message, advice }: IdentityError): string {
  return `error: ${message}\n${advice === '' ? '' : `${advice.charAt(0).toUpperCase()}${advice.slice(1)}\n`}`;
}

function outwardAddress(): string {
  const all = Object.entries(networkInterfaces()).filter(([name]) => !/^(lo|docker|br-|veth|virbr|pp)/.test(name));
  const found = all.flatMap(([, list]) => list ?? []).find((address) => address.family === 'IPv4' && !address.internal);
  return found?.address ?? '127.0.0.1';
}

function kernelRelease(): string {
  try {
    return readFileSync('/proc/sys/kernel/osrelease', 'latin1').trim();
  } catch {
    return release();
  }
}
