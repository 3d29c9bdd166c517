// Carries out one try of a probe, with its timeout. When tries happen is decided by prober.ts.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { Probe } from '@podplane/api/gen/podplane/core/v1/probe';
import type { Timers } from '@podplane/api/system';
import { toRuntimeError } from '../pods/errors.js';
import type { ContainerRuntime } from '../runtime/types.js';
import { ExecRunners } from './exec-runners.js';
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
  /** The container is probed no more. */
  drop?(containerId: string): void;
  close?(): void;
}

const OUTPUT_SHOWN = 1_000;

const TIMED_OUT: ProbeOutcome = { result: 'failure', message: 'command timed out' };

function outcomeOf(exitCode: number, output: string): ProbeOutcome {
  return {
    result: exitCode === 0 ? 'success' : 'failure',
    message: output.slice(0, OUTPUT_SHOWN) || (exitCode === 0 ? '' : `command exited with ${exitCode}`),
  };
}

/** Runs a command in a container: by its runner where there are runners and it has one, else by an exec of the engine. */
export async function execProbe(
  runtime: ContainerRuntime,
  containerId: string,
  command: readonly string[],
  signal: AbortSignal,
  runners?: ExecRunners,
): Promise<ProbeOutcome> {
  let output = '';
  try {
    const done = await runners?.run(containerId, command, signal);
    if (signal.aborted) return TIMED_OUT;
    if (done !== undefined) return outcomeOf(done.exitCode, done.output);
    // Hooks are run without runners, and go on when the agent is another one.
    const handle = await runtime.exec(containerId, { command, stdin: false, tty: false, probe: runners !== undefined });
    const abort = (): void => handle.abort();
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    // An aborted command may never say how it ended.
    handle.exit.catch(() => undefined);
    try {
      const decoder = new TextDecoder();
      for await (const part of handle.output) if (output.length < OUTPUT_SHOWN) output += decoder.decode(part.data, { stream: true });
      if (signal.aborted) return TIMED_OUT;
      return outcomeOf(await handle.exit, output);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  } catch (error) {
    if (signal.aborted) return TIMED_OUT;
    const failure = toRuntimeError(error);
    // A command that cannot be started in the container is the container's fault.
    return { result: failure.code === 'start-failed' ? 'failure' : 'error', message: failure.words };
  }
}

/** The real thing: commands by runners or the engine, HTTP, TCP and gRPC to the pod's address. */
export function networkProbeExecutor(
  runtime: ContainerRuntime,
  timers: Timers,
  runners: ExecRunners | undefined = new ExecRunners(runtime, timers),
): ProbeExecutor {
  return {
    drop: (containerId) => runners?.drop(containerId),
    close: () => runners?.close(),
    async run(probe, target, timeoutMs, signal) {
      const timeout = new AbortController();
      const timer = timers.after(timeoutMs, () => timeout.abort(), { background: true });
      const both = AbortSignal.any([signal, timeout.signal]);
      const stopped = Promise.withResolvers<ProbeOutcome>();
      const onAbort = (): void => stopped.resolve({ result: 'failure', message: `timed out after ${timeoutMs / 1000}s` });
      both.addEventListener('abort', onAbort, { once: true });
      try {
        const outcome = await Promise.race([attempt(runtime, probe, target, both, runners), stopped.promise]);
        return signal.aborted ? { result: 'error', message: 'stopped' } : outcome;
      } finally {
        timer.cancel();
        both.removeEventListener('abort', onAbort);
      }
    },
  };
}

function attempt(
  runtime: ContainerRuntime,
  probe: Probe,
  target: ProbeTarget,
  signal: AbortSignal,
  runners: ExecRunners | undefined,
): Promise<ProbeOutcome> {
  if (probe.exec !== undefined) return execProbe(runtime, target.containerId, probe.exec.command, signal, runners);
  if (probe.httpGet !== undefined) return probeHttp(probe.httpGet, target.container, target.podIP, signal);
  if (probe.tcpSocket !== undefined) return probeTcp(probe.tcpSocket, target.container, target.podIP, signal);
  if (probe.grpc !== undefined) return probeGrpc(probe.grpc, target.podIP, signal);
  return Promise.resolve({ result: 'error', message: 'the probe names nothing that is supported here' });
}
