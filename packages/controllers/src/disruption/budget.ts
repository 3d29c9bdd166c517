// What a PodDisruptionBudget stands at: which pods it is about, how many there shall be, how many are healthy, how many may go. Pure.
// The controller and the eviction call ask the same functions, so an eviction never goes by a count that is out of date.
import type { PodDisruptionBudgetStatus } from '@podplane/api/gen/podplane/policy/v1/pod_disruption_budget';
import { scaledValue } from '@podplane/api/kinds/int-or-string';
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { isKind, qualifiedResource } from '@podplane/api/kinds/kind-names';
import { controllerOf, isBeingDeleted, isPodReady } from '@podplane/api/pod-state';
import { compileLabelSelector, type LabelPredicate } from '@podplane/api/selectors';
import type { ReadView } from '@podplane/store/types';
import { nameOf, namespaceOf } from '../shared/objects.js';
import { timeOf, timeText } from '../shared/time.js';

export type Budget = Obj<'PodDisruptionBudget'>;
type Pod = Obj<'Pod'>;
type Status = Omit<PodDisruptionBudgetStatus, 'conditions' | 'observedGeneration'>;

/** A pod whose eviction was allowed counts as gone for so long, ms, as in Kubernetes; if it is still there then, it counts again. */
export const DELETION_TIMEOUT_MS = 120_000;

export interface Assessment {
  readonly status: Status;
  /** The pods that the budget is about. */
  readonly pods: number;
  /** Why nothing could be counted; then nothing may go. */
  readonly problem: string | undefined;
  /** Pods that nobody controls, where the budget needs to know how many there shall be. */
  readonly unmanaged: readonly string[];
  /** Pods that should have been deleted by now and were not. */
  readonly overdue: readonly Pod[];
  /** Ms until an allowance runs out; undefined: time alone changes nothing. */
  readonly nextInMs: number | undefined;
}

const predicates = new WeakMap<object, LabelPredicate>();

/** Whether labels are among those that a budget is about. No selector: none are; an empty one: all are. */
export function covers(budget: Budget, labels: Readonly<Record<string, string>>): boolean {
  const selector = budget.spec?.selector;
  if (selector === undefined) return false;
  let predicate = predicates.get(selector);
  if (predicate === undefined) {
    predicate = compileLabelSelector(selector);
    predicates.set(selector, predicate);
  }
  return predicate(labels);
}

