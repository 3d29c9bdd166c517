// The steps that end containers, and what makes sure that one will be ended in time. How steps come to be done is in steps.ts.
import { isEngineDown, toRuntimeError } from './errors.js';
import { runHook } from './hooks.js';
import { emit, type StepOf } from './step-words.js';
import type { StepContext } from './worker-types.js';

const KILL_AGAIN_MS = 2_000;
/** Kubernetes gives a container this long even when its preStop hook used up the grace. */
const LEAST_AFTER_HOOK_MS = 2_000;

/** Without somebody who kills it when the lease is over, a container of a fenced pod does not start. */
export async function guarded(id: string, context: StepContext): Promise<boolean> {
  try {
    return await context.host.fence.guard(id);
  } catch (thrown) {
    const message = toRuntimeError(thrown).words;
    context.host.event({
      pod: context.ref,
      fieldPath: '',
      type: 'Warning',
      reason: 'FailedFencing',
      message: `Nobody would stop the pod in time if this agent were gone: ${message}`,
    });
    const error = toRuntimeError(thrown);
    if (isEngineDown(error)) throw error;
    return false;
  }
}

/** The hook, then the signal, within the grace. */
export async function stopContainer(step: StepOf<'stop-container'>, context: StepContext): Promise<number> {
  const { host, pod } = context;
  const { clock } = host.system;
  const endsAt = clock.monotonic() + step.graceSeconds * 1000;
  context.stopping.set(step.id, endsAt);
  context.dropProbes(step.id);
  emit(context, step.container, 'Normal', 'Killing', killingMessage(step));
  try {
    const container = context.container(step.container);
    const hook = container?.lifecycle?.preStop;
    let graceMs = step.graceSeconds * 1000;
    if (hook !== undefined && container !== undefined && pod !== undefined && graceMs > 0) {
      const target = { container, containerId: step.id, podIP: context.memory.ip ?? '' };
      const outcome = await runHook(hook, target, { limitMs: graceMs }, host);
      if (outcome !== undefined) emit(context, step.container, 'Warning', 'FailedPreStopHook', outcome);
      graceMs = Math.max(LEAST_AFTER_HOOK_MS, endsAt - clock.monotonic());
    }
    await host.runtime.stop(step.id, Math.ceil(graceMs / 1000), { urgent: step.cause === 'fenced' });
    await host.cache.refresh(step.id);
    return 0;
  } catch (thrown) {
    const error = toRuntimeError(thrown);
    if (error.code !== 'not-found' && error.code !== 'conflict') throw error;
    await host.cache.refresh(step.id);
    return 100;
  } finally {
    context.stopping.delete(step.id);
  }
}

function killingMessage(step: StepOf<'stop-container'>): string {
  return step.message === '' ? `Stopping container ${step.container}` : step.message;
}

export async function killContainer(id: string, context: StepContext): Promise<number> {
  try {
    await context.host.runtime.kill(id, 'SIGKILL');
  } catch (thrown) {
    const error = toRuntimeError(thrown);
    if (error.code !== 'not-found' && error.code !== 'conflict') throw error;
  }
  await context.host.cache.refresh(id);
  return KILL_AGAIN_MS;
}
