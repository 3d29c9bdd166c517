// What cgroups of pods, of their classes and of the node may take, as the kubelet computes it, and as the kernel's files take it. Pure.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { qosClass } from '@podplane/api/kinds/pod-spec/qos';
import { milliValue, wholeValue } from '@podplane/api/quantity';
import type { Threshold } from '../node/thresholds.js';
import { podContainers } from '../pods/planner/containers.js';
import type { CgroupVersion, Controller } from './layout.js';

/** undefined: no limit. */
export interface CgroupLimits {
  readonly cpuShares: number;
  readonly cpuQuotaMicros: number | undefined;
  readonly memoryBytes: number | undefined;
  readonly pids: number | undefined;
}

export const CPU_PERIOD_MICROS = 100_000;
const MIN_QUOTA_MICROS = 1000;
export const MIN_CPU_SHARES = 2;
const MAX_CPU_SHARES = 262_144;
/** With less a sandbox may be killed in the middle of its start, and nobody would hear what is wrong with the container's limit. */
const LEAST_POD_MEMORY = 16 * 1024 * 1024;

export function cpuShares(millis: number): number {
  return Math.min(Math.max(Math.floor((millis * 1024) / 1000), MIN_CPU_SHARES), MAX_CPU_SHARES);
}

function valueOf(text: string | undefined, read: (text: string) => number): number {
  return text === undefined || text === '' ? 0 : read(text);
}

/** What containers that run at the same time come to: main ones and sidecars, or an init container and the sidecars before it, whichever is more. */
function together(pod: Pod, of: (container: Container) => number): number {
  let main = 0;
  let sidecars = 0;
  let peak = 0;
  for (const { container, role } of podContainers(pod)) {
    if (role === 'main') main += of(container);
    else if (role === 'sidecar') sidecars += of(container);
    else if (role === 'init') peak = Math.max(peak, sidecars + of(container));
  }
  return Math.max(main + sidecars, peak);
}

/** Thousandths of a CPU that the pod has requested. */
export function cpuRequestMillis(pod: Pod): number {
  return together(pod, ({ resources }) => valueOf(resources?.requests['cpu'] ?? resources?.limits['cpu'], milliValue));
}

/**
 * Of a pod: shares by what it requests; quota and memory only where every container has that limit, since one without may take what it likes;
 * pidsLimit is the node's. Ephemeral containers have no resources of their own: they live within those of the pod.
 */
export function podLimits(pod: Pod, pidsLimit: number | undefined): CgroupLimits {
  const cpuLimit = ({ resources }: Container): number => valueOf(resources?.limits['cpu'], milliValue);
  const memoryLimit = ({ resources }: Container): number => valueOf(resources?.limits['memory'], wholeValue);
  const lasting = podContainers(pod).filter(({ role }) => role !== 'ephemeral');
  const all = (of: (container: Container) => number): boolean => lasting.every(({ container }) => of(container) > 0);
  const bestEffort = pod.spec === undefined || qosClass(pod.spec) === 'BestEffort';
  return {
    cpuShares: bestEffort ? MIN_CPU_SHARES : cpuShares(cpuRequestMillis(pod)),
    cpuQuotaMicros: all(cpuLimit)
      ? Math.max(MIN_QUOTA_MICROS, Math.floor((together(pod, cpuLimit) * CPU_PERIOD_MICROS) / 1000))
      : undefined,
    memoryBytes: all(memoryLimit) ? Math.max(LEAST_POD_MEMORY, together(pod, memoryLimit)) : undefined,
    pids: pidsLimit,
  };
}

/** Of a class: the shares of its pods together; without pods the smallest. */
export function classLimits(shares: number): CgroupLimits {
  return {
    cpuShares: Math.min(Math.max(shares, MIN_CPU_SHARES), MAX_CPU_SHARES),
    cpuQuotaMicros: undefined,
    memoryBytes: undefined,
    pids: undefined,
  };
}

export interface NodeAmounts {
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  /** Not for pods, with what shall stay free. */
  readonly reservedCpuMillis: number;
  readonly reservedMemoryBytes: number;
}

/** Bytes that shall stay free; 0 where nothing is said of memory. */
export function leastFreeBytes(thresholds: readonly Threshold[], memoryBytes: number): number {
  const least = thresholds.find(({ signal }) => signal === 'memory.available')?.least;
  if (least === undefined) return 0;
  return 'amount' in least ? least.amount : Math.floor(least.share * memoryBytes);
}

/**
 * Of all pods of a node: what is allocatable, and above it what shall stay free, so that there is time to evict somebody before the kernel
 * kills; at most what the node has.
 */
export function nodeLimits(node: NodeAmounts, thresholds: readonly Threshold[]): CgroupLimits {
  const allocatable = Math.max(0, node.memoryBytes - node.reservedMemoryBytes);
  return {
    cpuShares: cpuShares(Math.max(0, node.cpuMillis - node.reservedCpuMillis)),
    cpuQuotaMicros: undefined,
    memoryBytes: Math.min(node.memoryBytes, allocatable + leastFreeBytes(thresholds, node.memoryBytes)),
    pids: undefined,
  };
}

export interface CgroupWrite {
  readonly controller: Controller;
  readonly file: string;
  readonly value: string;
}

/** The kernel's files. What has no limit is written too: it may have had one. */
export function limitWrites(limits: CgroupLimits, version: CgroupVersion): readonly CgroupWrite[] {
  const { cpuShares: shares, cpuQuotaMicros, memoryBytes, pids } = limits;
  const most = String(pids ?? 'max');
  if (version === 1) {
    return [
      { controller: 'cpu', file: 'cpu.shares', value: String(shares) },
      { controller: 'cpu', file: 'cpu.cfs_period_us', value: String(CPU_PERIOD_MICROS) },
      { controller: 'cpu', file: 'cpu.cfs_quota_us', value: String(cpuQuotaMicros ?? -1) },
      { controller: 'memory', file: 'memory.limit_in_bytes', value: String(memoryBytes ?? -1) },
      { controller: 'pids', file: 'pids.max', value: most },
    ];
  }
  return [
    { controller: 'cpu', file: 'cpu.weight', value: String(cpuWeight(shares)) },
    { controller: 'cpu', file: 'cpu.max', value: `${cpuQuotaMicros ?? 'max'} ${CPU_PERIOD_MICROS}` },
    { controller: 'memory', file: 'memory.max', value: String(memoryBytes ?? 'max') },
    { controller: 'pids', file: 'pids.max', value: most },
  ];
}

/** From 2..262144 to 1..10000, as runc does it. */
export function cpuWeight(shares: number): number {
  return 1 + Math.floor(((shares - MIN_CPU_SHARES) * 9999) / (MAX_CPU_SHARES - MIN_CPU_SHARES));
}
