// The status of one container as Kubernetes reports it. Pure. The pod's own status is in status.ts.
import type { Container, VolumeMount } from '@podplane/api/gen/podplane/core/v1/container';
import type { ContainerState, ContainerStatus, VolumeMountStatus } from '@podplane/api/gen/podplane/core/v1/container_status';
import { type ContainerInfo, LABEL_IMAGE_REF } from '../runtime/types.js';
import { rfc3339 } from '../time.js';
import { notBefore, PULL_ERROR_SHOWN_MS } from './planner/back-off.js';
import { FRESH_CONTAINER, type Role, type RunView, restarts, viewRun } from './planner/containers.js';
import { attemptOf, runOf } from './planner/observed.js';

import type { ContainerMemory, LastRun } from './planner/types.js';
import { lastRunOf } from './pod-memory.js';

export interface ContainerView {
  readonly status: ContainerStatus;
  /** As the phase of the pod counts it. */
  readonly counts: 'running' | 'waiting' | 'succeeded' | 'failed' | 'restarting';
}

export interface ContainerStatusInput {
  readonly container: Container;
  readonly role: Role;
  /** The pod's. */
  readonly restartPolicy: string | undefined;
  /** The pod has init containers, and nothing else of it was started yet. */
  readonly initializing: boolean;
  /** "<pod>_<namespace>(<uid>)" for messages. */
  readonly podText: string;
  readonly memory: ContainerMemory | undefined;
  /** Its containers in the engine, newest first. */
  readonly list: readonly ContainerInfo[];
  /** False once the pod shall end: nothing is restarted. */
  readonly restartable: boolean;
  readonly ready: boolean;
  readonly started: boolean;
  /** What was reported of it before. */
  readonly previous: ContainerStatus | undefined;
  /** Monotonic ms. */
  readonly now: number;
}

export function terminatedState(run: LastRun): ContainerState {
  return {
    terminated: {
      exitCode: run.exitCode,
      reason: run.reason,
      ...(run.message === '' ? {} : { message: run.message }),
      ...(run.startedAt > 0 ? { startedAt: rfc3339(run.startedAt) } : {}),
      ...(run.finishedAt > 0 ? { finishedAt: rfc3339(run.finishedAt) } : {}),
      ...(run.containerId === '' ? {} : { containerID: `docker://${run.containerId}` }),
    },
  };
}

export function containerStatus(input: ContainerStatusInput): ContainerView {
  const memory = input.memory ?? FRESH_CONTAINER;
  const view = viewRun(input.list, memory, input.now);
  const current =
    view.run === 'alive' ? view.info : input.list.find((info) => attemptOf(info) === memory.started && runOf(info) !== 'created');
  const known = current ?? input.list[0];
  const base = {
    name: input.container.name,
    // Of an init container: it has done its work.
    ready: input.role === 'init' ? view.run === 'ended' && view.exitCode === 0 : view.run === 'alive' && input.ready,
    // Once started it stays so, also while it is being stopped and its probes have ended.
    started: view.run === 'alive' && (input.started || (input.previous?.started === true && isOf(view.info, input.previous))),
    restartCount: Math.max(0, memory.started),
    image: input.container.image ?? '',
    imageID: known === undefined && memory.started < 0 ? '' : imageId(known, memory),
    ...(current === undefined
      ? memory.lastRun?.containerId
        ? { containerID: `docker://${memory.lastRun.containerId}` }
        : {}
      : { containerID: `docker://${current.id}` }),
    ...granted(input.container, known),
    volumeMounts: input.container.volumeMounts.map(mountStatus),
    ...userOf(known, input.previous),
    allocatedResourcesStatus: [],
    ...(current?.stopSignal === undefined ? {} : { stopSignal: current.stopSignal }),
  };
  const before = previousRun(input.list, memory, view);
  const lastState = { lastState: before === undefined ? {} : terminatedState(before) };
  const ended = endedRun(input.list, memory);

  if (view.run === 'alive') {
    const running = { startedAt: rfc3339(view.info.startedAt ?? view.info.createdAt) };
    return { status: { ...base, state: { running }, ...lastState }, counts: 'running' };
  }
  const willRestart = view.run !== 'ended' || (input.restartable && restarts(input, input.restartPolicy, view.exitCode));
  if (!willRestart || (!input.restartable && ended !== undefined)) {
    const run = ended ?? before;
    const state = run === undefined ? waitingState(input, memory, view) : terminatedState(run);
    const succeeded = run !== undefined && run.exitCode === 0;
    return {
      status: { ...base, state, lastState: endBefore(input.list, run) },
      counts: run === undefined ? 'waiting' : succeeded ? 'succeeded' : 'failed',
    };
  }
  const waiting = waitingReason(input, memory, view);
  if (view.run === 'ended' && ended !== undefined && waiting === undefined) {
    // Just ended, about to be restarted.
    return { status: { ...base, state: terminatedState(ended), lastState: endBefore(input.list, ended) }, counts: 'restarting' };
  }
  return {
    status: { ...base, state: waitingState(input, memory, view), ...lastState },
    counts: before === undefined ? 'waiting' : 'restarting',
  };
}

