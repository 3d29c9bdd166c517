// Who has to leave a node that is short of something, and with which words: the kubelet's order and messages. Pure. When it is asked, and what is
// tried before, is housekeeper.ts.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { formatQuantity, fromWhole } from '@podplane/api/quantity';
import { podContainers } from '../pods/planner/containers.js';
import { type Resource, requestOf } from './requests.js';
import type { Shortage, Signal } from './thresholds.js';

/** What a container takes of the node now. */
export interface ContainerUse {
  readonly name: string;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  readonly processes: number;
}

export interface PodUse {
  readonly pod: Pod;
  readonly containers: readonly ContainerUse[];
  /** Of volumes on disk that end with the pod. */
  readonly volumeBytes: number;
}

/** The kubelet's name of what a signal is about. */
export function resourceOf(signal: Signal): Resource {
  if (signal === 'memory.available') return 'memory';
  if (signal === 'pid.available') return 'pids';
  return signal.endsWith('inodesFree') ? 'inodes' : 'ephemeral-storage';
}

function useOf(use: ContainerUse, resource: Resource): number {
  if (resource === 'memory') return use.memoryBytes;
  // Who holds many inodes is not known; who holds much disk is the best guess there is.
  return resource === 'pids' ? use.processes : use.diskBytes;
}

function podUse({ containers, volumeBytes }: PodUse, resource: Resource): number {
  const own = containers.reduce((sum, one) => sum + useOf(one, resource), 0);
  return resource === 'ephemeral-storage' || resource === 'inodes' ? own + volumeBytes : own;
}

/**
 * Pods in the order in which they have to leave: those that take more than they requested first, then those of low priority, then those
 * that take most beyond their request. Of process ids nothing is requested: priority, then number.
 */
export function ranked(pods: readonly PodUse[], resource: Resource): readonly PodUse[] {
  const rows = pods.map((one) => {
    const used = podUse(one, resource);
    const requested = podContainers(one.pod).reduce(
      (sum, { container, role }) => (role === 'init' ? sum : sum + requestOf(container, resource)),
      0,
    );
    return { one, over: used - requested, priority: one.pod.spec?.priority ?? 0 };
  });
  const exceeds = ({ over }: { readonly over: number }): number => (resource === 'pids' ? 0 : over > 0 ? 1 : 0);
  const name = (one: PodUse): string => `${one.pod.metadata?.namespace}/${one.pod.metadata?.name}`;
  return rows
    .sort((a, b) => exceeds(b) - exceeds(a) || a.priority - b.priority || b.over - a.over || name(a.one).localeCompare(name(b.one)))
    .map(({ one }) => one);
}

/** In whole KiB, so that it can be read. */
function formatBytes(bytes: number): string {
  return formatQuantity(fromWhole(bytes < 1024 ? Math.floor(bytes) : Math.floor(bytes / 1024) * 1024));
}

/** The kubelet's words to the one who has to leave. */
export function evictionMessage({ threshold, left, least }: Shortage, { pod, containers }: PodUse): string {
  const resource = resourceOf(threshold.signal);
  const amount = (value: number): string => (resource === 'pids' || resource === 'inodes' ? String(Math.floor(value)) : formatBytes(value));
  let message = `The node was low on resource: ${resource}. Threshold quantity: ${amount(least)}, available: ${amount(left)}. `;
  if (resource === 'pids' || resource === 'inodes') return message;
  for (const use of containers) {
    const container = podContainers(pod).find((one) => one.container.name === use.name)?.container;
    const requested = container === undefined ? 0 : requestOf(container, resource);
    const used = useOf(use, resource);
    if (used > requested) {
      message += `Container ${use.name} was using ${amount(used)}, request is ${requested === 0 ? '0' : amount(requested)}, has larger consumption of ${resource}. `;
    }
  }
  return message;
}
