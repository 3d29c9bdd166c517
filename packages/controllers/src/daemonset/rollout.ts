// Which daemon pods go and which come: one on each node, and how old ones are replaced. Decides only; controller.ts writes.
import { scaledValue } from '@podplane/api/kinds/int-or-string';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { availableAt, isBeingDeleted, isPodReady, isPodTerminal } from '@podplane/api/pod-state';
import { REVISION_LABEL } from '../shared/revisions.js';
import { timeOf } from '../shared/time.js';
import type { Fit } from './placement.js';

type Pod = Obj<'Pod'>;

export interface Place {
  readonly node: string;
  readonly fit: Fit;
  readonly pods: readonly Pod[];
}

export interface Rules {
  /** The hash of the newest template. */
  readonly hash: string;
  readonly now: number;
  readonly minReadySeconds: number;
  readonly maxSurge: number;
  readonly maxUnavailable: number;
  readonly onDelete: boolean;
}

export interface Plan {
  /** Nodes that get a pod. */
  readonly create: readonly string[];
  readonly delete: readonly Pod[];
  /** Pods that are over and are to be cleared, by node; how often that may be is for the caller. */
  readonly over: readonly { readonly node: string; readonly pod: Pod }[];
}

export const isNew = (pod: Pod, hash: string): boolean => pod.metadata?.labels[REVISION_LABEL] === hash;

export function isAvailable(pod: Pod, { now, minReadySeconds }: Pick<Rules, 'now' | 'minReadySeconds'>): boolean {
  const at = availableAt(pod, minReadySeconds);
  return at !== undefined && at <= now;
}

/** Oldest first; those on a node before those that wait for it. */
export function byAge(a: Pod, b: Pod): number {
  const bound = Number(Boolean(b.spec?.nodeName)) - Number(Boolean(a.spec?.nodeName));
  return (
    bound ||
    (timeOf(a.metadata?.creationTimestamp) || 0) - (timeOf(b.metadata?.creationTimestamp) || 0) ||
    ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1)
  );
}

/** How many pods more and fewer than one a node a rollout may have, of so many nodes. */
export function boundsOf(set: Obj<'DaemonSet'>, desired: number): { readonly maxSurge: number; readonly maxUnavailable: number } {
  const rolling = set.spec?.updateStrategy?.rollingUpdate;
  return {
    maxSurge: scaledValue(rolling?.maxSurge ?? 0, desired, 'up') ?? 0,
    maxUnavailable: scaledValue(rolling?.maxUnavailable ?? 1, desired, 'up') ?? 1,
  };
}

/** What is to be done on all places in one pass. */
export function planPass(places: readonly Place[], rules: Rules): Plan {
  const create: string[] = [];
  const gone = new Set<Pod>();
  const over: { node: string; pod: Pod }[] = [];
  const rolling: { readonly place: Place; readonly old: Pod | undefined; readonly young: Pod | undefined; readonly living: number }[] = [];
  for (const place of places) {
    const { fit, pods, node } = place;
    const living = pods.filter((pod) => !isBeingDeleted(pod));
    if (!fit.stay) {
      for (const pod of living) gone.add(pod);
      continue;
    }
    const running = living.filter((pod) => !isPodTerminal(pod)).sort(byAge);
    for (const pod of living) if (isPodTerminal(pod)) over.push({ node, pod });
    // One that is ending still holds what the next one needs, ports for example.
    if (pods.length === 0 && fit.run) create.push(node);
    const [oldest, ...more] = running;
    let old: Pod | undefined;
    let young: Pod | undefined;
    if (rules.maxSurge === 0) {
      for (const pod of more) gone.add(pod);
      if (oldest !== undefined && isNew(oldest, rules.hash)) young = oldest;
      else old = oldest;
    } else {
      old = running.find((pod) => !isNew(pod, rules.hash));
      young = running.find((pod) => isNew(pod, rules.hash));
      for (const pod of running) if (pod !== old && pod !== young) gone.add(pod);
      if (old !== undefined && young !== undefined && (!isPodReady(old) || isAvailable(young, rules))) {
        gone.add(old);
        old = undefined;
      }
    }
    if (fit.run) rolling.push({ place, old, young, living: living.length });
  }
  if (!rules.onDelete) {
    if (rules.maxSurge === 0) replaceInPlace(rolling, rules, gone);
    else surge(rolling, rules, create);
  }
  return { create, delete: [...gone], over };
}

type Rolling = { readonly place: Place; readonly old: Pod | undefined; readonly young: Pod | undefined };

/** Old pods that are not available go at once: nothing is lost by it. Of the others as many as may be missing. */
function replaceInPlace(rolling: readonly Rolling[], rules: Rules, gone: Set<Pod>): void {
  let missing = 0;
  const candidates: Pod[] = [];
  for (const { old, young } of rolling) {
    if (old !== undefined && isAvailable(old, rules)) candidates.push(old);
    else {
      if (young === undefined || !isAvailable(young, rules)) missing++;
      if (old !== undefined) gone.add(old);
    }
  }
  for (const pod of candidates.slice(0, Math.max(0, rules.maxUnavailable - missing))) gone.add(pod);
}

/** New pods beside old ones; beside an old one that is not available one more may come any time. */
function surge(rolling: readonly Rolling[], rules: Rules, create: string[]): void {
  let beside = 0;
  const candidates: string[] = [];
  for (const { place, old, young } of rolling) {
    if (old === undefined) continue;
    if (young !== undefined) beside++;
    else if (!isAvailable(old, rules)) create.push(place.node);
    else candidates.push(place.node);
  }
  create.push(...candidates.slice(0, Math.max(0, rules.maxSurge - beside)));
}