/** The budgets that are about a pod, by name. */
export function budgetsOf(view: ReadView, pod: Pod): Budget[] {
  const labels = pod.metadata?.labels ?? {};
  const found: Budget[] = [];
  for (const budget of view.list('PodDisruptionBudget', namespaceOf(pod))) if (covers(budget, labels)) found.push(budget);
  return found.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

function podsOf(view: ReadView, budget: Budget): Pod[] {
  const pods: Pod[] = [];
  // Pods of one mould share their labels, so the answer for one is the answer for the next.
  let known: Readonly<Record<string, string>> | undefined;
  let fits = false;
  for (const pod of view.list('Pod', namespaceOf(budget))) {
    const labels = pod.metadata?.labels ?? {};
    if (labels !== known) {
      known = labels;
      fits = covers(budget, labels);
    }
    if (fits) pods.push(pod);
  }
  return pods;
}

/** How a budget stands now. now: wall clock, ms. */
export function assess(view: ReadView, budget: Budget, now: number): Assessment {
  const pods = podsOf(view, budget);
  const expected = expectedOf(view, budget, pods);
  const { disrupted, overdue, nextInMs } = disruptedOf(budget, pods, now);
  let healthy = 0;
  for (const pod of pods) if (!isBeingDeleted(pod) && !(nameOf(pod) in disrupted) && isPodReady(pod)) healthy++;
  const counted = 'problem' in expected ? { expected: 0, desired: 0 } : expected;
  const allowed = counted.expected > 0 ? Math.max(0, healthy - counted.desired) : 0;
  return {
    status: {
      disruptedPods: disrupted,
      disruptionsAllowed: allowed,
      currentHealthy: healthy,
      desiredHealthy: counted.desired,
      expectedPods: counted.expected,
    },
    pods: pods.length,
    problem: 'problem' in expected ? expected.problem : undefined,
    unmanaged: 'problem' in expected ? [] : expected.unmanaged,
    overdue,
    nextInMs,
  };
}

/** How a budget stands after one of its pods was sent away and is still there, on its way out. pod: as it was; assessment: of that state. */
export function withoutOne({ status, ...rest }: Assessment, pod: Pod): Assessment {
  const name = nameOf(pod);
  const counted = !isBeingDeleted(pod) && isPodReady(pod) && !(name in status.disruptedPods);
  const currentHealthy = status.currentHealthy - Number(counted);
  const { [name]: _, ...disruptedPods } = status.disruptedPods;
  const disruptionsAllowed = status.expectedPods > 0 ? Math.max(0, currentHealthy - status.desiredHealthy) : 0;
  return { ...rest, status: { ...status, disruptedPods, currentHealthy, disruptionsAllowed } };
}

// ---------------------------------------------------------------------------------------------------------------- expected

type Expected =
  | { readonly expected: number; readonly desired: number; readonly unmanaged: readonly string[] }
  | { readonly problem: string };

/** A plain number in minAvailable needs no owners; all else is counted of what the pods' owners shall have. Percentages round up. */
function expectedOf(view: ReadView, budget: Budget, pods: readonly Pod[]): Expected {
  const { minAvailable, maxUnavailable } = budget.spec ?? {};
  if (maxUnavailable === undefined && typeof minAvailable === 'number')
    return { expected: pods.length, desired: minAvailable, unmanaged: [] };
  if (maxUnavailable === undefined && minAvailable === undefined) return { expected: 0, desired: 0, unmanaged: [] };
  const scale = scaleOf(view, pods);
  if ('problem' in scale) return scale;
  const { total, unmanaged } = scale;
  const desired =
    maxUnavailable === undefined
      ? (scaledValue(minAvailable, total, 'up') ?? 0)
      : Math.max(0, total - (scaledValue(maxUnavailable, total, 'up') ?? 0));
  return { expected: total, desired, unmanaged };
}

function scaleOf(
  view: ReadView,
  pods: readonly Pod[],
): { readonly total: number; readonly unmanaged: readonly string[] } | { readonly problem: string } {
  const scales = new Map<string, number>();
  const unmanaged: string[] = [];
  const seen = new Set<string>();
  for (const pod of pods) {
    const owner = controllerOf(pod);
    if (owner === undefined) {
      unmanaged.push(nameOf(pod));
      continue;
    }
    if (seen.has(owner.uid)) continue;
    const top = topOwner(view, namespaceOf(pod), owner);
    if (top === undefined) return { problem: `found no controllers for pod ${JSON.stringify(nameOf(pod))}` };
    if ('problem' in top) return top;
    seen.add(owner.uid);
    scales.set(top.uid, top.replicas);
  }
  let total = 0;
  for (const replicas of scales.values()) total += replicas;
  return { total, unmanaged };
}

type Owner = { readonly kind: string; readonly name: string; readonly uid: string };

// Kinds whose spec.replicas says how many pods there shall be, as their scale subresource does in Kubernetes.
const SCALABLE: ReadonlySet<string> = new Set(['Deployment', 'ReplicaSet', 'StatefulSet', 'ReplicationController']);

export const isScalable = (kind: string): boolean => SCALABLE.has(kind);

/** The object that says how many pods there shall be: of a ReplicaSet's pods its Deployment, where it has one. */
function topOwner(
  view: ReadView,
  namespace: string,
  owner: Owner,
): { readonly uid: string; readonly replicas: number } | { readonly problem: string } | undefined {
  if (!isKind(owner.kind)) return undefined;
  const object = view.get<Kind>(owner.kind, namespace, owner.name);
  if (object?.metadata?.uid !== owner.uid) return undefined;
  if (!isScalable(owner.kind)) return { problem: `${qualifiedResource(owner.kind)} does not implement the scale subresource` };
  const above = owner.kind === 'ReplicaSet' ? controllerOf(object) : undefined;
  const whole = above?.kind === 'Deployment' ? topOwner(view, namespace, above) : undefined;
  if (whole !== undefined) return whole;
  const { spec } = object as { readonly spec?: { readonly replicas?: number } };
  return { uid: owner.uid, replicas: spec?.replicas ?? 1 };
}

// --------------------------------------------------------------------------------------------------------------- disrupted

function disruptedOf(
  budget: Budget,
  pods: readonly Pod[],
  now: number,
): { readonly disrupted: Record<string, string>; readonly overdue: readonly Pod[]; readonly nextInMs: number | undefined } {
  const before = budget.status?.disruptedPods ?? {};
  const disrupted: Record<string, string> = {};
  const overdue: Pod[] = [];
  let nextInMs: number | undefined;
  if (Object.keys(before).length === 0) return { disrupted, overdue, nextInMs };
  for (const pod of pods) {
    const since = before[nameOf(pod)];
    if (since === undefined || isBeingDeleted(pod)) continue;
    const left = (timeOf(since) || now) + DELETION_TIMEOUT_MS - now;
    if (left <= 0) overdue.push(pod);
    else {
      disrupted[nameOf(pod)] = since;
      nextInMs = Math.min(nextInMs ?? left, left);
    }
  }
  return { disrupted, overdue, nextInMs };
}

// ------------------------------------------------------------------------------------------------------------------ status

const DISRUPTION_ALLOWED = 'DisruptionAllowed';

/** The status that says what was counted; the same object where it says so already. */
export function statusWith(budget: Budget, { status, problem }: Assessment, now: number): Budget {
  const before = budget.status;
  const generation = budget.metadata?.generation;
  const allowed = status.disruptionsAllowed > 0;
  const reason = problem !== undefined ? 'SyncFailed' : allowed ? 'SufficientPods' : 'InsufficientPods';
  const message = problem ?? '';
  const known = before?.conditions.find(({ type }) => type === DISRUPTION_ALLOWED);
  const text = allowed ? 'True' : 'False';
  const same =
    before !== undefined &&
    known?.status === text &&
    known.reason === reason &&
    known.message === message &&
    before.observedGeneration === generation &&
    before.disruptionsAllowed === status.disruptionsAllowed &&
    before.currentHealthy === status.currentHealthy &&
    before.desiredHealthy === status.desiredHealthy &&
    before.expectedPods === status.expectedPods &&
    Object.keys(before.disruptedPods).length === Object.keys(status.disruptedPods).length;
  if (same) return budget;
  const condition = {
    type: DISRUPTION_ALLOWED,
    status: text,
    reason,
    message,
    observedGeneration: generation,
    lastTransitionTime: known?.status === text ? known.lastTransitionTime : timeText(now),
  };
  const conditions = [...(before?.conditions ?? []).filter(({ type }) => type !== DISRUPTION_ALLOWED), condition];
  return { ...budget, status: { ...status, observedGeneration: generation, conditions } };
}
