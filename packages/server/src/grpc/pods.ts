// podplane.api.v1.Pods over gRPC: logs, commands, ports, evictions. Each of the first three is a bridge to a tunnel of the pod's node; both sides keep the
// other's pace. Which pod and container is meant is in pod-target.ts, how tunnels come about in ../tunnels.
import { byteMethods } from '@podplane/api/byte-methods';
import { badRequest, serviceUnavailable } from '@podplane/api/errors';
import {
  type AttachRequest,
  type AttachResponse,
  type ExecRequest,
  type ExecResponse,
  type LogsRequest,
  PodsService,
  type PortForwardRequest,
  type PortForwardResponse,
  type WriteFilesRequest,
} from '@podplane/api/gen/podplane/api/v1/pods';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { LogsTunnel } from '@podplane/api/gen/podplane/node/v1/session';
import type { Clock } from '@podplane/api/system';
import type { Store } from '@podplane/store/types';
import type { Registry } from '../registry/registry.js';
import { nodeError, type TunnelAnswer, type TunnelMessage, type TunnelPeer, type Tunnels } from '../tunnels/tunnels.js';
import type { Outlet } from './outlet.js';
import { checkCanExec, checkHasLogs, checkRunning, containerOf, containerSpecOf, type PodTarget, podTarget } from './pod-target.js';
import { type CallContext, type Encoded, type Gate, ServiceBuilder } from './service.js';
import { usageOf } from './usage.js';

export interface PodsParts {
  readonly connectedNodes: () => readonly string[];
  readonly registry: Registry;
  readonly store: Store;
  readonly tunnels: Tunnels;
  readonly clock: Clock;
}

type Out<R> = Outlet<R | Encoded>;

export function podsService(parts: PodsParts, gate: Gate): ServiceBuilder {
  const target = (namespace: string, pod: string): PodTarget => podTarget(parts.store.durableView, namespace, pod);
  return new ServiceBuilder(gate)
    .serverStream(byteMethods.logs, async (request, out, { signal }) => {
      const at = target(request.namespace, request.pod);
      const container = containerOf(at, request.container);
      const value = logsTunnel(request, at.podUid, container, parts.clock);
      if (!request.previous) checkHasLogs(at, container);
      await using tunnel = await openTunnel(parts.tunnels, at.nodeName, { $case: 'logs', value }, signal);
      for await (const message of tunnel.peer.messages) {
        if (message.$case === 'data') await out.write({ data: message.value });
        else if (isEnd(message)) return;
      }
      throw lost(at);
    })
    .bidi(byteMethods.exec, async (input, out, context) => {
      const start = await first(input, 'start');
      const at = target(start.namespace, start.pod);
      const container = containerOf(at, start.container);
      if (start.command.length === 0) throw badRequest('command: Required value: you must specify at least one command for the container');
      checkCanExec(at, container);
      const value = { podUid: at.podUid, container, command: start.command, stdin: start.stdin, tty: start.tty };
      await using tunnel = await openTunnel(parts.tunnels, at.nodeName, { $case: 'exec', value }, context.signal);
      pump(input, tunnel.peer, streamInput);
      await execOutput(tunnel.peer, out, at);
    })
    .bidi(byteMethods.attach, async (input, out, context) => {
      const start = await first(input, 'start');
      const at = target(start.namespace, start.pod);
      const { name, stdin = false, stdinOnce = false, tty = false } = containerSpecOf(at, containerOf(at, start.container));
      checkCanExec(at, name, 'attach to');
      if (start.stdin && !stdin)
        throw badRequest(`stdin: Invalid value: true: container "${name}" of pod ${at.name} has no standard input`, {
          advice: 'It has one where its manifest says stdin: true.',
        });
      const value = { podUid: at.podUid, container: name, stdin: start.stdin, stdinOnce, tty };
      await using tunnel = await openTunnel(parts.tunnels, at.nodeName, { $case: 'attach', value }, context.signal);
      await attachOutput(input, tunnel.peer, out, { at, tty });
    })
    .serverStream(byteMethods.readFiles, async (request, out, { signal }) => {
      const at = target(request.namespace, request.pod);
      const { name } = containerSpecOf(at, containerOf(at, request.container));
      checkCanExec(at, name, 'copy from');
      const value = { podUid: at.podUid, container: name, path: filePath(request.path), write: false, preserve: false };
      await using tunnel = await openTunnel(parts.tunnels, at.nodeName, { $case: 'files', value }, signal);
      for await (const message of tunnel.peer.messages) {
        if (message.$case === 'data') await out.write({ data: message.value });
        else if (isEnd(message)) return;
      }
      throw lost(at);
    })
    .bidi(byteMethods.writeFiles, async (input, out, { signal }) => {
      const start = await first(input, 'start');
      const at = target(start.namespace, start.pod);
      const { name } = containerSpecOf(at, containerOf(at, start.container));
      checkCanExec(at, name, 'copy to');
      const value = { podUid: at.podUid, container: name, path: filePath(start.path), write: true, preserve: start.preserve };
      await using tunnel = await openTunnel(parts.tunnels, at.nodeName, { $case: 'files', value }, signal);
      for await (const message of tunnel.peer.messages) {
        if (message.$case === 'folder') {
          await out.write({ message: { $case: 'target', value: { folder: message.value } } });
          pump(input, tunnel.peer, archiveInput);
        } else if (isEnd(message)) {
          await out.write({ message: { $case: 'done', value: true } });
          return;
        }
      }
      throw lost(at);
    })
    .unary(PodsService.usage, (request, { signal }) =>
      usageOf(request, parts.connectedNodes(), parts.tunnels, () => parts.store.durableView, signal),
    )
    .bidi(byteMethods.portForward, async (input, out, context) => {
      const start = await first(input, 'start');
      const at = target(start.namespace, start.pod);
      if (start.port < 1 || start.port > 65535)
        throw badRequest(`port: Invalid value: ${start.port}: must be between 1 and 65535, inclusive`);
      checkRunning(at);
      await using tunnel = await openTunnel(
        parts.tunnels,
        at.nodeName,
        { $case: 'portForward', value: { podUid: at.podUid, port: start.port } },
        context.signal,
      );
      await portForward(input, tunnel.peer, out, at);
    })
    .unary(PodsService.evict, async (request, { identity }) => {
      const { object, gone } = await parts.registry.evict(
        { namespace: request.namespace, name: request.pod },
        {
          graceSeconds: request.gracePeriodSeconds,
          propagationPolicy: request.propagationPolicy,
          uid: request.preconditionUid,
          resourceVersion: request.preconditionResourceVersion,
        },
        { identity, dryRun: request.dryRun, fieldManager: request.fieldManager },
      );
      return { pod: object as Pod, gone }; // encoding only reads it
    });
}

