// `podplane port-forward`: local ports that lead into a pod, any number of connections at a time.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { KindMap } from '@podplane/api/kinds/kind-map';
import type { Command } from 'commander';
import type { Cluster } from '../cluster.js';
import { CliError, usage } from '../exit-codes.js';
import { isNotFound } from '../failure.js';
import { type Io, untilAborted } from '../io.js';
import { fullName, type Named } from '../kinds.js';
import type { Session } from '../session.js';
import { onePod, type Pod, parseTarget } from '../workloads.js';

type Service = KindMap['Service'];

export interface PortPair {
  /** 0: any free one. */
  readonly local: number;
  /** A number, or the name of a container's port. */
  readonly remote: string;
}

/** 8080:80, 80, :80 (any free local port), 8080:http. */
export function parsePorts(text: string): PortPair {
  const [first = '', second, ...more] = text.split(':');
  const remote = second ?? first;
  const localText = second === undefined ? first : first;
  if (more.length > 0 || remote === '')
    throw usage(`"${text}" is not a pair of ports`, 'For example 8080:80, or :80 for any free local port.');
  const number = (port: string): number => {
    const value = Number(port);
    if (!/^\d+$/.test(port) || value > 65535) throw usage(`"${port}" in "${text}" is not a port (0 to 65535)`);
    return value;
  };
  if (/^\d+$/.test(remote) && number(remote) === 0) throw usage(`the pod's port in "${text}" must be between 1 and 65535`);
  if (!/^\d+$/.test(remote) && !/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(remote))
    throw usage(`"${remote}" in "${text}" is neither a port nor the name of one`);
  const sameNumber = second === undefined && /^\d+$/.test(first);
  return { local: second === undefined ? (sameNumber ? number(first) : 0) : localText === '' ? 0 : number(localText), remote };
}

/** What a port of a Service means in its pods: a number, or the name of a container's port. Throws a CliError where it has no such port. */
export function servicePort({ metadata, spec }: Service, wanted: string): string {
  const ports = spec?.ports ?? [];
  const found = ports.find(({ name, port }) => name === wanted || String(port) === wanted);
  if (found === undefined)
    throw new CliError(`service/${metadata?.name} has no port ${wanted}`, {
      advice: `It has: ${ports.map(({ name, port }) => (name ? `${port} (${name})` : String(port))).join(', ')}`,
    });
  const { targetPort, port } = found;
  return typeof targetPort === 'string' || typeof targetPort === 'number' ? String(targetPort) : String(port);
}

/** The number of a pod's port. */
export function remotePort(pod: Pod, remote: string): number {
  if (/^\d+$/.test(remote)) return Number(remote);
  for (const { ports } of pod.spec?.containers ?? []) {
    const port = ports.find(({ name }) => name === remote);
    if (port !== undefined) return port.containerPort;
  }
  const named = (pod.spec?.containers ?? []).flatMap(({ ports }) => ports.flatMap(({ name }) => name || []));
  throw new CliError(`pod ${pod.metadata?.name} has no port named "${remote}"`, {
    advice: named.length === 0 ? 'Its ports have no names: give a number.' : `It has: ${named.join(', ')}`,
  });
}

interface Options {
  readonly address: string;
}

export function registerPortForward(program: Command, session: Session): void {
  program
    .command('port-forward')
    .summary('lead local ports into a pod')
    .description('Leads local ports into a pod, until Ctrl-C.')
    .argument('<target>', 'POD or KIND/NAME (then one of its pods; another one when that goes)')
    .argument('<ports...>', 'LOCAL:REMOTE, PORT for both, or :REMOTE for any free local port')
    .option('--address <addresses>', 'where to listen', 'localhost')
    .action(async (target: string, ports: string[], options: Options, command: Command) => {
      const pairs = ports.map(parsePorts);
      const { cluster, namespace } = await session.open(command);
      const named = parseTarget(target);
      const service = named.kind === 'Service' ? await cluster.get('Service', namespace, named.name) : undefined;
      const meant = service === undefined ? pairs : pairs.map((pair) => ({ ...pair, remote: servicePort(service, pair.remote) }));
      await new Forward(session.io, cluster, namespace, named).start(meant, options.address.split(','));
    });
}

