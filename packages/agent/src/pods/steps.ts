// Carries out the planner's steps through the container runtime, and turns what goes wrong into reasons, events and back-off.
// What to do next is never decided here. Containers' steps are here, their ends in stop-steps.ts,
// those of the sandbox and volumes in pod-steps.ts.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import { pullPolicyFor } from '@podplane/api/kinds/pod-spec/defaults';
import type { RuntimeError } from '../runtime/errors.js';
import { type ContainerInfo, type ContainerSpec, LABEL_CGROUP_PARENT } from '../runtime/types.js';
import { completeSpec } from './complete-spec.js';
import { containerSpec } from './container-spec.js';
import { isEngineDown, toRuntimeError } from './errors.js';
import { runHook } from './hooks.js';
import { ensureImage } from './image-step.js';
import { boundMounts, envContext } from './mounts.js';
import { epochText } from './names.js';
import { nextDelay } from './planner/back-off.js';
import { FRESH_CONTAINER } from './planner/containers.js';
import { DEFAULT_GRACE_SECONDS, LABEL_EPOCH, type Step } from './planner/types.js';
import { noteStarting, withContainer } from './pod-memory.js';
import { createSandbox, prepareVolumes, removeSandbox, removeVolumes, startSandbox } from './pod-steps.js';
import { needsImageUser } from './security.js';
import { emit, type StepOf } from './step-words.js';
import { guarded, killContainer, stopContainer } from './stop-steps.js';
import type { StepContext } from './worker-types.js';

/** How long a target rests after a step that failed for no reason of the pod's own. */
export const COOL_MS = 1_000;
const CREATE_RETRY_MS = 1_000;
const SANDBOX_SOON_MS = 20;
/** When a container that nobody could guard is tried again. */
const GUARD_AGAIN_MS = 1_000;

/** Does one step. Resolves with the ms for which its target shall rest. Never rejects for what the engine says. */
export async function runStep(step: Step, context: StepContext, signal: AbortSignal): Promise<number> {
  try {
    switch (step.kind) {
      case 'prepare-volumes':
        return await prepareVolumes(context);
      case 'remove-volumes':
        return await removeVolumes(context);
      case 'create-sandbox':
        return await createSandbox(step.attempt, context);
      case 'start-sandbox':
        return await startSandbox(step.id, context);
      case 'remove-sandbox':
        return await removeSandbox(step.id, step.cause, context);
      case 'ensure-image':
        return await ensureImage(step, context, signal);
      case 'create-container':
        return await createContainer(step, context);
      case 'start-container':
        return await startContainer(step, context, signal);
      case 'stop-container':
        return await stopContainer(step, context);
      case 'kill-container':
        return await killContainer(step.id, context);
      case 'remove-container':
        await context.host.runtime.remove(step.id);
        context.host.cache.forget(step.id);
        return 0;
    }
  } catch (thrown) {
    const error = toRuntimeError(thrown);
    if (isEngineDown(error)) context.host.engineTrouble();
    else
      context.host.log.warn(
        { pod: context.ref, step: step.kind, code: error.code, err: error.message },
        'a step failed and will be repeated',
      );
    return COOL_MS;
  }
}

