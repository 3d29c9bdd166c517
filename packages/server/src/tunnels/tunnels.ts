// Streams to nodes for logs, commands, connections and images: the server asks over the session, the agent opens one stream for each.
// What is said on them is the callers' business; how gRPC carries them is in ../grpc/tunnel.ts.
import { ApiError, type ApiErrorReason, serviceUnavailable } from '@podplane/api/errors';
import type { OpenTunnel, TunnelRefused } from '@podplane/api/gen/podplane/node/v1/session';
import type { OpenRequest, OpenResponse } from '@podplane/api/gen/podplane/node/v1/tunnel';
import type { System, Timer } from '@podplane/api/system';

export type TunnelRequest = NonNullable<OpenTunnel['request']>;
export type TunnelMessage = NonNullable<OpenRequest['message']>;
export type TunnelAnswer = NonNullable<OpenResponse['message']>;

/** One open stream from a node. Both directions honour the other side's pace. */
export interface TunnelPeer {
  /** What the node says after its hello. May be iterated once. */
  readonly messages: AsyncGenerator<TunnelMessage, void, void>;
  /** Resolves when more may be written; rejects when the stream is gone. */
  write(message: TunnelAnswer): Promise<void>;
  /** Ends the stream; more than once is fine. */
  close(): void;
}

/** How the session of a node is asked to open one; false: there is no session. */
export type AskNode = (nodeName: string, message: OpenTunnel) => boolean;

const OPEN_TIMEOUT_MS = 10_000;
/** Tunnels that were asked for and not opened yet, at most, over all nodes. */
const MOST_WAITING = 10_000;

interface Waiting {
  readonly nodeName: string;
  settle(result: TunnelPeer | ApiError): void;
}

export class Tunnels {
  private readonly waiting = new Map<string, Waiting>();

  constructor(
    private readonly ask: AskNode,
    private readonly system: System,
  ) {}

  /** Rejects with ApiError (ServiceUnavailable, Timeout, or what the node says), or with the signal's reason. */
  async open(nodeName: string, request: TunnelRequest, signal: AbortSignal, timeoutMs = OPEN_TIMEOUT_MS): Promise<TunnelPeer> {
    signal.throwIfAborted();
    if (this.waiting.size >= MOST_WAITING)
      throw new ApiError('TooManyRequests', 'too many streams to nodes are being opened', { retryAfterSeconds: 1 });
    const tunnelId = `${this.system.random.uid()}`;
    const { promise, resolve, reject } = Promise.withResolvers<TunnelPeer>();
    let timer: Timer | undefined;
    const settle = (result: TunnelPeer | Error): void => {
      if (!this.waiting.delete(tunnelId)) {
        if (!(result instanceof Error)) result.close();
        return;
      }
      timer?.cancel();
      signal.removeEventListener('abort', aborted);
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    const aborted = (): void => settle(signal.reason as Error);
    this.waiting.set(tunnelId, { nodeName, settle });
    signal.addEventListener('abort', aborted, { once: true });
    timer = this.system.timers.after(timeoutMs, () =>
      settle(new ApiError('Timeout', `node ${nodeName} did not open the stream within ${timeoutMs / 1000} s`)),
    );
    if (!this.ask(nodeName, { tunnelId, request })) settle(notConnected(nodeName));
    return await promise;
  }

  /** A node has opened a stream and said its hello. Throws ApiError where nobody of that node waits for it. */
  opened(nodeName: string, tunnelId: string, peer: TunnelPeer): void {
    const waiting = this.waiting.get(tunnelId);
    // A node must not learn whether another node's stream exists.
    if (waiting === undefined || waiting.nodeName !== nodeName) throw new ApiError('NotFound', `no stream ${tunnelId} is expected`);
    waiting.settle(peer);
  }

  refused(nodeName: string, refusal: TunnelRefused): void {
    const waiting = this.waiting.get(refusal.tunnelId);
    if (waiting?.nodeName === nodeName) waiting.settle(nodeError(refusal.reason, refusal.message));
  }

  /** The session of a node is gone: what it was asked for will not come. */
  disconnected(nodeName: string): void {
    for (const waiting of this.waiting.values()) if (waiting.nodeName === nodeName) waiting.settle(notConnected(nodeName));
  }
}

function notConnected(nodeName: string): ApiError {
  return serviceUnavailable(`node ${nodeName} is not connected`, {
    advice: `See podplane get nodes; is the agent on ${nodeName} running?`,
    target: { kind: 'Node', name: nodeName },
  });
}

const NODE_REASONS: ReadonlySet<string> = new Set<ApiErrorReason>([
  'NotFound',
  'BadRequest',
  'Invalid',
  'Conflict',
  'Forbidden',
  'ServiceUnavailable',
  'Timeout',
  'TooManyRequests',
]);

/** What a node says is wrong, as an error of the API. */
export function nodeError(reason: string, message: string): ApiError {
  if (reason === 'Unavailable') return serviceUnavailable(message);
  return new ApiError(NODE_REASONS.has(reason) ? (reason as ApiErrorReason) : 'InternalError', message);
}
