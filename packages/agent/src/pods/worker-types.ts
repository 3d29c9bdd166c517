// What a pod worker needs of the rest of the agent, and what its steps may do with it. Only types.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { Pod, PodStatus } from '@podplane/api/gen/podplane/core/v1/pod';
import type { System } from '@podplane/api/system';
import type { PodCgroups } from '../cgroups/pod-cgroups.js';
import type { Fence } from '../fencing/fence.js';
import type { FenceKeeper } from '../fencing/keeper.js';
import type { Log } from '../log.js';
import type { PodAddresses } from '../network/pod-addresses.js';
import type { NodeDevices } from '../node/devices.js';
import type { PressureType } from '../node/thresholds.js';
import type { ProbeExecutor } from '../probes/executor.js';
import type { ProbeState } from '../probes/probe-state.js';
import type { ContainerRuntime } from '../runtime/types.js';
import type { VolumeFiles } from '../volumes/pod-files.js';
import type { PodTokens } from '../volumes/pod-tokens.js';
import type { ContainerCache } from './container-cache.js';
import type { Claims, References } from './env.js';
import type { Room } from './fit.js';
import type { ImagePulls } from './image-pulls.js';
import type { PodRef } from './names.js';
import type { PodMemory } from './planner/types.js';
import type { PodEventSink } from './pod-events.js';
import type { TerminationMessages } from './termination-messages.js';

export interface NodeFacts {
  readonly hostIP: string;
  readonly allocatable: Readonly<Record<string, string>>;
  readonly memoryCapacityBytes: number;
  /** What the engine enforces ("seccomp", "apparmor", "selinux"); undefined: not asked yet. */
  readonly security: readonly string[] | undefined;
  /** Extended resources that this node offers. */
  readonly devices: NodeDevices | undefined;
  /** Processes that each container may have, where pods have no cgroups. */
  readonly pidsLimit: number | undefined;
  /** What the node is short of. */
  readonly pressures: ReadonlySet<PressureType>;
}

/** The agent as pod workers see it. */
export interface WorkerHost {
  readonly system: System;
  readonly runtime: ContainerRuntime;
  readonly cache: ContainerCache;
  readonly nodeName: string;
  readonly references: References & Claims;
  readonly addresses: PodAddresses;
  /** undefined: this agent keeps no files, and runs no pods with volumes other than emptyDir. */
  readonly files: VolumeFiles | undefined;
  readonly volumes: { readonly tokens: Pick<PodTokens, 'find'> };
  /** undefined: pods have no cgroups of their own here. */
  readonly cgroups: Pick<PodCgroups, 'parentOf' | 'prepare' | 'remove'> | undefined;
  readonly pulls: ImagePulls;
  readonly probes: ProbeExecutor;
  readonly fence: Pick<FenceKeeper, 'fence' | 'guard' | 'adopt'>;
  /** undefined: containers cannot leave messages here. */
  readonly messages: TerminationMessages | undefined;
  readonly event: PodEventSink;
  readonly log: Log;
  /** The Docker network of the node; undefined while the node is not prepared (engine down, CIDR not known). Nothing is started then. */
  network(): string | undefined;
  /**
   * Nothing new is started: right after a start, until the server has said what shall run here (or is not there). vanished: of this pod
   * everything is gone that there was, so it may have ended and only the server can tell.
   */
  holding(vanished: boolean): boolean;
  facts(): NodeFacts;
  /** What there is on the node besides the pod of this uid. */
  readonly room: (uid: string) => Room;
  /** The engine did not answer a call: look whether it is there. */
  engineTrouble(): void;
  /** A pod's status changed, or all of it is gone. */
  report(worker: PodReportSource, urgent: boolean): void;
  /** Memory changed: write the state file soon. */
  changed(): void;
}

export interface PodReportSource {
  readonly ref: PodRef;
  readonly status: PodStatus | undefined;
  readonly terminated: boolean;
}

/** Probe results of one container run that outlive the agent. */
export interface KeptProbes {
  readonly startup?: ProbeState | undefined;
  readonly readiness?: ProbeState | undefined;
}

/** A worker as its steps see it. */
export interface StepContext {
  readonly host: WorkerHost;
  readonly ref: PodRef;
  readonly pod: Pod | undefined;
  memory: PodMemory;
  /** undefined: the pod does not depend on the node's lease. */
  readonly fence: Fence | undefined;
  /** When the grace of a stop under way is over, by container id; monotonic ms. */
  readonly stopping: Map<string, number>;
  container(name: string): Container | undefined;
  /** What is remembered changed in the middle of a step: the status says it. */
  progressed(): void;
  /** A container is about to be stopped: its probes end. */
  dropProbes(containerId: string): void;
}
