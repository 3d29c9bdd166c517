// The containers of a pod in the order in which they start: init containers and sidecars, then the main ones; and how far the start
// has come. Pure. What is done about it is decided in plan.ts.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { restartsAfter } from '@podplane/api/kinds/pod-spec/restart-rules';
import type { ContainerInfo } from '../../runtime/types.js';
import { alive, attemptOf, exitCodeOf, type Grouped, group, runOf, sandboxOf } from './observed.js';
import type { ContainerMemory } from './types.js';

/**
 * init: runs to completion before the next. sidecar: an init container that stays beside the main ones. ephemeral: added to look around;
 * runs once, beside whatever there is, and nothing depends on it.
 */
export type Role = 'init' | 'sidecar' | 'main' | 'ephemeral';

export interface PodContainer {
  readonly container: Container;
  readonly role: Role;
  /** Of an ephemeral one: the container whose processes it joins, which must run. */
  readonly target?: string | undefined;
}

export function isSidecar(container: Pick<Container, 'restartPolicy'>): boolean {
  return container.restartPolicy === 'Always';
}

/** All containers of a pod, in the order of their start; ephemeral ones wait for nothing. */
export function podContainers(pod: Pod | undefined): readonly PodContainer[] {
  const inits = (pod?.spec?.initContainers ?? []).map(
    (container) => ({ container, role: isSidecar(container) ? 'sidecar' : 'init' }) as const,
  );
  const mains = (pod?.spec?.containers ?? []).map((container) => ({ container, role: 'main' }) as const);
  const joins = pod?.spec?.hostPID !== true && pod?.spec?.shareProcessNamespace !== true;
  const ephemerals = (pod?.spec?.ephemeralContainers ?? []).map(
    (container) => ({ container, role: 'ephemeral', target: joins ? container.targetContainerName || undefined : undefined }) as const,
  );
  return [...inits, ...mains, ...ephemerals];
}

export function findContainer(pod: Pod | undefined, name: string): PodContainer | undefined {
  return podContainers(pod).find(({ container }) => container.name === name);
}

/** Whether a container that ended with this code starts again. Init containers of a pod that runs always are done when they succeed, ephemeral ones are done in any case. */
export function restarts({ container, role }: PodContainer, podPolicy: string | undefined, exitCode: number): boolean {
  if (role === 'ephemeral') return false;
  const ofPod = podPolicy ?? 'Always';
  return restartsAfter(container, role === 'init' && ofPod === 'Always' ? 'OnFailure' : ofPod, exitCode);
}

export const FRESH_CONTAINER: ContainerMemory = {
  started: -1,
  image: { state: 'unknown' },
  backOff: undefined,
  failure: undefined,
  exit: undefined,
  lastRun: undefined,
};

/** A container's newest run, as restarts see it. */
export type RunView =
  | { readonly run: 'none' }
  | { readonly run: 'created'; readonly info: ContainerInfo }
  | { readonly run: 'alive'; readonly info: ContainerInfo }
  | { readonly run: 'ended'; readonly exitCode: number; readonly at: number };

/** The newest run of a container. `list` are its containers, newest first. */
export function viewRun(list: readonly ContainerInfo[], memory: ContainerMemory, now: number): RunView {
  const running = list.find(alive);
  if (running !== undefined) return { run: 'alive', info: running };
  const info = list[0];
  const run = info === undefined || attemptOf(info) < memory.started ? 'gone' : runOf(info);
  if (info !== undefined && run === 'created') return { run, info };
  if (info !== undefined && (run === 'exited' || run === 'failed')) {
    return { run: 'ended', exitCode: exitCodeOf(info), at: memory.exit?.containerId === info.id ? memory.exit.at : now };
  }
  if (memory.started < 0) return { run: 'none' };
  const known = memory.lastRun?.attempt === memory.started ? memory.lastRun : undefined;
  return { run: 'ended', exitCode: known?.exitCode ?? 137, at: memory.exit?.at ?? now };
}

/** True where the pod's main containers were made in this sandbox: its init containers are done with, whatever is left of them. */
export function initializedIn(pod: Pod, { apps }: Grouped, sandboxId: string | undefined): boolean {
  if (sandboxId === undefined) return false;
  return (pod.spec?.containers ?? []).some(({ name }) => (apps.get(name) ?? []).some((info) => sandboxOf(info) === sandboxId));
}

/** True where an init container did its work in this sandbox. */
export function succeededIn(list: readonly ContainerInfo[], sandboxId: string | undefined): boolean {
  return (
    sandboxId !== undefined && list.some((info) => sandboxOf(info) === sandboxId && runOf(info) === 'exited' && exitCodeOf(info) === 0)
  );
}

/**
 * True where nothing of the pod will run again, its sidecars aside: every main container has ended for good, or an init container
 * has failed for good before any of them began.
 */
export function allDone(pod: Pod, observed: readonly ContainerInfo[], memories: ReadonlyMap<string, ContainerMemory>): boolean {
  const grouped = group(observed);
  const doneWith = (one: PodContainer): 'succeeded' | 'failed' | undefined => {
    const { name } = one.container;
    const view = viewRun(grouped.apps.get(name) ?? [], memories.get(name) ?? FRESH_CONTAINER, 0);
    if (view.run !== 'ended' || restarts(one, pod.spec?.restartPolicy, view.exitCode)) return undefined;
    return view.exitCode === 0 ? 'succeeded' : 'failed';
  };
  const all = podContainers(pod);
  if (all.every((one) => one.role !== 'main' || doneWith(one) !== undefined)) return true;
  if (initializedIn(pod, grouped, grouped.sandboxes[0]?.id)) return false;
  return all.some((one) => one.role === 'init' && doneWith(one) === 'failed');
}
