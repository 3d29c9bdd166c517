// Opens a tunnel for each that the server asks for over the session, and serves it. Each is a stream with a flow control of its own; one
// that is slow holds up nobody else.
import type { OpenTunnel } from '@podplane/api/gen/podplane/node/v1/session';
import type { UsageReport } from '@podplane/api/gen/podplane/node/v1/tunnel';
import type { System } from '@podplane/api/system';
import type { Log } from '../log.js';
import type { ContainerRuntime } from '../runtime/types.js';
import type { TunnelTarget } from '../tunnel-target.js';
import { serveAttach, serveExec } from './exec-tunnel.js';
import { serveFiles } from './files-tunnel.js';
import { serveImage } from './image-tunnel.js';
import { serveLogs } from './logs-tunnel.js';
import { servePort } from './port-tunnel.js';
import { Tunnel, type TunnelDialer, TunnelError, tunnelErrorOf } from './tunnel.js';

/** Far more than people use; keeps a confused server from eating the node's sockets. */
const MAX_TUNNELS = 1000;

export interface TunnelsOptions {
  readonly dial: TunnelDialer;
  readonly runtime: Pick<
    ContainerRuntime,
    'logs' | 'exec' | 'attach' | 'readFiles' | 'isFolder' | 'writeFiles' | 'imagePresent' | 'loadImage'
  >;
  /**
   * The container of a pod on this node, and the pod's IP; previous: its run before this one. For ports the container is empty: any
   * answer with the IP will do.
   */
  readonly resolve: (podUid: string, container: string, previous: boolean) => TunnelTarget | { readonly missingIn: string };
  /** What the node and its containers take now. */
  readonly usage: () => Promise<UsageReport>;
  /** Tells the server over the session that a tunnel could not be opened. */
  readonly refuse: (tunnelId: string, reason: string, message: string) => void;
  readonly system: System;
  readonly log: Log;
  /** Told when the first one opens and when the last one has ended. */
  readonly carrying?: (any: boolean) => void;
}

export class Tunnels {
  readonly #options: TunnelsOptions;
  readonly #open = new Map<Tunnel, Promise<void>>();
  #dialing = 0;
  #closed = false;

  constructor(options: TunnelsOptions) {
    this.#options = options;
  }

  /** How many are open. */
  get count(): number {
    return this.#open.size;
  }

  /** Serves what the server asked for. Returns at once; whatever goes wrong is said to the server. */
  open(request: OpenTunnel): void {
    const { tunnelId } = request;
    if (this.#closed) return this.#options.refuse(tunnelId, 'Unavailable', 'the agent stops');
    if (this.#open.size + this.#dialing >= MAX_TUNNELS)
      return this.#options.refuse(tunnelId, 'TooManyRequests', `this node serves ${MAX_TUNNELS} streams already`);
    this.#dialing++;
    void this.#dial(request).finally(() => this.#dialing--);
  }

  async #dial(request: OpenTunnel): Promise<void> {
    const { tunnelId } = request;
    const { dial, refuse, log } = this.#options;
    let tunnel: Tunnel;
    try {
      tunnel = new Tunnel(tunnelId, await dial());
    } catch (error) {
      return refuse(
        tunnelId,
        'Unavailable',
        `cannot open a stream to the server: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    if (this.#closed) return tunnel.giveUp('the agent stops');
    const serving = this.#serve(tunnel, request)
      .catch((error: unknown) => {
        // Nobody is there to hear it.
        log.debug({ tunnelId, error: error instanceof Error ? error.message : String(error) }, 'stream broke');
        tunnel.giveUp('broken');
      })
      .finally(() => {
        this.#open.delete(tunnel);
        if (this.#open.size === 0) this.#options.carrying?.(false);
      });
    if (this.#open.size === 0) this.#options.carrying?.(true);
    this.#open.set(tunnel, serving);
  }

  async #serve(tunnel: Tunnel, request: OpenTunnel): Promise<void> {
    await tunnel.send({ $case: 'hello', value: { tunnelId: request.tunnelId } });
    try {
      const code = await this.#handle(tunnel, request);
      await tunnel.finish({ $case: 'exit', value: { code } });
    } catch (error) {
      if (tunnel.signal.aborted) return tunnel.giveUp('the other side has gone');
      const { reason, message } = tunnelErrorOf(error);
      await tunnel.finish({ $case: 'error', value: { reason, message } });
    }
  }

  #handle(tunnel: Tunnel, { request }: OpenTunnel): Promise<number> {
    const { runtime, system } = this.#options;
    switch (request?.$case) {
      case 'logs': {
        const { podUid, container, previous } = request.value;
        return serveLogs(tunnel, request.value, this.#target(podUid, container, previous).containerId, runtime);
      }
      case 'exec':
        return serveExec(tunnel, request.value, this.#target(request.value.podUid, request.value.container, false).containerId, runtime);
      case 'attach':
        return serveAttach(tunnel, request.value, this.#target(request.value.podUid, request.value.container, false).containerId, runtime);
      case 'files':
        return serveFiles(tunnel, request.value, this.#target(request.value.podUid, request.value.container, false).containerId, runtime);
      case 'usage':
        return this.#usage(tunnel);
      case 'portForward':
        return servePort(tunnel, request.value, this.#target(request.value.podUid, '', false).ip, system);
      case 'image':
        return serveImage(tunnel, request.value, runtime);
      case undefined:
        throw new TunnelError('BadRequest', 'this agent does not know what is asked for; is it older than the server?');
    }
  }

  async #usage(tunnel: Tunnel): Promise<number> {
    await tunnel.send({ $case: 'usage', value: await this.#options.usage() });
    return 0;
  }

  #target(podUid: string, container: string, previous: boolean): TunnelTarget {
    const target = this.#options.resolve(podUid, container, previous);
    if (!('missingIn' in target)) return target;
    const pod = JSON.stringify(target.missingIn);
    const what =
      container === ''
        ? `pod ${pod} has no IP`
        : previous
          ? `previous terminated container ${JSON.stringify(container)} in pod ${pod} not found`
          : `container ${JSON.stringify(container)} in pod ${pod} has not been started`;
    throw new TunnelError('NotFound', `${what} on this node`);
  }

  /** Ends all of them and waits until they have let go. */
  async close(): Promise<void> {
    this.#closed = true;
    const serving = [...this.#open.values()];
    for (const tunnel of this.#open.keys()) tunnel.giveUp('the agent stops');
    await Promise.allSettled(serving);
  }
}