class Forward {
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  #pod: Pod | undefined;

  constructor(
    private readonly io: Io,
    private readonly cluster: Cluster,
    private readonly namespace: string,
    private readonly target: Named,
  ) {}

  async start(pairs: readonly PortPair[], addresses: readonly string[]): Promise<void> {
    const { io } = this;
    const pod = await this.#currentPod();
    const phase = pod.status?.phase;
    if (phase !== 'Running') throw new CliError(`unable to forward port because pod is not running. Current status=${phase ?? 'unknown'}`);
    try {
      for (const pair of pairs) {
        remotePort(pod, pair.remote); // a name that does not exist must be said now
        let local = pair.local;
        for (const address of addresses) {
          if (address !== 'localhost') {
            local = await this.#listen(address, local, pair.remote);
            continue;
          }
          local = await this.#listen('127.0.0.1', local, pair.remote);
          // The same over IPv6, where the machine has it.
          await this.#listen('::1', local, pair.remote).catch(() => undefined);
        }
      }
      await untilAborted(io);
    } finally {
      for (const server of this.#servers) server.close();
      for (const socket of this.#sockets) socket.destroy();
    }
  }

  async #listen(address: string, port: number, remote: string): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.on('error', () => undefined); // a reset by the local program ends this connection only
      this.#carry(socket, remote).catch((error: unknown) => {
        this.io.err(`error forwarding port ${remote}: ${error instanceof Error ? error.message : String(error)}\n`);
        socket.destroy();
      });
    });
    server.listen(port, address);
    await once(server, 'listening');
    this.#servers.push(server);
    const actual = (server.address() as AddressInfo).port;
    this.io.out(`Forwarding from ${address.includes(':') ? `[${address}]` : address}:${actual} -> ${remote}\n`);
    return actual;
  }

  /** The pod of the last connection, while it is there. */
  async #currentPod(): Promise<Pod> {
    if (this.#pod !== undefined && this.target.kind !== 'Pod') {
      const name = this.#pod.metadata?.name ?? '';
      const now = await this.cluster.get('Pod', this.namespace, name).catch((error: unknown) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
      const same =
        now !== undefined &&
        now.metadata?.uid === this.#pod.metadata?.uid &&
        now.metadata?.deletionTimestamp === undefined &&
        now.status?.phase === 'Running';
      if (same) return now;
      this.#pod = await onePod(this.cluster, this.namespace, this.target);
      this.io.err(`pod ${name} has gone; going on with ${fullName('Pod', this.#pod.metadata?.name ?? '')}\n`);
      return this.#pod;
    }
    this.#pod = await onePod(this.cluster, this.namespace, this.target);
    return this.#pod;
  }

  async #carry(socket: Socket, remote: string): Promise<void> {
    socket.pause();
    const pod = await this.#currentPod();
    const stop = new AbortController();
    const call = this.cluster.portForward(AbortSignal.any([stop.signal, this.io.signal]));
    socket.once('close', () => stop.abort());
    try {
      await call.write({
        message: { $case: 'start', value: { namespace: this.namespace, pod: pod.metadata?.name ?? '', port: remotePort(pod, remote) } },
      });
      socket.on('data', (data: Buffer) => {
        socket.pause();
        call
          .write({ message: { $case: 'data', value: data } })
          .then(() => socket.resume())
          .catch(() => socket.destroy()); // the call's own end says why
      });
      socket.once('end', () => {
        call.write({ message: { $case: 'closed', value: true } }).catch(() => undefined);
      });
      for await (const { message } of call) {
        switch (message?.$case) {
          case 'connected':
            socket.resume();
            break;
          case 'data':
            if (!socket.write(message.value) && !socket.destroyed) await roomOrEnd(socket);
            break;
          case 'closed':
            socket.end();
            break;
          case undefined:
            break;
        }
      }
      socket.end();
    } catch (error) {
      if (!stop.signal.aborted && !this.io.signal.aborted) throw error;
    } finally {
      call.cancel();
    }
  }
}

/** Resolves when the socket takes more, or is gone. Nothing stays behind on it: a large download waits many times. */
export function roomOrEnd(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      socket.off('drain', go).off('close', go);
      resolve();
    };
    socket.once('drain', go).once('close', go);
  });
}
