// The words of the planner: what it is told about a pod (desired, observed, remembered) and the steps that it answers with.
// How the decision is made is in plan.ts, how steps are carried out in ../steps.ts. Times are monotonic ms throughout.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { Fence } from '../../fencing/fence.js';
import type { ContainerInfo } from '../../runtime/types.js';

/** Set on pause and app containers: id of the pause container whose network they live in. */
export const LABEL_SANDBOX = 'podplane.dev/sandbox-id';
/** On the pause container: the pod's address, so that it is known without the state file. */
export const LABEL_POD_IP = 'podplane.dev/pod-ip';
/** On every container: seconds between SIGTERM and SIGKILL, for pods whose specification is no longer known. */
export const LABEL_GRACE = 'podplane.dev/grace-seconds';
/** On containers of fenced pods: the epoch that they were made with. */
export const LABEL_EPOCH = 'podplane.dev/epoch';

/** Kubernetes' default. */
export const DEFAULT_GRACE_SECONDS = 30;

/** Reason of a pod that fails because it took more of its node than it may: what it held is wanted back at once. */
export const EVICTED = 'Evicted';

/** Reason of pods that ended because their host shut down. */
export const TERMINATED = 'Terminated';
/** Reason of pods that came while it did. */
export const NODE_SHUTDOWN = 'NodeShutdown';

/** sync: shall run. terminating: must end and go. terminated: nothing of it is left; it never comes back. */
export type PodPhase = 'sync' | 'terminating' | 'terminated';

/** Delay before the next try; doubles with each. */
export interface BackOff {
  readonly delayMs: number;
  /** When the try happened that the delay was set at. */
  readonly updatedAt: number;
}

export type ImagePullReason = 'ErrImagePull' | 'ErrImageNeverPull' | 'InvalidImageName';

export type ImageState =
  | { readonly state: 'unknown'; readonly progress?: string | undefined }
  /** ref: by its registry's digest (name@sha256:...); undefined: it came from no registry. */
  | { readonly state: 'present'; readonly imageId: string; readonly ref?: string | undefined }
  | {
      readonly state: 'failed';
      readonly reason: ImagePullReason;
      readonly message: string;
      readonly delayMs: number;
      readonly retryAt: number;
    };

/** Something could not be made. retryAt undefined: only a change of what it depends on can help. */
export interface Failure {
  readonly reason: string;
  readonly message: string;
  readonly delayMs: number;
  readonly retryAt: number | undefined;
}

/** How a run ended that may no longer be visible in the engine. */
export interface LastRun {
  readonly attempt: number;
  readonly containerId: string;
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  /** ms since 1970; 0: never. */
  readonly startedAt: number;
  readonly finishedAt: number;
}

/** What is remembered about one container of a pod. */
export interface ContainerMemory {
  /** Highest attempt that was started (or tried to); -1: none. */
  readonly started: number;
  readonly image: ImageState;
  readonly backOff: BackOff | undefined;
  readonly failure: Failure | undefined;
  /** When the end of this container was noticed. */
  readonly exit: { readonly containerId: string; readonly at: number } | undefined;
  readonly lastRun: LastRun | undefined;
}

export interface SandboxMemory {
  /** Highest attempt of the pause container; -1: none. */
  readonly attempt: number;
  /** The pause process that the pod's network belongs to; 0: not known. */
  readonly pid: number;
  readonly failure: Failure | undefined;
}

export interface PodFailure {
  readonly reason: string;
  readonly message: string;
  /** The node did not take it: nothing of it was ever made. */
  readonly rejected?: boolean | undefined;
}

/** Everything remembered about a pod besides its containers in the engine. Plain data; changed in one place (../pod-memory.ts). */
export interface PodMemory {
  readonly phase: PodPhase;
  readonly ip: string | undefined;
  readonly volumes: { readonly ready: boolean; readonly failure: Failure | undefined };
  readonly sandbox: SandboxMemory;
  readonly containers: ReadonlyMap<string, ContainerMemory>;
  /** When terminating or evicted: when the last container is killed at the latest. */
  readonly deadline: number | undefined;
  /** Why the pod has failed as a whole, whatever its containers do: all of them end and none starts again. */
  readonly failed: PodFailure | undefined;
  /** Volumes were removed and the address is free again. */
  readonly released: boolean;
}

