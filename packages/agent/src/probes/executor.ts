// Carries out one try of a probe, with its timeout. When tries happen is decided by prober.ts.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { Probe } from '@podplane/api/gen/podplane/core/v1/probe';
import type { Timers } from '@podplane/api/system';
import { toRuntimeError } from '../pods/errors.js';
import type { ContainerRuntime } from '../runtime/types.js';
import { probeGrpc } from './grpc.js';
import { probeHttp, probeTcp } from './network.js';
import type { ProbeOutcome } from './probe-state.js';

export interface ProbeTarget {
  readonly container: Container;
  readonly containerId: string;
  readonly podIP: string;
}

export interface ProbeExecutor {
  /** One try. Never rejects. The signal ends it without an outcome that counts. */
  run(probe: Probe, target: ProbeTarget, timeoutMs: number, signal: AbortSignal): Promise<ProbeOutcome>;
}

const OUTPUT_SHOWN = 1_000;

/** Runs a command in a container. Its output is cut; the exit code counts. */
export async function execProbe(
  runtime: ContainerRuntime,
  containerId: string,
  command: readonly string[],
  signal: AbortSignal,
): Promise<ProbeOutcome> {
  let output = '';
  try {
    const handle = await runtime.exec(containerId, { command, stdin: false, tty: false });
    const abort = (): void => handle.abort();
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    // An aborted command may never say how it ended.
    handle.exit.catch(() => undefined);
    try {
      const decoder = new TextDecoder();
      for await (const part of handle.output) if (output.length < OUTPUT_SHOWN) output += decoder.decode(part.data, { stream: true });
      if (signal.aborted) return { result: 'failure', message: 'command timed out' };
      const code = await handle.exit;
      return {
        result: code === 0 ? 'success' : 'failure',
        message: output.slice(0, OUTPUT_SHOWN) || (code === 0 ? '' : `command exited with ${code}`),
      };
    } finally {
      signal.removeEventListener('abort', abort);
    }
  } catch (error) {
    if (signal.aborted) return { result: 'failure', message: 'command timed out' };
    const failure = toRuntimeError(error);
    // A command that cannot be started in the container is the container's fault.
    return { result: failure.code === 'start-failed' ? 'failure' : 'error', message: failure.message };
  }
}

/** The real thing: exec through the engine, HTTP and TCP to the pod's address. */
export function networkProbeExecutor(runtime: ContainerRuntime, timers: Timers): ProbeExecutor {
  return {
    async run(probe, target, timeoutMs, signal) {
      const timeout = new AbortController();
      const timer = timers.after(timeoutMs, () => timeout.abort(), { background: true });
      const both = AbortSignal.any([signal, timeout.signal]);
      const stopped = Promise.withResolvers<ProbeOutcome>();
      const onAbort = (): void => stopped.resolve({ result: 'failure', message: `timed out after ${timeoutMs / 1000}s` });
      both.addEventListener('abort', onAbort, { once: true });
      try {
        const outcome = await Promise.race([attempt(runtime, probe, target, both), stopped.promise]);
        return signal.aborted ? { result: 'error', message: 'stopped' } : outcome;
      } finally {
        timer.cancel();
        both.removeEventListener('abort', onAbort);
      }
    },
  };
}

function attempt(runtime: ContainerRuntime, probe: Probe, target: ProbeTarget, signal: AbortSignal): Promise<ProbeOutcome> {
  if (probe.exec !== undefined) return execProbe(runtime, target.containerId, probe.exec.command, signal);
  if (probe.httpGet !== undefined) return probeHttp(probe.httpGet, target.container, target.podIP, signal);
  if (probe.tcpSocket !== undefined) return probeTcp(probe.tcpSocket, target.container, target.podIP, signal);
  if (probe.grpc !== undefined) return probeGrpc(probe.grpc, target.podIP, signal);
  return Promise.resolve({ result: 'error', message: 'the probe names nothing that is supported here' });
}
