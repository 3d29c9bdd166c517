// Which nodes a DaemonSet's pods belong on, and how a pod is bound to one. Pure.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { compileLabelMap, compileNodeSelector } from '@podplane/api/selectors';
import { TAINT_NOT_READY, TAINT_UNREACHABLE, TAINT_UNSCHEDULABLE, tolerates } from '@podplane/api/taints';
import { nameOf } from '../shared/objects.js';

type PodSpec = NonNullable<Obj<'Pod'>['spec']>;
type Toleration = PodSpec['tolerations'][number];
type Node = Obj<'Node'>;

const exists = (key: string, effect: string): Toleration => ({ key, operator: 'Exists', effect });

/** What every daemon pod tolerates, as in Kubernetes: it stays on nodes in trouble, and comes to cordoned ones. */
const ADDED: readonly Toleration[] = [
  exists(TAINT_NOT_READY, 'NoExecute'),
  exists(TAINT_UNREACHABLE, 'NoExecute'),
  exists('node.kubernetes.io/disk-pressure', 'NoSchedule'),
  exists('node.kubernetes.io/memory-pressure', 'NoSchedule'),
  exists('node.kubernetes.io/pid-pressure', 'NoSchedule'),
  exists(TAINT_UNSCHEDULABLE, 'NoSchedule'),
];
const ADDED_HOST_NETWORK = exists('node.kubernetes.io/network-unavailable', 'NoSchedule');

const isSame = (a: Toleration, b: Toleration): boolean =>
  a.key === b.key &&
  (a.operator ?? '') === (b.operator ?? '') &&
  (a.value ?? '') === (b.value ?? '') &&
  (a.effect ?? '') === (b.effect ?? '');

/** With what is added. One of the template's own that differs in its seconds only gives way: a daemon pod stays for any time. */
function tolerationsOf(spec: PodSpec): readonly Toleration[] {
  const added = spec.hostNetwork === true ? [...ADDED, ADDED_HOST_NETWORK] : ADDED;
  const own = spec.tolerations.map((one) => added.find((daemon) => isSame(daemon, one)) ?? one);
  return [...own, ...added.filter((daemon) => !own.includes(daemon))];
}

/** A pod's spec for one node. The scheduler binds it, so that it counts what the pod needs. */
export function specFor(spec: PodSpec, nodeName: string): PodSpec {
  const term = { matchExpressions: [], matchFields: [{ key: 'metadata.name', operator: 'In', values: [nodeName] }] };
  const nodeAffinity = {
    preferredDuringSchedulingIgnoredDuringExecution: [],
    ...spec.affinity?.nodeAffinity,
    requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [term] },
  };
  return { ...spec, affinity: { ...spec.affinity, nodeAffinity }, tolerations: tolerationsOf(spec) };
}

/** The node that a daemon pod is on or is meant for. */
export function targetOf(pod: Obj<'Pod'>): string {
  if (pod.spec?.nodeName) return pod.spec.nodeName;
  const terms = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  for (const { matchFields } of terms) {
    const field = matchFields.find(({ key, operator, values }) => key === 'metadata.name' && operator === 'In' && values.length === 1);
    if (field !== undefined) return field.values[0] ?? '';
  }
  return '';
}

export interface Fit {
  /** A pod belongs there. */
  readonly run: boolean;
  /** One that is there may stay. */
  readonly stay: boolean;
}

const fits = new WeakMap<PodSpec, (node: Node) => Fit>();

/** How nodes fit a template's spec. A node that has not changed is looked at once for each spec. */
export function fitOf(spec: PodSpec): (node: Node) => Fit {
  let fit = fits.get(spec);
  if (fit === undefined) {
    const known = new WeakMap<Node, Fit>();
    const look = lookOf(spec);
    fit = (node) => {
      let one = known.get(node);
      if (one === undefined) known.set(node, (one = look(node)));
      return one;
    };
    fits.set(spec, fit);
  }
  return fit;
}

function lookOf(spec: PodSpec): (node: Node) => Fit {
  const labels = compileLabelMap(spec.nodeSelector);
  const affinity = spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const terms = affinity === undefined ? undefined : compileNodeSelector(affinity);
  const tolerations = tolerationsOf(spec);
  return (node) => {
    const own = { name: nameOf(node), labels: node.metadata?.labels ?? {} };
    if (spec.nodeName && spec.nodeName !== own.name) return { run: false, stay: false };
    if (!labels(own.labels) || terms?.(own) === false) return { run: false, stay: false };
    const against = (node.spec?.taints ?? []).filter(
      (taint) => taint.effect !== 'PreferNoSchedule' && !tolerations.some((toleration) => tolerates(toleration, taint)),
    );
    return { run: against.length === 0, stay: against.every(({ effect }) => effect !== 'NoExecute') };
  };
}
