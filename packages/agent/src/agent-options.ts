// What an agent is made of. Only types; the composition is agent.ts.
import type { Taint } from '@podplane/api/gen/podplane/core/v1/node';
import type { OpenTunnel, Refused } from '@podplane/api/gen/podplane/node/v1/session';
import type { System } from '@podplane/api/system';
import type { PodCgroups } from './cgroups/pod-cgroups.js';
import type { Watchdog } from './fencing/watchdog.js';
import type { Log } from './log.js';
import type { CareSettings } from './node/node-care.js';
import type { HostFallback, NodeFlags } from './node/node-status.js';
import type { HostReading } from './node/pressure.js';
import type { ContainerCache } from './pods/container-cache.js';
import type { TerminationMessages } from './pods/termination-messages.js';
import type { ProbeExecutor } from './probes/executor.js';
import type { ContainerRuntime } from './runtime/types.js';
import type { SessionPortFactory } from './session/port.js';
import type { SessionClient } from './session/session.js';
import type { StateStore } from './state/state-store.js';
import type { TunnelTarget } from './tunnel-target.js';
import type { VolumeFiles } from './volumes/pod-files.js';

/** What of the agent serves those who look into its pods. */
export interface TunnelHost {
  readonly cache: ContainerCache;
  readonly session: Pick<SessionClient, 'refuseTunnel'>;
  tunnelTarget(podUid: string, container: string, previous: boolean): TunnelTarget | { readonly missingIn: string };
  /** Images came to the node by another way than a pull. */
  imagesChanged(): void;
}

export interface AgentOptions {
  readonly system: System;
  readonly runtime: ContainerRuntime;
  readonly connect: SessionPortFactory;
  readonly state: StateStore;
  readonly log: Log;
  /** Keeps the files of volumes. Without it the agent runs no pods with volumes other than emptyDir. */
  readonly files?: VolumeFiles;
  /** Makes cgroups of pods. Without it limits hold for containers only. */
  readonly cgroups?: PodCgroups;
  /** Ends fenced pods when the agent does not. Default: nobody does. */
  readonly watchdog?: Watchdog;
  /** ms; counts suspend exactly, and is the same in every process of the machine. Default: the system's monotonic clock. */
  readonly leaseClock?: () => number;
  readonly flags: NodeFlags;
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly Taint[];
  readonly fallback: HostFallback;
  /** Looks at memory, disks and process ids of the host. engineFolder: where the engine says it keeps its data. */
  readonly readHost: (engineFolder: string | undefined) => HostReading;
  /** When the node is short of something and when images go. Default: as the kubelet. */
  readonly care?: CareSettings;
  /** Default: exec, HTTP and TCP for real. */
  readonly probes?: ProbeExecutor;
  /** Reads what containers say at their end. Default: nobody does. */
  readonly messages?: TerminationMessages;
  /** Serves what the server wants to see of pods. */
  readonly tunnels?: (agent: TunnelHost) => { open(request: OpenTunnel): void; close(): Promise<void> };
  /** The server does not want this agent and never will. */
  readonly onRefused?: (refused: Refused) => void;
}
