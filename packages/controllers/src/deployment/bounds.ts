// How many pods more and fewer than asked for a rollout may have. Arithmetic only.
import { scaledValue } from '@podplane/api/kinds/int-or-string';
import type { Obj } from '@podplane/api/kinds/kind-map';

export interface Bounds {
  readonly replicas: number;
  readonly maxSurge: number;
  readonly maxUnavailable: number;
}

/** Percentages of surge are rounded up, of unavailable down; both 0 would never move, so one may be unavailable then. */
export function boundsOf(deployment: Obj<'Deployment'>): Bounds {
  const replicas = deployment.spec?.replicas ?? 1;
  const rolling = deployment.spec?.strategy?.rollingUpdate;
  if (!isRolling(deployment)) return { replicas, maxSurge: 0, maxUnavailable: 0 };
  const maxSurge = scaledValue(rolling?.maxSurge ?? '25%', replicas, 'up') ?? 0;
  const unavailable = scaledValue(rolling?.maxUnavailable ?? '25%', replicas, 'down') ?? 0;
  const maxUnavailable = maxSurge === 0 && unavailable === 0 ? 1 : unavailable;
  return { replicas, maxSurge, maxUnavailable: Math.min(maxUnavailable, replicas) };
}

export function isRolling(deployment: Obj<'Deployment'>): boolean {
  return deployment.spec?.strategy?.type !== 'Recreate';
}

/** Size that a new set gets. all: pods that all sets have or are asked for, current: asked for of the new one. */
export function newSetSize(bounds: Bounds, rolling: boolean, all: number, current: number): number {
  if (!rolling) return bounds.replicas;
  const room = bounds.replicas + bounds.maxSurge - all;
  return room <= 0 ? current : current + Math.min(room, Math.max(0, bounds.replicas - current));
}