/** A probe that says: kill this container. */
export interface ProbeVerdict {
  readonly kind: 'liveness' | 'startup';
  readonly message: string;
  readonly graceSeconds: number | undefined;
}

export interface PlanInput {
  /** undefined: an orphan, containers whose pod nobody knows. Can only end. */
  readonly pod: Pod | undefined;
  readonly memory: PodMemory;
  /** All containers with the pod's uid, in any state. */
  readonly observed: readonly ContainerInfo[];
  /** By container id. */
  readonly verdicts: ReadonlyMap<string, ProbeVerdict>;
  /** Ids of running containers whose start-up is over: what comes after a sidecar waits for that. */
  readonly started: ReadonlySet<string>;
  /** Targets of steps that are under way; no step for the same target is planned. */
  readonly busy: ReadonlySet<string>;
  /** By container id: when the grace of the stop that is under way is over (or when it was last killed). */
  readonly stopping: ReadonlyMap<string, number>;
  /** Nothing is made or started now: what shall run here is not certain yet. */
  readonly hold: boolean;
  /** Whether the node's lease lets the pod run; undefined: the pod does not depend on it. */
  readonly fence: Fence | undefined;
  readonly now: number;
}

export type StopCause = 'terminating' | 'sandbox-changed' | 'probe' | 'hook' | 'spec-changed' | 'superseded' | 'fenced';

/** One thing to do. Steps of one plan may be done at the same time; each has a target and there is never more than one step under way for a target. */
export type Step =
  | { readonly kind: 'prepare-volumes'; readonly target: 'volumes' }
  | { readonly kind: 'ensure-image'; readonly target: string; readonly container: string; readonly delayMs: number }
  | { readonly kind: 'create-sandbox'; readonly target: 'sandbox'; readonly attempt: number }
  | { readonly kind: 'start-sandbox'; readonly target: 'sandbox'; readonly id: string }
  | {
      readonly kind: 'remove-sandbox';
      readonly target: 'sandbox';
      readonly id: string;
      readonly cause: 'changed' | 'completed' | 'terminating' | 'stale';
    }
  | {
      readonly kind: 'create-container';
      readonly target: string;
      readonly container: string;
      readonly attempt: number;
      readonly sandboxId: string;
      /** To be remembered when it is started. */
      readonly backOff: BackOff | undefined;
    }
  | { readonly kind: 'start-container'; readonly target: string; readonly container: string; readonly id: string; readonly attempt: number }
  | {
      readonly kind: 'stop-container';
      readonly target: string;
      readonly container: string;
      readonly id: string;
      readonly graceSeconds: number;
      readonly cause: StopCause;
      readonly message: string;
    }
  /** The grace ended early while a stop is under way. */
  | { readonly kind: 'kill-container'; readonly target: string; readonly container: string; readonly id: string }
  | { readonly kind: 'remove-container'; readonly target: string; readonly container: string; readonly id: string }
  | { readonly kind: 'remove-volumes'; readonly target: 'volumes' };

export interface Plan {
  readonly steps: readonly Step[];
  /** Look again then, if nothing happens before. */
  readonly wakeAt: number | undefined;
  /** running: not at its end. ended: no process of the pod runs or will run again. removed: nothing of it is left in the engine. */
  readonly outcome: 'running' | 'ended' | 'removed';
}

/** Target of all steps that create, start or stop this container. */
export function containerTarget(name: string): string {
  return `container:${name}`;
}

export function imageTarget(name: string): string {
  return `image:${name}`;
}

export function killTarget(id: string): string {
  return `kill:${id}`;
}

export function isKillTarget(target: string): boolean {
  return target.startsWith('kill:');
}

export function removeTarget(id: string): string {
  return `remove:${id}`;
}