/** By its registry's digest, or its id where it came from no registry: as containerd tells the kubelet. */
function imageId(info: ContainerInfo | undefined, { image }: ContainerMemory): string {
  const inMemory = image.state === 'present' ? (image.ref ?? image.imageId) : '';
  return info?.labels[LABEL_IMAGE_REF] || info?.imageId || inMemory;
}

/** What the node gave it: all that it asked for, as nothing is resized in place. */
function granted({ resources }: Container, known: ContainerInfo | undefined): Pick<ContainerStatus, 'allocatedResources' | 'resources'> {
  if (known === undefined) return { allocatedResources: {} };
  return { allocatedResources: { ...resources?.requests }, resources: resources ?? { limits: {}, requests: {}, claims: [] } };
}

/** Mounts below a read-only one can be written to: the engine knows no other way (RecursiveReadOnly is refused unless it may be ignored). */
function mountStatus({ name, mountPath, readOnly }: VolumeMount): VolumeMountStatus {
  return { name, mountPath, ...(readOnly === true ? { readOnly, recursiveReadOnly: 'Disabled' } : {}) };
}

/** Where it is not known (any more), what was told of the same run stands. */
function userOf(known: ContainerInfo | undefined, previous: ContainerStatus | undefined): Pick<ContainerStatus, 'user'> {
  const { user } = known ?? {};
  if (user !== undefined) return { user: { linux: { uid: user.uid, gid: user.gid, supplementalGroups: [...user.groups] } } };
  return known !== undefined && isOf(known, previous) && previous?.user !== undefined ? { user: previous.user } : {};
}

/** True where the status is one of this very run. */
function isOf({ id }: ContainerInfo, status: ContainerStatus | undefined): boolean {
  return status?.containerID === `docker://${id}`;
}

/** The end of the newest attempt, if it has ended. */
function endedRun(list: readonly ContainerInfo[], memory: ContainerMemory): LastRun | undefined {
  const info = list.find((one) => attemptOf(one) === memory.started && (runOf(one) === 'exited' || runOf(one) === 'failed'));
  if (info !== undefined) return lastRunOf(info);
  return memory.lastRun?.attempt === memory.started ? memory.lastRun : undefined;
}

/** How the run before this one ended, as far as the engine still knows it. */
function endBefore(list: readonly ContainerInfo[], run: LastRun | undefined): ContainerState {
  if (run === undefined) return {};
  const info = list.find((one) => attemptOf(one) < run.attempt && (runOf(one) === 'exited' || runOf(one) === 'failed'));
  return info === undefined ? {} : terminatedState(lastRunOf(info));
}

/** The run before what the state shows. */
function previousRun(list: readonly ContainerInfo[], memory: ContainerMemory, view: RunView): LastRun | undefined {
  const below = view.run === 'alive' ? attemptOf(view.info) : memory.started + 1;
  const info = list.find((one) => attemptOf(one) < below && (runOf(one) === 'exited' || runOf(one) === 'failed'));
  if (info !== undefined) return lastRunOf(info);
  return memory.lastRun !== undefined && memory.lastRun.attempt < below ? memory.lastRun : undefined;
}

function waitingState(input: ContainerStatusInput, memory: ContainerMemory, view: RunView): ContainerState {
  const reason = waitingReason(input, memory, view);
  if (reason !== undefined) return { waiting: reason };
  const progress = memory.image.state === 'unknown' ? memory.image.progress : undefined;
  return {
    waiting: {
      reason: input.initializing ? 'PodInitializing' : 'ContainerCreating',
      ...(progress === undefined ? {} : { message: progress }),
    },
  };
}

function waitingReason(
  input: ContainerStatusInput,
  memory: ContainerMemory,
  view: RunView,
): { reason: string; message: string } | undefined {
  const { image, failure } = memory;
  if (view.run === 'ended') {
    const until = notBefore(memory.backOff, view.at);
    if (until > input.now) {
      const seconds = Math.round((memory.backOff?.delayMs ?? 0) / 1000);
      const text = seconds >= 60 ? `${Math.floor(seconds / 60)}m${seconds % 60}s` : `${seconds}s`;
      return {
        reason: 'CrashLoopBackOff',
        message: `back-off ${text} restarting failed container=${input.container.name} pod=${input.podText}`,
      };
    }
  }
  if (image.state === 'failed') {
    if (image.reason === 'ErrImagePull' && input.now >= image.retryAt - image.delayMs + PULL_ERROR_SHOWN_MS) {
      return {
        reason: 'ImagePullBackOff',
        message: `Back-off pulling image "${input.container.image}": ${image.reason}: ${image.message}`,
      };
    }
    return { reason: image.reason, message: image.message };
  }
  if (failure !== undefined) return { reason: failure.reason, message: failure.message };
  if (view.run === 'ended' && memory.lastRun?.reason === 'StartError' && memory.lastRun.attempt === memory.started) {
    return { reason: 'RunContainerError', message: memory.lastRun.message };
  }
  return undefined;
}
