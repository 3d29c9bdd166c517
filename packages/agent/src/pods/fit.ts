// Whether a pod that came to this node fits it. The scheduler has asked that for most of them; the node asks once more, as the kubelet does,
// since pods may name their node themselves, and since it knows best who is still here. Pure; which pods are here is admission.ts's, what the
// engine lacks is node-verdict.ts's.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { type PodNeeds, podNeeds, portsClash } from '@podplane/api/kinds/pod-spec/needs';
import { milliValue, tryParseQuantity, wholeValue } from '@podplane/api/quantity';
import { compileLabelMap, compileNodeSelector } from '@podplane/api/selectors';
import { OWN_NO_EXECUTE_TAINTS, type TaintLike, tolerationFor } from '@podplane/api/taints';
import type { NodeVerdict } from './node-verdict.js';

/** What the server says of this node. */
export interface NodeWords {
  readonly labels: Readonly<Record<string, string>>;
  readonly taints: readonly TaintLike[];
}

export interface Room {
  readonly nodeName: string;
  readonly allocatable: Readonly<Record<string, string>>;
  /** undefined: the server has not said anything yet. */
  readonly node: NodeWords | undefined;
  /** Pods that were taken here and have not ended. */
  readonly others: readonly Pod[];
}

const OS_LABEL = 'kubernetes.io/os';
const OS = 'linux';
/** Where a node's own limit on pods is missing (Kubernetes' default). */
const DEFAULT_MAX_PODS = 110;

/** Why the pod is not taken; undefined: it is. The kubelet's rules, order and words (pkg/kubelet/lifecycle, 1.34). */
export function fitVerdict(pod: Pod, room: Room): NodeVerdict | undefined {
  const needs = needsOf(pod);
  const others = room.others.map(needsOf);
  return osVerdict(pod) ?? shortage(needs, others, room.allocatable) ?? misplaced(pod, needs, others, room);
}

function needsOf({ spec }: Pod): PodNeeds {
  if (spec === undefined) throw new TypeError('a pod without a spec');
  return podNeeds(spec);
}

function osVerdict({ metadata, spec }: Pod): NodeVerdict | undefined {
  const wanted = metadata?.labels[OS_LABEL];
  if (wanted !== undefined && wanted !== OS)
    return {
      reason: 'PodOSSelectorNodeLabelDoesNotMatch',
      message: `Failed to admit pod as the \`${OS_LABEL}\` label doesn't match node label`,
    };
  if (spec?.os !== undefined && spec.os.name !== OS)
    return { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" };
  return undefined;
}

/** The first thing that there is too little of. Amounts: cpu in thousandths, all else whole. */
function shortage(needs: PodNeeds, others: readonly PodNeeds[], allocatable: Room['allocatable']): NodeVerdict | undefined {
  const total = (of: (one: PodNeeds) => number): number => others.reduce((sum, one) => sum + of(one), 0);
  const has = (name: string, read = wholeValue): number => {
    const text = allocatable[name];
    return text !== undefined && tryParseQuantity(text) !== undefined ? read(text) : 0;
  };
  const short = (name: string, requested: number, of: (one: PodNeeds) => number, capacity: number): NodeVerdict | undefined => {
    if (requested === 0) return undefined; // what a pod does not ask for never stops it, also where there is too little for others
    const used = total(of);
    return requested <= capacity - used ? undefined : outOf(name, requested, used, capacity);
  };
  const { requests } = needs;
  const pods = allocatable['pods'] === undefined ? DEFAULT_MAX_PODS : has('pods');
  const extended = [...(requests.extended ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
  return (
    short('pods', 1, () => 1, pods) ??
    short('cpu', requests.cpu, (one) => one.requests.cpu, has('cpu', milliValue)) ??
    short('memory', requests.memory, (one) => one.requests.memory, has('memory')) ??
    short('ephemeral-storage', requests.ephemeral, (one) => one.requests.ephemeral, has('ephemeral-storage')) ??
    first(extended, ([name, requested]) =>
      // Of what this node does not know (example.com/seat) there may be some elsewhere in the cluster.
      name.includes('/') && allocatable[name] === undefined
        ? undefined
        : short(name, requested, (one) => one.requests.extended?.get(name) ?? 0, has(name)),
    )
  );
}

const outOf = (name: string, requested: number, used: number, capacity: number): NodeVerdict => ({
  reason: `OutOf${name}`,
  message: `Node didn't have enough resource: ${name}, requested: ${requested}, used: ${used}, capacity: ${capacity}`,
});

function misplaced(pod: Pod, needs: PodNeeds, others: readonly PodNeeds[], { node, nodeName }: Room): NodeVerdict | undefined {
  const failed = (name: string, why: string): NodeVerdict => ({ reason: name, message: `Predicate ${name} failed: ${why}` });
  if (node !== undefined && !mayBeOn(pod, nodeName, node.labels))
    return failed('NodeAffinity', "node(s) didn't match Pod's node affinity/selector");
  if (others.some((other) => portsClash(needs.hostPorts, other.hostPorts)))
    return failed('NodePorts', "node(s) didn't have free ports for the requested pod ports");
  // Those that the server sets and takes off itself say that the node is away, which it is not; pods that Kubernetes would admit tolerate them.
  const against = node?.taints.filter(({ key, effect }) => effect === 'NoExecute' && !OWN_NO_EXECUTE_TAINTS.has(key)) ?? [];
  if (against.some((taint) => tolerationFor(pod.spec?.tolerations ?? [], taint) === undefined))
    return failed('TaintToleration', "node(s) had taints that the pod didn't tolerate");
  return undefined;
}

function mayBeOn({ spec }: Pod, name: string, labels: NodeWords['labels']): boolean {
  if (!compileLabelMap(spec?.nodeSelector ?? {})(labels)) return false;
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  return required === undefined || compileNodeSelector(required)({ name, labels });
}

function first<T, R>(list: readonly T[], of: (one: T) => R | undefined): R | undefined {
  for (const one of list) {
    const found = of(one);
    if (found !== undefined) return found;
  }
  return undefined;
}
