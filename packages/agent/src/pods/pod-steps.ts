// The steps that concern a pod as a whole: its sandbox (pause container, network, address) and its volumes. Containers' steps are
// in steps.ts.

import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { claimOf } from '@podplane/api/storage/pod-claims';
import type { RuntimeError } from '../runtime/errors.js';
import { type ContainerInfo, LABEL_CGROUP_PARENT, LABEL_POD_UID } from '../runtime/types.js';
import { nodeResolver } from '../volumes/etc-files.js';
import { pauseSpec, podVolumes } from './container-spec.js';
import { isEngineDown, toRuntimeError } from './errors.js';
import { claimedVolume, envContext, isEmptyDir, volumeProblem } from './mounts.js';
import { volumeLabels } from './names.js';
import { nextDelay } from './planner/back-off.js';
import { runOf } from './planner/observed.js';
import type { Failure, PodMemory, Step } from './planner/types.js';
import { hostnameInPod } from './pod-names.js';
import { podResolver } from './resolver.js';
import type { StepContext } from './worker-types.js';

const RETRY_MS = 1_000;
const RETRY_MAX_MS = 30_000;

function warn(context: StepContext, reason: string, message: string): void {
  context.host.event({ pod: context.ref, fieldPath: '', type: 'Warning', reason, message });
}

function failure(context: StepContext, before: Failure | undefined, reason: string, message: string): Failure {
  const delayMs = nextDelay(before?.delayMs ?? 0, RETRY_MS, RETRY_MAX_MS);
  return { reason, message, delayMs, retryAt: context.host.system.clock.monotonic() + delayMs };
}

export async function prepareVolumes(context: StepContext): Promise<number> {
  const { host, pod } = context;
  if (pod === undefined) return 0;
  const before = context.memory.volumes.failure;
  const volumes = pod.spec?.volumes ?? [];
  const problem = volumes.map(volumeProblem).find((text) => text !== undefined);
  if (problem !== undefined) return mountFailed(context, problem);
  try {
    const refused = await prepareFiles(context, pod);
    // What is missing may come; what is wrong on the host may be put right without a word to the agent.
    if (refused !== undefined) {
      if (refused.quiet !== true) warn(context, 'FailedMount', refused.message);
      return mountWaits(context, refused.message, refused.again ? failure(context, before, '', '') : undefined);
    }
    const labels = volumeLabels(context.ref, host.nodeName);
    await Promise.all(podVolumes(pod).map(({ name, memory, sizeBytes }) => host.runtime.createVolume(name, labels, { memory, sizeBytes })));
    context.memory = { ...context.memory, volumes: { ready: true, failure: undefined } };
  } catch (thrown) {
    const error = toRuntimeError(thrown);
    if (isEngineDown(error)) throw error;
    return mountFailed(context, `Volumes could not be made: ${error.words}`, failure(context, before, '', ''));
  }
  return 0;
}

/** again: when it is tried again; undefined: only when something that the pod refers to has changed. */
function mountFailed(context: StepContext, message: string, again?: Failure): number {
  warn(context, 'FailedMount', message);
  return mountWaits(context, message, again);
}

function mountWaits(context: StepContext, message: string, again?: Failure): number {
  const when = { delayMs: again?.delayMs ?? 0, retryAt: again?.retryAt };
  context.memory = { ...context.memory, volumes: { ready: false, failure: { reason: 'FailedMount', message, ...when } } };
  return 0;
}

/** again: trying again later may help; quiet: nobody need be told. */
interface Refused {
  readonly message: string;
  readonly again: boolean;
  readonly quiet?: boolean;
}

/** Volumes that the agent itself provides. The first that cannot be; again: trying again later may help. */
async function prepareFiles(context: StepContext, pod: Pod): Promise<Refused | undefined> {
  for (const volume of pod.spec?.volumes ?? []) {
    if (isEmptyDir(volume)) continue;
    const { files } = context.host;
    if (files === undefined) return { message: `volume "${volume.name}": this agent keeps no files of volumes`, again: false };
    const claimed = claimedVolume(pod, volume, context.host);
    const claim = claimOf(pod, volume);
    // It is made in this moment, when the pod has just got its node.
    if (claim !== undefined && claimed === undefined)
      return { message: `persistentvolumeclaim "${claim.name}" has no volume yet`, again: false, quiet: true };
    const problem = await files.prepare(pod, volume, envContext(context, pod), claimed);
    if (problem !== undefined)
      return {
        message: `MountVolume.SetUp failed for volume "${volume.name}" : ${problem.message}`,
        again: volume.hostPath !== undefined || claim !== undefined,
        quiet: problem.quiet,
      };
  }
  return undefined;
}

