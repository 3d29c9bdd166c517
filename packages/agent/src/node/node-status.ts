// The status of the node as Kubernetes reports it: capacity, conditions, addresses, versions. Pure. Where the numbers come from is
// pressure.ts and the container engine.
import type { NodeCondition, NodeStatus } from '@podplane/api/gen/podplane/core/v1/node';
import { nodeCgroup } from '../cgroups/layout.js';
import type { NodeAmounts } from '../cgroups/limits.js';
import type { CgroupState } from '../cgroups/pod-cgroups.js';
import type { EngineInfo } from '../runtime/types.js';
import { rfc3339 } from '../time.js';
import type { NodeDevices } from './devices.js';
import type { HostReading } from './pressure.js';
import type { PressureType } from './thresholds.js';

export interface NodeFlags {
  readonly nodeName: string;
  readonly nodeIP: string;
  readonly maxPods: number;
  /** What the node offers at most; undefined: what the engine has. */
  readonly cpuMillis: number | undefined;
  readonly memoryBytes: number | undefined;
  /** Kept for the host itself. */
  readonly reservedCpuMillis: number;
  readonly reservedMemoryBytes: number;
  /** Extended resources, with the devices behind them. */
  readonly devices?: NodeDevices | undefined;
  /** Processes that each pod may have (each container, where pods have no cgroups); undefined: any number. */
  readonly pidsLimit?: number | undefined;
  readonly agentVersion: string;
  readonly machineId: string;
  readonly bootId: string;
}

/** Of the machine itself, where the engine does not answer. */
export interface HostFallback {
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly kernelVersion: string;
  readonly architecture: string;
}

export type EngineState =
  | { readonly state: 'up'; readonly info: EngineInfo; readonly networkReady: boolean }
  | { readonly state: 'down'; readonly info: EngineInfo | undefined; readonly problem: string };

/** Docker says x86_64, Go (and Kubernetes' labels) amd64. */
export function goArchitecture(architecture: string): string {
  if (architecture === 'x86_64' || architecture === 'x64') return 'amd64';
  return architecture === 'aarch64' ? 'arm64' : architecture;
}

