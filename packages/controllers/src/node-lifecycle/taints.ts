// The taints that this controller keeps on nodes, and when a pod has to go because of a NoExecute taint, whoever set it.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { controllerOf } from '@podplane/api/pod-state';
import {
  PRESSURE_TAINTS,
  TAINT_NOT_READY,
  TAINT_SHUTTING_DOWN,
  TAINT_SUSPECT,
  TAINT_UNREACHABLE,
  tolerationFor,
} from '@podplane/api/taints';
import { timeOf, timeText } from '../shared/time.js';
import type { NodeLifecycleConfig } from './config.js';

export type Taint = NonNullable<Obj<'Node'>['spec']>['taints'][number];

const OURS: ReadonlySet<string> = new Set([
  TAINT_UNREACHABLE,
  TAINT_NOT_READY,
  TAINT_SUSPECT,
  TAINT_SHUTTING_DOWN,
  ...Object.values(PRESSURE_TAINTS),
]);

export interface Wanted {
  readonly key: string;
  readonly effect: 'NoSchedule' | 'NoExecute';
}

export const both = (key: string): Wanted[] => [
  { key, effect: 'NoSchedule' },
  { key, effect: 'NoExecute' },
];

/** What the node says it is short of. */
export function pressures(conditions: readonly { readonly type: string; readonly status: string }[]): Wanted[] {
  return conditions.flatMap(({ type, status }) => {
    const key = status === 'True' ? PRESSURE_TAINTS[type] : undefined;
    return key === undefined ? [] : [{ key, effect: 'NoSchedule' } as const];
  });
}

/**
 * The node's taints with ours as wanted; those of others stay. NoExecute taints get the time from which tolerations count. The same
 * array comes back where nothing changes. now: wall clock, ms.
 */
export function taintsWith(current: readonly Taint[], wanted: readonly Wanted[], now: number): readonly Taint[] {
  const kept = current.filter((taint) => !OURS.has(taint.key) || wanted.some((w) => w.key === taint.key && w.effect === taint.effect));
  const added = wanted.filter((w) => !current.some((taint) => taint.key === w.key && taint.effect === w.effect));
  const untimed = kept.some((taint) => taint.effect === 'NoExecute' && taint.timeAdded === undefined);
  if (kept.length === current.length && added.length === 0 && !untimed) return current;
  const timed = (taint: Taint): Taint =>
    taint.effect === 'NoExecute' && taint.timeAdded === undefined ? { ...taint, timeAdded: timeText(now) } : taint;
  return [...kept, ...added].map(timed);
}

/** A NoExecute taint with how long it has been there, ms. */
export interface Standing {
  readonly taint: Taint;
  readonly forMs: number;
}

export interface Sentence {
  readonly taint: Taint;
  /** For so long the pod tolerates it. */
  readonly seconds: number;
  /** Ms until the pod has to go; 0: now. */
  readonly inMs: number;
}

/**
 * The first taint that the pod's tolerations give out under; undefined: it tolerates all of them for ever. Counted from when both were
 * there, the taint and the pod (stayedMs ago).
 */
export function sentenceOf(
  pod: Obj<'Pod'>,
  standing: readonly Standing[],
  stayedMs: number,
  config: NodeLifecycleConfig,
): Sentence | undefined {
  let first: Sentence | undefined;
  for (const { taint, forMs } of standing) {
    const seconds = tolerationSeconds(pod, taint, config);
    if (seconds === undefined) continue;
    const inMs = Math.max(0, seconds * 1000 - Math.min(forMs, stayedMs));
    if (first === undefined || inMs < first.inMs) first = { taint, seconds, inMs };
  }
  return first;
}

/** What the first matching toleration says, as in Kubernetes; undefined: for ever. */
function tolerationSeconds(pod: Obj<'Pod'>, taint: Taint, config: NodeLifecycleConfig): number | undefined {
  const toleration = tolerationFor(pod.spec?.tolerations ?? [], taint);
  if (toleration === undefined) {
    const { managed, bare } = config.defaultTolerationSeconds;
    return (controllerOf(pod) === undefined ? bare : managed)[taint.key] ?? 0;
  }
  return toleration.tolerationSeconds === undefined ? undefined : Math.max(0, toleration.tolerationSeconds);
}

/** Since when a taint counts, by its own word; now where it says nothing. Wall clock, ms. */
export const addedAt = (taint: Taint, now: number): number => timeOf(taint.timeAdded) || now;
