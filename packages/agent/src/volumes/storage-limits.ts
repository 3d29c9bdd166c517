// How much of its node's disk a pod may take, by what its manifest says: limits of ephemeral-storage of containers, sizeLimit of volumes. Pure.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { addQuantities, compareQuantities, parseQuantity, type Quantity, wholeValue } from '@podplane/api/quantity';

const RESOURCE = 'ephemeral-storage';

export interface VolumeLimit {
  readonly volume: string;
  readonly text: string;
  readonly bytes: number;
}

export interface StorageLimits {
  /** By name, of main containers: the kubelet looks at no others one by one. */
  readonly containers: ReadonlyMap<string, Quantity>;
  /** Of all that the pod keeps; undefined: no container has a limit. */
  readonly pod: Quantity | undefined;
}

/** Names and limits, in bytes, of the volumes of a pod that must be measured. */
export function limitsOf(pod: Pod): readonly VolumeLimit[] {
  return (pod.spec?.volumes ?? []).flatMap(({ name, emptyDir }) => {
    const text = emptyDir?.sizeLimit;
    if (!text || emptyDir?.medium === 'Memory') return [];
    const bytes = wholeValue(text);
    return bytes > 0 ? [{ volume: name, text, bytes }] : [];
  });
}

/**
 * The limits of ephemeral-storage. The pod's is what the kubelet computes: the sum over main containers and sidecars, or the largest moment of
 * initialisation if that is more; a container without limit adds nothing, so that one limit holds for the whole pod.
 */
export function storageLimits({ spec }: Pod): StorageLimits {
  const containers = new Map<string, Quantity>();
  let total: Quantity | undefined;
  for (const { name, resources } of spec?.containers ?? []) {
    const limit = limitIn(resources?.limits);
    total = sum(total, limit);
    if (limit !== undefined && limit.nano > 0n) containers.set(name, limit);
  }
  let sidecars: Quantity | undefined;
  let peak: Quantity | undefined;
  for (const { restartPolicy, resources } of spec?.initContainers ?? []) {
    const limit = limitIn(resources?.limits);
    if (restartPolicy === 'Always') {
      total = sum(total, limit);
      sidecars = sum(sidecars, limit);
      peak = larger(peak, sidecars);
    } else {
      peak = larger(peak, sum(limit, sidecars));
    }
  }
  return { containers, pod: larger(total, peak) };
}

function limitIn(limits: Readonly<Record<string, string>> = {}): Quantity | undefined {
  const text = Object.hasOwn(limits, RESOURCE) ? limits[RESOURCE] : undefined;
  return text === undefined || text === '' ? undefined : parseQuantity(text);
}

function sum(a: Quantity | undefined, b: Quantity | undefined): Quantity | undefined {
  return a === undefined || b === undefined ? (a ?? b) : addQuantities(a, b);
}

function larger(a: Quantity | undefined, b: Quantity | undefined): Quantity | undefined {
  return a === undefined || b === undefined ? (a ?? b) : compareQuantities(a, b) < 0 ? b : a;
}
