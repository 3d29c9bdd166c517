// Evicting a pod: whether the budgets let it go, and sending it away, in one transaction. Pure but for the transaction. Who asks (the
// API, a drain) and what they do about a refusal is elsewhere. The rules are those of Kubernetes' eviction subresource.
import { isFenced } from '@podplane/api/fencing';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodReady, isPodTerminal } from '@podplane/api/pod-state';
import type { ReadView, Tx } from '@podplane/store/types';
import { deleteWithPropagation, type Propagation } from '../owner-gc/propagation.js';
import { nameOf, uidOf } from '../shared/objects.js';
import { timeText } from '../shared/time.js';
import { type Assessment, assess, type Budget, budgetsOf, statusWith, withoutOne } from './budget.js';

type Pod = Obj<'Pod'>;

export type EvictionVerdict =
  /** budget: the one that counts the pod; undefined: none does, or the pod is none that a budget protects. */
  | { readonly kind: 'allowed'; readonly budget: Budget | undefined }
  /** why: a sentence with what the budget needs and has. */
  | { readonly kind: 'blocked'; readonly budget: string; readonly why: string }
  /** More than one budget is about the pod; Kubernetes does not evict such pods, as it could not count both at once. */
  | { readonly kind: 'ambiguous'; readonly budgets: readonly string[] };

export interface EvictionOptions {
  /** Seconds for the containers; undefined: as the pod says. */
  readonly graceSeconds?: number | undefined;
  /** What becomes of what the pod owns; default: it goes, too. */
  readonly propagation?: Propagation | undefined;
  /** What the pod's condition DisruptionTarget says. */
  readonly message: string;
  /** As it is counted for: reason of DisruptionTarget. */
  readonly reason?: string;
}

export type Eviction = { readonly kind: 'evicted'; readonly pod: Pod | undefined } | Exclude<EvictionVerdict, { kind: 'allowed' }>;

/** What was counted for budgets, by uid: for many questions about one state. */
export type Judgements = Map<string, Assessment>;

function assessOnce(view: ReadView, budget: Budget, now: number, known: Judgements | undefined): Assessment {
  const uid = uidOf(budget);
  const found = known?.get(uid) ?? assess(view, budget, now);
  known?.set(uid, found);
  return found;
}

/** Whether a pod may be evicted now. Writes nothing. now: wall clock, ms. known: of the same state; what is counted is put into it. */
export function judgeEviction(view: ReadView, pod: Pod, now: number, known?: Judgements): EvictionVerdict {
  // What does not run yet, or no more, is not missed by anybody.
  if (isPodTerminal(pod) || isBeingDeleted(pod) || (pod.status?.phase ?? 'Pending') === 'Pending')
    return { kind: 'allowed', budget: undefined };
  const [budget, ...others] = budgetsOf(view, pod);
  if (budget === undefined) return { kind: 'allowed', budget: undefined };
  if (others.length > 0) return { kind: 'ambiguous', budgets: [budget, ...others].map(nameOf) };
  const { status, problem } = assessOnce(view, budget, now, known);
  const { currentHealthy, desiredHealthy, disruptionsAllowed } = status;
  if (!isPodReady(pod)) {
    // It is not counted as healthy, so its end takes nothing from what the budget keeps.
    const always = budget.spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow';
    if (always || (currentHealthy >= desiredHealthy && desiredHealthy > 0)) return { kind: 'allowed', budget };
  }
  if (disruptionsAllowed > 0) return { kind: 'allowed', budget };
  const name = nameOf(budget);
  const denied = `The disruption budget ${name} does not allow evicting pods currently`;
  // More are healthy than it needs and none may go: it counts none of them among those that there shall be.
  let why =
    currentHealthy > desiredHealthy
      ? denied
      : `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`;
  if (problem !== undefined) why = `${denied} because it failed sync: ${problem}`;
  return { kind: 'blocked', budget: name, why };
}

/**
 * Sends a pod away where its budget lets it go, and counts it off in the budget's status. A blocked one is left as it is. known: what was counted
 * in this very transaction, with nothing written since but by this; it is brought up to date.
 */
export function evictPod(tx: Tx, pod: Pod, options: EvictionOptions, known: Judgements = new Map()): Eviction {
  const verdict = judgeEviction(tx, pod, tx.now, known);
  if (verdict.kind !== 'allowed') return verdict;
  const { budget } = verdict;
  const before = budget && assessOnce(tx, budget, tx.now, known);
  const left = sendAway(tx, pod, options);
  if (left === undefined || (budget === undefined && budgetsOf(tx, pod).length > 0)) known.clear();
  if (budget !== undefined && before !== undefined) {
    const after = left === undefined ? assess(tx, budget, tx.now) : withoutOne(before, pod);
    known.set(uidOf(budget), after);
    const counted = statusWith(budget, after, tx.now);
    if (counted !== budget) tx.update('PodDisruptionBudget', counted, 'any');
  }
  return { kind: 'evicted', pod: left };
}

/** Marks a pod as a target of a disruption and asks for its deletion, whatever its budgets say. undefined: it is gone. */
export function sendAway(tx: Tx, pod: Pod, options: EvictionOptions): Pod | undefined {
  const { propagation, message, reason = 'EvictionByEvictionAPI' } = options;
  // Only who deletes by force says that a fenced pod need not have ended before the next one is made.
  const graceSeconds = options.graceSeconds === 0 && isFenced(pod) ? 1 : options.graceSeconds;
  const marked = isBeingDeleted(pod) || isPodTerminal(pod) ? pod : tx.update('Pod', markDisrupted(pod, reason, message, tx.now), 'any');
  return deleteWithPropagation(tx, 'Pod', marked, { graceSeconds, propagation });
}

function markDisrupted(pod: Pod, reason: string, message: string, now: number): Pod {
  const { status } = pod;
  if (status === undefined) return pod;
  const condition = { type: 'DisruptionTarget', status: 'True', reason, message, lastTransitionTime: timeText(now) };
  return { ...pod, status: { ...status, conditions: [...status.conditions.filter((c) => c.type !== 'DisruptionTarget'), condition] } };
}