export function nodeLabels(nodeName: string, architecture: string, own: Readonly<Record<string, string>>): Record<string, string> {
  return { 'kubernetes.io/hostname': nodeName, 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': goArchitecture(architecture), ...own };
}

function kibi(bytes: number): string {
  return `${Math.floor(bytes / 1024)}Ki`;
}

function cores(millis: number): string {
  return millis % 1000 === 0 ? String(millis / 1000) : `${millis}m`;
}

/** What the node has, and what of it is not for pods. */
export function nodeAmounts(flags: NodeFlags, info: Pick<EngineInfo, 'cpus' | 'memoryBytes'>): NodeAmounts {
  const { reservedCpuMillis, reservedMemoryBytes } = flags;
  const cpuMillis = flags.cpuMillis ?? info.cpus * 1000;
  return { cpuMillis, memoryBytes: flags.memoryBytes ?? info.memoryBytes, reservedCpuMillis, reservedMemoryBytes };
}

export interface NodeStatusInput {
  readonly flags: NodeFlags;
  readonly engine: EngineState;
  readonly fallback: HostFallback;
  readonly reading: HostReading;
  /** What the node is short of. */
  readonly pressures: ReadonlySet<PressureType>;
  /** Whether pods have cgroups of their own; undefined, or unknown: nothing is said. */
  readonly cgroups?: CgroupState | undefined;
  readonly previous: NodeStatus | undefined;
  /** ms since 1970 */
  readonly now: number;
}

export function nodeStatus(input: NodeStatusInput): NodeStatus {
  const { flags, engine, fallback, reading } = input;
  const { info } = engine;
  const { cpuMillis, memoryBytes } = nodeAmounts(flags, {
    cpus: info?.cpus || fallback.cpus,
    memoryBytes: info?.memoryBytes || fallback.memoryBytes,
  });
  const disk = reading.imageDisk?.totalBytes ?? reading.disk?.totalBytes;
  const diskCapacity = disk === undefined ? {} : { 'ephemeral-storage': kibi(disk) };
  const diskAllocatable = disk === undefined ? {} : { 'ephemeral-storage': kibi(disk * 0.9) };
  const pods = String(flags.maxPods);
  const extended = Object.fromEntries([...(flags.devices?.resources ?? [])].map(([name, { count }]) => [name, String(count)]));
  return {
    capacity: { cpu: cores(cpuMillis), memory: kibi(memoryBytes), pods, ...diskCapacity, ...extended },
    allocatable: {
      cpu: cores(Math.max(0, cpuMillis - flags.reservedCpuMillis)),
      memory: kibi(Math.max(0, memoryBytes - flags.reservedMemoryBytes)),
      pods,
      ...diskAllocatable,
      ...extended,
    },
    conditions: conditions(input),
    addresses: [
      ...(flags.nodeIP === '' ? [] : [{ type: 'InternalIP', address: flags.nodeIP }]),
      { type: 'Hostname', address: flags.nodeName },
    ],
    nodeInfo: {
      machineID: flags.machineId,
      systemUUID: flags.machineId,
      bootID: flags.bootId,
      kernelVersion: info?.kernelVersion || fallback.kernelVersion,
      osImage: info?.operatingSystem ?? '',
      containerRuntimeVersion: info === undefined ? '' : `docker://${info.version}`,
      kubeletVersion: flags.agentVersion,
      kubeProxyVersion: '',
      operatingSystem: 'linux',
      architecture: goArchitecture(info?.architecture || fallback.architecture),
    },
    images: [],
    volumesInUse: [],
    volumesAttached: [],
    runtimeHandlers: [],
  };
}

function conditions(input: NodeStatusInput): NodeCondition[] {
  const { pressures, previous } = input;
  const now = rfc3339(input.now);
  const [memory, disk, pids] = (['MemoryPressure', 'DiskPressure', 'PIDPressure'] as const).map((type) => pressures.has(type));
  const list: readonly (readonly [string, boolean, string, string])[] = [
    memory === true
      ? ['MemoryPressure', true, 'AgentHasInsufficientMemory', 'agent has insufficient memory available']
      : ['MemoryPressure', false, 'AgentHasSufficientMemory', 'agent has sufficient memory available'],
    disk === true
      ? ['DiskPressure', true, 'AgentHasDiskPressure', 'agent has disk pressure']
      : ['DiskPressure', false, 'AgentHasNoDiskPressure', 'agent has no disk pressure'],
    pids === true
      ? ['PIDPressure', true, 'AgentHasInsufficientPID', 'agent has insufficient PID available']
      : ['PIDPressure', false, 'AgentHasSufficientPID', 'agent has sufficient PID available'],
    ...podCgroups(input.cgroups),
    ['Ready', ...ready(input.engine)],
  ];
  return list.map(([type, holds, reason, message]) => {
    const status = holds ? 'True' : 'False';
    const before = previous?.conditions.find((condition) => condition.type === type);
    const since = before?.status === status ? before.lastTransitionTime : undefined;
    return { type, status, reason, message, lastHeartbeatTime: now, lastTransitionTime: since ?? now };
  });
}

/** No condition of Kubernetes': there the kubelet does not start where it cannot make them. */
function podCgroups(state: CgroupState | undefined): readonly (readonly [string, boolean, string, string])[] {
  switch (state?.kind) {
    case undefined:
    case 'unknown':
      return [];
    case 'on':
      return [['PodCgroups', true, 'PodCgroupsEnforced', `pods have cgroups of their own below ${nodeCgroup(state.layout).parent}`]];
    case 'off':
      return [['PodCgroups', false, 'PodCgroupsUnavailable', `limits hold for containers, not for pods as a whole: ${state.why}`]];
  }
}

function ready(engine: EngineState): readonly [boolean, string, string] {
  if (engine.state === 'down') return [false, 'ContainerEngineNotReachable', `container engine not reachable: ${engine.problem}`];
  if (!engine.networkReady) return [false, 'NetworkNotReady', 'the pod network is being prepared'];
  return [true, 'AgentReady', 'agent is ready to run pods'];
}