/** A tunnel that is closed when its scope ends. */
async function openTunnel(
  tunnels: Tunnels,
  nodeName: string,
  request: Parameters<Tunnels['open']>[1],
  signal: CallContext['signal'],
): Promise<{ readonly peer: TunnelPeer } & AsyncDisposable> {
  const peer = await tunnels.open(nodeName, request, signal);
  // A caller that goes away ends the tunnel at once, also while we wait for the node's next word.
  const close = (): void => peer.close();
  signal.addEventListener('abort', close, { once: true });
  return {
    peer,
    [Symbol.asyncDispose]: async () => {
      signal.removeEventListener('abort', close);
      peer.close();
    },
  };
}

function logsTunnel(request: LogsRequest, podUid: string, container: string, clock: Clock): LogsTunnel {
  const { sinceSeconds, sinceTime, tailLines, limitBytes } = request;
  if (sinceSeconds !== undefined && sinceTime !== '') throw badRequest('sinceSeconds, sinceTime: at most one of them may be specified');
  if (sinceSeconds !== undefined && sinceSeconds < 1)
    throw badRequest(`sinceSeconds: Invalid value: ${sinceSeconds}: must be greater than 0`);
  if (sinceTime !== '' && Number.isNaN(Date.parse(sinceTime)))
    throw badRequest(`sinceTime: Invalid value: ${JSON.stringify(sinceTime.slice(0, 100))}: must be a time in RFC 3339`);
  if (tailLines !== undefined && tailLines < 0)
    throw badRequest(`tailLines: Invalid value: ${tailLines}: must be greater than or equal to 0`);
  if (limitBytes !== undefined && limitBytes < 1) throw badRequest(`limitBytes: Invalid value: ${limitBytes}: must be greater than 0`);
  const since = sinceSeconds === undefined ? sinceTime : new Date(clock.now() - sinceSeconds * 1000).toISOString();
  return {
    podUid,
    container,
    follow: request.follow,
    previous: request.previous,
    timestamps: request.timestamps,
    since,
    tailLines,
    limitBytes,
  };
}

type StreamRequest = ExecRequest | AttachRequest | PortForwardRequest | WriteFilesRequest;
type StartOf<R extends StreamRequest> = Extract<NonNullable<R['message']>, { $case: 'start' }>['value'];

