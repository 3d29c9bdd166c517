// The preStop hook: runs before SIGTERM, within the grace. When a container is stopped is decided by the planner.
import type { LifecycleHandler } from '@podplane/api/gen/podplane/core/v1/probe';
import { execProbe, type ProbeTarget } from '../probes/executor.js';
import { probeHttp, probeTcp } from '../probes/network.js';
import type { ProbeOutcome } from '../probes/probe-state.js';
import type { WorkerHost } from './worker-types.js';

/** Runs the hook for at most graceMs. Resolves with what went wrong, in words; undefined: nothing. */
export async function runPreStop(
  hook: LifecycleHandler,
  target: ProbeTarget,
  graceMs: number,
  host: Pick<WorkerHost, 'runtime' | 'system'>,
): Promise<string | undefined> {
  const timeout = new AbortController();
  const over = Promise.withResolvers<ProbeOutcome>();
  const timer = host.system.timers.after(graceMs, () => {
    timeout.abort();
    over.resolve({ result: 'failure', message: `the hook took longer than the grace of ${Math.round(graceMs / 1000)}s` });
  });
  try {
    if (hook.sleep !== undefined) {
      const seconds = hook.sleep.seconds;
      const slept = Promise.withResolvers<ProbeOutcome>();
      const sleep = host.system.timers.after(seconds * 1000, () => slept.resolve({ result: 'success', message: '' }));
      const outcome = await Promise.race([slept.promise, over.promise]);
      sleep.cancel();
      return outcome.result === 'success' ? undefined : outcome.message;
    }
    const outcome = await Promise.race([once(hook, target, host, timeout.signal), over.promise]);
    return outcome.result === 'success' ? undefined : outcome.message;
  } finally {
    timer.cancel();
  }
}

function once(hook: LifecycleHandler, target: ProbeTarget, host: Pick<WorkerHost, 'runtime'>, signal: AbortSignal): Promise<ProbeOutcome> {
  if (hook.exec !== undefined) return execProbe(host.runtime, target.containerId, hook.exec.command, signal);
  if (hook.httpGet !== undefined) return probeHttp(hook.httpGet, target.container, target.podIP, signal);
  if (hook.tcpSocket !== undefined) return probeTcp(hook.tcpSocket, target.container, target.podIP, signal);
  return Promise.resolve({ result: 'success', message: '' });
}