export async function removeVolumes(context: StepContext): Promise<number> {
  const { host, pod } = context;
  // Also those that the specification does not name: of an orphan nothing else is known.
  const labelled =
    pod === undefined
      ? (await host.runtime.listVolumes(host.nodeName)).filter((volume) => volume.labels[LABEL_POD_UID] === context.ref.uid)
      : podVolumes(pod);
  await Promise.all(
    labelled.map(async ({ name }) => {
      try {
        await host.runtime.removeVolume(name);
      } catch (thrown) {
        if (toRuntimeError(thrown).code !== 'not-found') throw thrown;
      }
    }),
  );
  if (host.cgroups !== undefined) await host.cgroups.remove(context.ref.uid);
  await host.files?.remove(context.ref.uid);
  host.messages?.remove(context.ref.uid);
  host.addresses.release(context.ref.uid);
  context.memory = { ...context.memory, released: true };
  return 0;
}

export async function createSandbox(attempt: number, context: StepContext): Promise<number> {
  const { host, pod } = context;
  const network = host.network();
  const { ip } = context.memory;
  if (pod === undefined || network === undefined || ip === undefined) return RETRY_MS;
  const named = hostnameInPod(pod);
  if (!named.ok) {
    warn(context, 'FailedCreatePodSandBox', named.message);
    context.memory = withSandboxFailure(context, named.message);
    return 0;
  }
  const dns = podResolver(pod, nodeResolver);
  for (const problem of dns?.problems ?? []) warn(context, 'DNSConfigForming', problem);
  const cgroupParent = host.cgroups === undefined ? undefined : await host.cgroups.parentOf(pod);
  const spec = pauseSpec(pod, host.nodeName, attempt, network, ip, { hostname: named.hostname, dns: dns?.resolver, cgroupParent });
  try {
    const id = await host.runtime.createPause(spec);
    context.memory = { ...context.memory, sandbox: { ...context.memory.sandbox, attempt, pid: 0 } };
    const rest = { startedAt: undefined, finishedAt: undefined, exitCode: undefined, oomKilled: false, error: '', pid: 0 };
    const info: ContainerInfo = {
      id,
      name: spec.name,
      labels: spec.labels,
      image: '',
      imageId: '',
      createdAt: host.system.clock.now(),
      state: 'created',
      ...rest,
    };
    host.cache.put(info);
    return 0;
  } catch (thrown) {
    const error = toRuntimeError(thrown);
    if (isEngineDown(error)) throw error;
    // The name is taken by an earlier try whose answer was lost: adopt it.
    if (error.code === 'conflict') await host.cache.relist();
    sandboxFailed(context, error);
    if (error.code === 'address-in-use') changeAddress(context);
    return 0;
  }
}

export async function startSandbox(id: string, context: StepContext): Promise<number> {
  const { host, pod } = context;
  try {
    // Each time: after a restart of the host the engine would make it anew without limits.
    if (pod !== undefined && host.cgroups !== undefined && host.cache.get(id)?.labels[LABEL_CGROUP_PARENT]) await host.cgroups.prepare(pod);
    await host.runtime.start(id);
  } catch (thrown) {
    const error = toRuntimeError(thrown);
    if (isEngineDown(error)) throw error;
    if (error.code !== 'not-found') await host.runtime.remove(id);
    host.cache.forget(id);
    sandboxFailed(context, error);
    if (error.code === 'address-in-use') changeAddress(context);
    return 0;
  }
  const info = host.cache.get(id);
  if (info !== undefined && runOf(info) === 'created') host.cache.put({ ...info, state: 'running', startedAt: host.system.clock.now() });
  context.memory = { ...context.memory, sandbox: { ...context.memory.sandbox, failure: undefined } };
  return 0;
}

function sandboxFailed(context: StepContext, { code, words: message }: RuntimeError): void {
  // Somebody removed the node's network or the pause image (docker system prune).
  if (code === 'not-found' || code === 'image-not-found') context.host.engineTrouble();
  warn(context, 'FailedCreatePodSandBox', `Failed to create pod sandbox: ${message}`);
  context.memory = withSandboxFailure(context, message);
}

function withSandboxFailure(context: StepContext, message: string): PodMemory {
  const { sandbox } = context.memory;
  return { ...context.memory, sandbox: { ...sandbox, failure: failure(context, sandbox.failure, 'FailedCreatePodSandBox', message) } };
}

/** Address or host port are taken. A pod that never ran may have another address; which of the two it was shows at the next try. */
function changeAddress(context: StepContext): void {
  const { ip, containers } = context.memory;
  if (ip === undefined || context.pod?.spec?.hostNetwork === true || [...containers.values()].some((container) => container.started >= 0))
    return;
  context.host.addresses.release(context.ref.uid, ip);
  context.memory = { ...context.memory, ip: undefined };
}

export async function removeSandbox(
  id: string,
  cause: Extract<Step, { kind: 'remove-sandbox' }>['cause'],
  context: StepContext,
): Promise<number> {
  const { host } = context;
  if (cause === 'changed') {
    const message = 'Pod sandbox changed, it will be killed and re-created.';
    host.event({ pod: context.ref, fieldPath: '', type: 'Normal', reason: 'SandboxChanged', message });
  }
  await host.runtime.remove(id);
  host.cache.forget(id);
  context.memory = { ...context.memory, sandbox: { ...context.memory.sandbox, pid: 0 } };
  if (cause === 'completed') host.addresses.release(context.ref.uid);
  return 0;
}