async function first<R extends StreamRequest>(input: AsyncGenerator<R, void, void>, wanted: 'start'): Promise<StartOf<R>> {
  const next = await input.next();
  const message = next.done === true ? undefined : next.value.message;
  if (message?.$case !== wanted) throw badRequest(`the first message must be ${wanted}`);
  return message.value as StartOf<R>;
}

/** Ends the caller's bridge where the node says so; throws what the node says is wrong. */
function isEnd(message: TunnelMessage): boolean {
  if (message.$case === 'error') throw nodeError(message.value.reason, message.value.message);
  return message.$case === 'exit' || message.$case === 'closed';
}

function lost({ nodeName, name }: PodTarget): Error {
  return serviceUnavailable(`the connection to node ${nodeName} broke`, {
    target: { kind: 'Pod', name },
    advice: 'Try again; see podplane get nodes.',
  });
}

/** Carries what the caller sends into a tunnel, until one of them ends. Errors end the call from its other half, where they show too. */
function pump<R extends StreamRequest>(
  input: AsyncGenerator<R, void, void>,
  peer: TunnelPeer,
  translate: (message: R) => TunnelAnswer | undefined,
): void {
  void (async () => {
    try {
      let ended = false;
      for await (const message of input) {
        const answer = translate(message);
        if (answer === undefined) continue;
        ended ||= answer.$case === 'closed';
        await peer.write(answer);
      }
      // A caller that ends its half has nothing more to say, whether it said so or not.
      if (!ended) await peer.write({ $case: 'closed', value: true });
    } catch {
      peer.close();
    }
  })();
}

function streamInput({ message }: ExecRequest | AttachRequest): TunnelAnswer | undefined {
  switch (message?.$case) {
    case 'stdin':
      return { $case: 'data', value: message.value };
    case 'stdinClosed':
      return { $case: 'closed', value: true };
    case 'resize':
      return { $case: 'resize', value: message.value };
    case 'start':
    case undefined:
      return undefined;
  }
}

function archiveInput({ message }: WriteFilesRequest): TunnelAnswer | undefined {
  if (message?.$case === 'end') return { $case: 'closed', value: true };
  return message?.$case === 'data' ? message : undefined;
}

function filePath(path: string): string {
  if (path === '' || path.includes('\0')) throw badRequest('path: Required value');
  return path;
}

async function execOutput(peer: TunnelPeer, out: Out<ExecResponse>, at: PodTarget): Promise<void> {
  for await (const message of peer.messages) {
    switch (message.$case) {
      case 'data':
        await out.write({ message: { $case: 'stdout', value: message.value } });
        break;
      case 'errorData':
        await out.write({ message: { $case: 'stderr', value: message.value } });
        break;
      case 'exit':
        await out.write({ message: { $case: 'exit', value: { code: message.value.code } } });
        return;
      case 'error':
        throw nodeError(message.value.reason, message.value.message);
      default: // the output may end before the exit code is known
        break;
    }
  }
  throw lost(at);
}

async function attachOutput(
  input: AsyncGenerator<AttachRequest, void, void>,
  peer: TunnelPeer,
  out: Out<AttachResponse>,
  { at, tty }: { readonly at: PodTarget; readonly tty: boolean },
): Promise<void> {
  for await (const message of peer.messages) {
    switch (message.$case) {
      case 'ready':
        await out.write({ message: { $case: 'attached', value: { tty } } });
        pump(input, peer, streamInput);
        break;
      case 'data':
        await out.write({ message: { $case: 'stdout', value: message.value } });
        break;
      case 'errorData':
        await out.write({ message: { $case: 'stderr', value: message.value } });
        break;
      case 'exit':
        return;
      case 'error':
        throw nodeError(message.value.reason, message.value.message);
      default:
        break;
    }
  }
  throw lost(at);
}

async function portForward(
  input: AsyncGenerator<PortForwardRequest, void, void>,
  peer: TunnelPeer,
  out: Out<PortForwardResponse>,
  at: PodTarget,
): Promise<void> {
  let connected = false;
  for await (const message of peer.messages) {
    switch (message.$case) {
      case 'ready':
        if (connected) break;
        connected = true;
        await out.write({ message: { $case: 'connected', value: true } });
        pump(input, peer, ({ message: said }) => (said?.$case === 'data' || said?.$case === 'closed' ? said : undefined));
        break;
      case 'data':
        await out.write({ message: { $case: 'data', value: message.value } });
        break;
      case 'closed':
        await out.write({ message: { $case: 'closed', value: true } });
        break;
      case 'exit': // both directions have ended
        return;
      case 'error':
        throw nodeError(message.value.reason, message.value.message);
      default:
        break;
    }
  }
  throw lost(at);
}