async function createContainer(step: StepOf<'create-container'>, context: StepContext): Promise<number> {
  const { host, pod } = context;
  const container = context.container(step.container);
  if (container === undefined || pod === undefined) return 0;
  const memory = context.memory.containers.get(step.container) ?? FRESH_CONTAINER;
  // An image that is gone meanwhile is told by the create call.
  const imageUser = needsImageUser(pod, container) ? ((await host.runtime.imagePresent(container.image ?? ''))?.user ?? '') : '';
  const messageFile = prepareMessage(container, step.attempt, context);
  const { memoryCapacityBytes, pidsLimit } = host.facts();
  // All containers of a sandbox live where it does, whatever the agent could do when it was made.
  const cgroupParent = host.cache.get(step.sandboxId)?.labels[LABEL_CGROUP_PARENT] || undefined;
  const about = { ...envContext(context, pod), memoryCapacityBytes, pidsLimit, cgroupParent, imageUser, messageFile };
  const made = containerSpec(container, step.attempt, step.sandboxId, about);
  if (!made.ok) {
    createFailed(context, step.container, 'CreateContainerConfigError', made.message, undefined);
    return 0;
  }
  for (const message of made.skippedEnv) emit(context, step.container, 'Warning', 'InvalidEnvironmentVariableNames', message);
  // The sandbox mounts the volumes, and opens them for everybody, when it starts.
  if (made.find.length > 0 && host.cache.get(step.sandboxId)?.state !== 'running') return SANDBOX_SOON_MS;
  const run = { container: step.container, attempt: step.attempt };
  let spec: ContainerSpec;
  try {
    spec = await completeSpec(made, pod, container, run, context);
  } catch (thrown) {
    const error = toRuntimeError(thrown);
    if (isEngineDown(error)) throw error;
    await host.files?.release(context.ref.uid, run);
    // The image went away after it was looked for: it is looked for again.
    if (error.code === 'image-not-found') context.memory = withContainer(context.memory, step.container, { image: { state: 'unknown' } });
    createFailed(context, step.container, 'CreateContainerConfigError', error.words, nextDelay(memory.failure?.delayMs ?? 0));
    return 0;
  }
  try {
    const id = await createRun(spec, messageFile, context);
    emit(context, step.container, 'Normal', 'Created', `Created container: ${step.container}`);
    const always = (container.imagePullPolicy || pullPolicyFor(container.image ?? '')) === 'Always';
    const imageId = memory.image.state === 'present' ? memory.image.imageId : '';
    context.memory = withContainer(context.memory, step.container, {
      failure: undefined,
      ...(step.backOff === undefined ? {} : { backOff: step.backOff }),
      // The next run looks again: at the registry, where the policy says so.
      ...(always ? { image: { state: 'unknown' } as const } : {}),
    });
    host.cache.put(newContainer(id, spec.name, spec.labels, spec.image, imageId, host.system.clock.now()));
    return 0;
  } catch (thrown) {
    const error = toRuntimeError(thrown);
    switch (error.code) {
      case 'unreachable':
      case 'permission':
        throw error;
      case 'image-not-found': {
        const repeated = memory.failure !== undefined;
        context.memory = withContainer(context.memory, step.container, { image: { state: 'unknown' } });
        createFailed(context, step.container, 'CreateContainerError', error.words, repeated ? nextDelay(memory.failure.delayMs) : 100);
        return 0;
      }
      case 'conflict':
        // A container of this name exists: made by an earlier try whose answer was lost.
        await host.cache.relist();
        createFailed(
          context,
          step.container,
          'CreateContainerError',
          error.words,
          nextDelay(memory.failure?.delayMs ?? 0, CREATE_RETRY_MS),
        );
        return 0;
      case 'not-found':
        await host.cache.refresh(step.sandboxId);
        return 100;
      default:
        createFailed(context, step.container, 'CreateContainerError', error.words, nextDelay(memory.failure?.delayMs ?? 0));
        return 0;
    }
  }
}

/** Where the engine does not see the agent's files it refuses to mount one. If that was it, none is mounted from now on. */
async function createRun(spec: ContainerSpec, messageFile: string | undefined, { host, ref }: StepContext): Promise<string> {
  const mounts = spec.mounts.filter(({ source }) => source !== messageFile);
  try {
    return await host.runtime.createContainer(spec);
  } catch (thrown) {
    if (mounts.length === spec.mounts.length || toRuntimeError(thrown).code !== 'invalid') throw thrown;
    const withoutFile = await host.runtime.createContainer({ ...spec, mounts }).catch(() => {
      throw thrown;
    });
    host.messages?.giveUp();
    host.log.warn({ pod: ref, file: messageFile }, 'the engine does not see the files of this agent: no termination messages');
    return withoutFile;
  }
}

function prepareMessage(container: Container, attempt: number, { host, ref }: StepContext): string | undefined {
  if (!container.terminationMessagePath) return undefined;
  try {
    return host.messages?.prepare(ref.uid, container.name, attempt);
  } catch (error) {
    host.log.warn({ pod: ref, container: container.name, err: error }, 'no file for a termination message');
    return undefined;
  }
}

/** delayMs undefined: waits for a change of what the container refers to. */
function createFailed(context: StepContext, container: string, reason: string, message: string, delayMs: number | undefined): void {
  const retryAt = delayMs === undefined ? undefined : context.host.system.clock.monotonic() + delayMs;
  emit(context, container, 'Warning', 'Failed', `Error: ${message}`);
  context.memory = withContainer(context.memory, container, { failure: { reason, message, delayMs: delayMs ?? 0, retryAt } });
}

