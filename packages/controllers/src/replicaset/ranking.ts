// Which pods of a ReplicaSet go first when there are too many. Kubernetes' order; but what stands doubled on a node is counted down
// as it is chosen, so that what remains is spread evenly.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { deletionCostOf } from '@podplane/api/kinds/pod-spec/deletion-cost';
import { isPodReady, podCondition } from '@podplane/api/pod-state';
import { timeOf } from '../shared/time.js';

interface Traits {
  readonly pod: Obj<'Pod'>;
  readonly node: string;
  readonly phase: number;
  readonly ready: boolean;
  readonly cost: number;
  readonly readySince: number;
  readonly restarts: number;
  /** Of init containers that go on running. */
  readonly sidecarRestarts: number;
  readonly created: number;
}

const PHASE: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/** The most restarts of one of its containers, and of one of its sidecars. */
function restartsOf({ spec, status }: Obj<'Pod'>): { readonly restarts: number; readonly sidecarRestarts: number } {
  const most = (statuses: NonNullable<typeof status>['containerStatuses']): number =>
    statuses.reduce((max, { restartCount }) => Math.max(max, restartCount), 0);
  const sidecars = new Set(spec?.initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always').map(({ name }) => name));
  const of = sidecars.size === 0 ? [] : (status?.initContainerStatuses ?? []).filter(({ name }) => sidecars.has(name));
  return { restarts: most(status?.containerStatuses ?? []), sidecarRestarts: most(of) };
}

function traitsOf(pod: Obj<'Pod'>): Traits {
  const ready = isPodReady(pod);
  return {
    pod,
    node: pod.spec?.nodeName ?? '',
    phase: PHASE[pod.status?.phase ?? 'Pending'] ?? 0,
    ready,
    cost: deletionCostOf(pod.metadata?.annotations),
    readySince: ready ? timeOf(podCondition(pod, 'Ready')?.lastTransitionTime) || 0 : 0,
    ...restartsOf(pod),
    created: timeOf(pod.metadata?.creationTimestamp) || 0,
  };
}

/** What comes before any thought of spreading: not bound, not running, not ready, cheap to delete. */
function byState(a: Traits, b: Traits): number {
  return Number(a.node !== '') - Number(b.node !== '') || a.phase - b.phase || Number(a.ready) - Number(b.ready) || a.cost - b.cost;
}

/**
 * What comes after it: ready for a shorter time, restarted more often, younger; at last the name, to be the same every time. Kubernetes
 * takes times that are of about the same age as equal, and any of the pods then; here it is always the younger.
 */
function byAge(a: Traits, b: Traits): number {
  const names = (a.pod.metadata?.name ?? '') < (b.pod.metadata?.name ?? '') ? -1 : 1;
  const restarts = b.restarts - a.restarts || b.sidecarRestarts - a.sidecarRestarts;
  return b.readySince - a.readySince || restarts || b.created - a.created || names;
}

/**
 * The pods to delete, count of them. related: living pods by node of all sets of the same owner, these included, by which doubled-up
 * nodes are told.
 */
export function chooseForDeletion(pods: readonly Obj<'Pod'>[], count: number, related: ReadonlyMap<string, number>): Obj<'Pod'>[] {
  if (count >= pods.length) return [...pods];
  const traits = pods.map(traitsOf).sort((a, b) => byState(a, b) || byAge(a, b));
  // The first of a node's pods to go leaves one less there for the second.
  const left = new Map(related);
  const chosen: Obj<'Pod'>[] = [];
  for (let from = 0; chosen.length < count && from < traits.length; ) {
    // Of one state, in the order of age: those on the most crowded nodes before the others.
    const crowds = new Map<number, Obj<'Pod'>[]>();
    const [first] = traits.slice(from, from + 1);
    let one = first;
    for (; one !== undefined && first !== undefined && byState(first, one) === 0; one = traits[++from]) {
      const there = left.get(one.node) ?? 0;
      left.set(one.node, there - 1);
      const crowd = crowds.get(there);
      if (crowd === undefined) crowds.set(there, [one.pod]);
      else crowd.push(one.pod);
    }
    for (const [, pods] of [...crowds].sort(([a], [b]) => b - a)) for (const pod of pods) chosen.push(pod);
  }
  return chosen.slice(0, count);
}
