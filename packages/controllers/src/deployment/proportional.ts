// Scaling in the middle of a rollout: every active set grows or shrinks by its share. Arithmetic only.
import type { Bounds } from './bounds.js';

export interface SetSize {
  readonly replicas: number;
  /** replicas + maxSurge of the Deployment when this set was sized last; undefined: not known. */
  readonly max: number | undefined;
}

/**
 * New sizes, in the order given: newest first when growing, oldest first when shrinking, so that what rounding leaves over goes to
 * the first. statusReplicas: pods that there are, for sets that do not know their max.
 */
export function proportionalSizes(sets: readonly SetSize[], bounds: Bounds, statusReplicas: number): number[] {
  const total = sets.reduce((sum, set) => sum + set.replicas, 0);
  const allowed = bounds.replicas > 0 ? bounds.replicas + bounds.maxSurge : 0;
  const toAdd = allowed - total;
  let added = 0;
  const sizes = sets.map((set) => {
    if (toAdd === 0) return set.replicas;
    const fraction = fractionOf(set, bounds, statusReplicas);
    const left = toAdd - added;
    const share = toAdd > 0 ? Math.min(fraction, left) : Math.max(fraction, left);
    added += share;
    return set.replicas + share;
  });
  if (sizes[0] !== undefined && toAdd !== 0) sizes[0] = Math.max(0, sizes[0] + toAdd - added);
  return sizes.map((size) => Math.max(0, size));
}

function fractionOf(set: SetSize, bounds: Bounds, statusReplicas: number): number {
  if (bounds.replicas === 0) return -set.replicas;
  if (set.replicas === 0) return 0;
  const base = set.max || statusReplicas;
  if (base === 0) return 0;
  return Math.round((set.replicas * (bounds.replicas + bounds.maxSurge)) / base) - set.replicas;
}