/** A container as it is known right after it was made, before anybody asked the engine. */
export function newContainer(
  id: string,
  name: string,
  labels: Readonly<Record<string, string>>,
  image: string,
  imageId: string,
  createdAt: number,
): ContainerInfo {
  const rest = { startedAt: undefined, finishedAt: undefined, exitCode: undefined, oomKilled: false, error: '', pid: 0 };
  return { id, name, labels, image, imageId, createdAt, state: 'created', ...rest };
}

async function startContainer(step: StepOf<'start-container'>, context: StepContext, signal: AbortSignal): Promise<number> {
  const { host } = context;
  const run = { container: step.container, attempt: step.attempt };
  const container = context.container(step.container);
  const bound = container === undefined ? [] : boundMounts(container, context);
  if (bound.length > 0 && host.files?.mounted(context.ref.uid, run, bound) !== true) {
    // The host was restarted in between: it would get empty folders in place of its volumes.
    await host.runtime.remove(step.id);
    host.cache.forget(step.id);
    return 0;
  }
  if (context.fence !== undefined && (host.cache.get(step.id)?.labels[LABEL_EPOCH] ?? '') !== epochText(context.pod)) {
    // The pod has got another epoch since: the container would show the old one.
    await host.runtime.remove(step.id);
    host.cache.forget(step.id);
    return 0;
  }
  if (context.fence !== undefined && !(await guarded(step.id, context))) return GUARD_AGAIN_MS;
  context.memory = noteStarting(context.memory, step.container, step.attempt, undefined);
  host.changed();
  try {
    // The call may have to wait for its turn, and the lease does not wait.
    await host.runtime.start(step.id, () => context.fence === undefined || context.fence.stage === 'open');
  } catch (thrown) {
    const error = toRuntimeError(thrown);
    if (isEngineDown(error)) throw error;
    if (bound.length > 0) await host.files?.release(context.ref.uid, run);
    return await startFailed(step, context, error);
  }
  if (bound.length > 0) await host.files?.release(context.ref.uid, run);
  const info = host.cache.get(step.id);
  // It may have been seen running, or even ended, before the call returned.
  if (info?.state === 'created') host.cache.put({ ...info, state: 'running', startedAt: host.system.clock.now() });
  emit(context, step.container, 'Normal', 'Started', `Started container ${step.container}`);
  await postStart(step, context, signal);
  return 0;
}

/** Until the hook has ended the container counts as not started. One that fails costs the container its life. */
async function postStart(step: StepOf<'start-container'>, context: StepContext, signal: AbortSignal): Promise<void> {
  const container = context.container(step.container);
  const hook = container?.lifecycle?.postStart;
  if (hook === undefined || container === undefined) return;
  const target = { container, containerId: step.id, podIP: context.memory.ip ?? '' };
  const problem = await runHook(hook, target, { signal }, context.host);
  if (problem === undefined) return;
  emit(context, step.container, 'Warning', 'FailedPostStartHook', `PostStartHook failed: ${problem}`);
  const graceSeconds = context.pod?.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
  const { id, target: name, container: ofContainer } = step;
  const message = 'FailedPostStartHook';
  await stopContainer({ kind: 'stop-container', target: name, container: ofContainer, id, graceSeconds, cause: 'hook', message }, context);
}

async function startFailed(step: StepOf<'start-container'>, context: StepContext, error: RuntimeError): Promise<number> {
  const { host } = context;
  await host.cache.refresh(step.id);
  const info = host.cache.get(step.id);
  if (error.code === 'conflict' || error.code === 'not-found') {
    // The sandbox is not running any more.
    const sandbox = context.host.cache
      .ofPod(context.ref.uid)
      .find((one) => info !== undefined && one.id === info.labels['podplane.dev/sandbox-id']);
    if (sandbox !== undefined) await host.cache.refresh(sandbox.id);
    return 100;
  }
  emit(context, step.container, 'Warning', 'Failed', `Error: failed to start container "${step.container}": ${error.words}`);
  // Engines show why; where one does not, the run has failed all the same.
  if (info?.state === 'created' && info.error === '') {
    host.cache.put({ ...info, error: error.words, exitCode: error.exitCode ?? 128, finishedAt: host.system.clock.now() });
  }
  return 0;
}
