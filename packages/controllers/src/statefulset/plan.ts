// What is done next about a StatefulSet's pods: which are made, which are deleted. Kubernetes' order, with one thing more: an outdated
// pod that is not ready never blocks the rollout that would mend it. Decides only; controller.ts writes.
import { scaledValue } from '@podplane/api/kinds/int-or-string';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodTerminal } from '@podplane/api/pod-state';
import { ordinalOf, podName } from './names.js';
import { isAvailable, revisionOf } from './pods.js';

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
  /** How many of the pods that there shall be may be missing while they are replaced. */
  readonly maxUnavailable: number;
}

export function slotsOf(set: Obj<'StatefulSet'>): Slots {
  const start = set.spec?.ordinals?.start ?? 0;
  const replicas = set.spec?.replicas ?? 1;
  const rolling = set.spec?.updateStrategy?.rollingUpdate;
  // Rounded down, as Kubernetes' controller does (its documentation says up), and at least one: else nothing would ever be replaced.
  const maxUnavailable = Math.max(1, scaledValue(rolling?.maxUnavailable ?? 1, replicas, 'down') ?? 1);
  // As in Kubernetes the partition counts from the lowest number.
  return { start, replicas, updateFrom: start + (rolling?.partition ?? 0), maxUnavailable };
}

/** The next step. An empty one: all is as it shall be, or something is waited for. */
export function planStep(input: PlanInput): Step {
  const { set, pods, updateRevision, currentRevision, now } = input;
  const { start, replicas, updateFrom, maxUnavailable } = slotsOf(set);
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
  const gone = new Set<Pod>();
  const done = (waitsFor = ''): Step => ({ create, delete: [...gone], waitsFor });
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
      gone.add(pod);
      if (ordered) return done(`${name(pod)} to end`);
    } else if (!isAvailable(pod, minReadySeconds, now)) {
      // It serves nobody, so its replacement costs nothing; waiting for it could last for ever.
      if (outdated(pod, ordinal) && !isAvailable(pod, 0, now)) {
        gone.add(pod);
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
    gone.add(pod);
    if (ordered) return done(`${name(pod)} to end`);
  }
  if (!rolling || create.length > 0) return done();

  const unavailable = new Set<number>();
  for (let ordinal = start; ordinal < start + replicas; ordinal++) {
    const pod = byOrdinal.get(ordinal);
    if (pod === undefined || gone.has(pod) || !isAvailable(pod, minReadySeconds, now)) unavailable.add(ordinal);
  }
  for (let ordinal = start + replicas - 1; ordinal >= updateFrom; ordinal--) {
    const pod = byOrdinal.get(ordinal);
    if (pod === undefined || gone.has(pod) || isBeingDeleted(pod) || !outdated(pod, ordinal)) continue;
    // One that is missing already costs nothing more; of the others as many may go as may be missing.
    const costs = unavailable.has(ordinal) ? 0 : 1;
    if (unavailable.size + costs > maxUnavailable) break;
    unavailable.add(ordinal);
    gone.add(pod);
  }
  const [first] = unavailable;
  return done(first === undefined ? '' : `${podName(set, first)} to be available`);
}
