// What is done next about a StatefulSet's pods: which are made, which are deleted. Kubernetes' order, with one thing more: an outdated
// pod that is not ready never blocks the rollout that would mend it. Decides only; controller.ts writes.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodTerminal } from '@podplane/api/pod-state';
import { isAvailable, ordinalOf, revisionOf } from './pods.js';

type Pod = Obj<'Pod'>;

export interface PlanInput {
  readonly set: Obj<'StatefulSet'>;
  /** All that the set controls. */
  readonly pods: readonly Pod[];
  /** Name of the newest revision. */
  readonly updateRevision: string;
  readonly currentRevision: string;
  readonly now: number;
}

export interface Step {
  readonly create: readonly { readonly ordinal: number; readonly revision: string }[];
  readonly delete: readonly Pod[];
  /** What is waited for; "" where nothing is. */
  readonly waitsFor: string;
}

export interface Slots {
  readonly start: number;
  readonly replicas: number;
  /** Numbers from here on get the newest template. */
  readonly updateFrom: number;
}

export function slotsOf(set: Obj<'StatefulSet'>): Slots {
  const start = set.spec?.ordinals?.start ?? 0;
  // As in Kubernetes the partition counts from the lowest number.
  return { start, replicas: set.spec?.replicas ?? 1, updateFrom: start + (set.spec?.updateStrategy?.rollingUpdate?.partition ?? 0) };
}

/** The next step. An empty one: all is as it shall be, or something is waited for. */
export function planStep(input: PlanInput): Step {
  const { set, pods, updateRevision, currentRevision, now } = input;
  const { start, replicas, updateFrom } = slotsOf(set);
  const ordered = set.spec?.podManagementPolicy !== 'Parallel';
  const rolling = set.spec?.updateStrategy?.type !== 'OnDelete';
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  const byOrdinal = new Map<number, Pod>();
  const condemned: Pod[] = [];
  for (const pod of pods) {
    const ordinal = ordinalOf(set, pod.metadata?.name ?? '');
    if (ordinal === undefined) continue;
    if (ordinal >= start && ordinal < start + replicas) byOrdinal.set(ordinal, pod);
    else condemned.push(pod);
  }
  condemned.sort((a, b) => (ordinalOf(set, b.metadata?.name ?? '') ?? 0) - (ordinalOf(set, a.metadata?.name ?? '') ?? 0));
  const create: { ordinal: number; revision: string }[] = [];
  const gone: Pod[] = [];
  const done = (waitsFor = ''): Step => ({ create, delete: gone, waitsFor });
  const name = (pod: Pod): string => pod.metadata?.name ?? '';
  const outdated = (pod: Pod, ordinal: number): boolean => rolling && ordinal >= updateFrom && revisionOf(pod) !== updateRevision;

  for (let ordinal = start; ordinal < start + replicas; ordinal++) {
    const pod = byOrdinal.get(ordinal);
    if (pod === undefined) {
      create.push({ ordinal, revision: rolling && ordinal < updateFrom ? currentRevision : updateRevision });
      if (ordered) return done();
    } else if (isBeingDeleted(pod)) {
      if (ordered) return done(`${name(pod)} to end`);
    } else if (isPodTerminal(pod)) {
      gone.push(pod);
      if (ordered) return done(`${name(pod)} to end`);
    } else if (!isAvailable(pod, minReadySeconds, now)) {
      // It serves nobody, so its replacement costs nothing; waiting for it could last for ever.
      if (outdated(pod, ordinal) && !isAvailable(pod, 0, now)) {
        gone.push(pod);
        if (ordered) return done(`${name(pod)} to end`);
      } else if (ordered) return done(`${name(pod)} to be available`);
    }
  }

  const unhealthy = [...byOrdinal.values(), ...condemned.toReversed()].find((pod) => !isAvailable(pod, minReadySeconds, now));
  for (const pod of condemned) {
    if (isBeingDeleted(pod)) {
      if (ordered) return done(`${name(pod)} to end`);
      continue;
    }
    if (ordered && !isAvailable(pod, minReadySeconds, now) && pod !== unhealthy) return done(`${name(unhealthy ?? pod)} to be available`);
    gone.push(pod);
    if (ordered) return done(`${name(pod)} to end`);
  }
  if (!rolling || create.length > 0) return done();

  for (let ordinal = start + replicas - 1; ordinal >= updateFrom; ordinal--) {
    const pod = byOrdinal.get(ordinal);
    if (pod === undefined) return done();
    if (gone.includes(pod)) return done(`${name(pod)} to end`);
    if (outdated(pod, ordinal) && !isBeingDeleted(pod)) {
      // One at a time: nothing else may be missing.
      const other = [...byOrdinal.values()].find((one) => one !== pod && !isAvailable(one, minReadySeconds, now));
      if (other !== undefined) return done(`${name(other)} to be available`);
      gone.push(pod);
      return done(`${name(pod)} to end`);
    }
    if (!isAvailable(pod, minReadySeconds, now)) return done(`${name(pod)} to be available`);
  }
  return done();
}
