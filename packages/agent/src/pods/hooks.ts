// The hooks of containers, postStart and preStop: run once, for a limited time. When they are run, and what follows from a failure, is
// decided in steps.ts.
import type { LifecycleHandler } from '@podplane/api/gen/podplane/core/v1/probe';
import { execProbe, type ProbeTarget } from '../probes/executor.js';
import { probeHttp } from '../probes/network.js';
import type { ProbeOutcome } from '../probes/probe-state.js';
import type { WorkerHost } from './worker-types.js';

type HookHost = Pick<WorkerHost, 'runtime' | 'system'>;

export interface HookLimits {
  /** undefined: as long as it takes. */
  readonly limitMs?: number | undefined;
  /** Ends the hook early; that is no failure. */
  readonly signal?: AbortSignal | undefined;
}

/** Kubernetes' limit of a request of a hook that has none of its own. */
const REQUEST_MS = 30_000;

/** Runs the hook. Resolves with what went wrong, in words; undefined: nothing. */
export async function runHook(
  hook: LifecycleHandler,
  target: ProbeTarget,
  limits: HookLimits,
  host: HookHost,
): Promise<string | undefined> {
  const { signal } = limits;
  const limitMs = limits.limitMs ?? (hook.httpGet === undefined ? undefined : REQUEST_MS);
  const ending = new AbortController();
  const over = Promise.withResolvers<ProbeOutcome>();
  const timer =
    limitMs === undefined
      ? undefined
      : host.system.timers.after(limitMs, () => {
          over.resolve({ result: 'failure', message: `the hook took longer than the grace of ${Math.round(limitMs / 1000)}s` });
          ending.abort();
        });
  const abort = (): void => {
    over.resolve({ result: 'success', message: '' });
    ending.abort();
  };
  signal?.addEventListener('abort', abort, { once: true });
  if (signal?.aborted === true) abort();
  try {
    const outcome = await Promise.race([once(hook, target, host, ending.signal), over.promise]);
    return outcome.result === 'success' ? undefined : outcome.message;
  } finally {
    timer?.cancel();
    ending.abort();
    signal?.removeEventListener('abort', abort);
  }
}

function once(hook: LifecycleHandler, target: ProbeTarget, host: HookHost, signal: AbortSignal): Promise<ProbeOutcome> {
  if (hook.sleep !== undefined) return sleep(hook.sleep.seconds * 1000, host, signal);
  if (hook.exec !== undefined) return execProbe(host.runtime, target.containerId, hook.exec.command, signal);
  if (hook.httpGet !== undefined) return probeHttp(hook.httpGet, target.container, target.podIP, signal);
  // Kubernetes takes tcpSocket in manifests and has never run it.
  return Promise.resolve({ result: 'failure', message: 'invalid handler: a hook by tcpSocket cannot be run' });
}

function sleep(ms: number, host: HookHost, signal: AbortSignal): Promise<ProbeOutcome> {
  const { promise, resolve } = Promise.withResolvers<ProbeOutcome>();
  const done = (): void => resolve({ result: 'success', message: '' });
  const timer = host.system.timers.after(ms, done);
  const stop = (): void => {
    timer.cancel();
    done();
  };
  signal.addEventListener('abort', stop, { once: true });
  return promise.finally(() => signal.removeEventListener('abort', stop));
}
