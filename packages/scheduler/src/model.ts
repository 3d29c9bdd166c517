// The words of the scheduler's core: what a pod asks for, what makes two pods equal to it, why a node does not do. No logic.
import type { HostPort, Resources } from '@podplane/api/kinds/pod-spec/needs';

/** Whether a node's labels and name satisfy a term or a whole selector. */
export type NodePredicate = (node: { readonly name: string; readonly labels: Readonly<Record<string, string>> }) => boolean;

export interface TolerationModel {
  readonly key?: string | undefined;
  readonly operator?: string | undefined;
  readonly value?: string | undefined;
  readonly effect?: string | undefined;
}

/** What a pod's volumes ask of its node. */
export interface VolumeModel {
  /** Equal for pods with equal needs. */
  readonly key: string;
  /** Why the pod can go nowhere as its claims are now. */
  readonly blocked: string | undefined;
  readonly needs: readonly VolumeNeed[];
}

export interface VolumeNeed {
  readonly summary: string;
  readonly detail: string;
  readonly holds: NodePredicate;
}

/** Everything of a pod that the decision depends on. Pods with equal keys get equal decisions. */
export interface PodClass {
  readonly key: string;
  /** Equal for classes that differ only in what they request and who owns them: fixed plugins say the same of them. */
  readonly fixedKey: string;
  /** uid of the controller whose pods are spread; "": none. */
  readonly owner: string;
  /** The same class without an owner; itself where it has none. */
  readonly base: PodClass;
  readonly requests: Resources;
  /** What scoring assumes for a pod that asks for nothing, so that such pods spread too. */
  readonly scoreCpu: number;
  readonly scoreMemory: number;
  readonly hostPorts: readonly HostPort[];
  readonly nodeSelector: readonly (readonly [string, string])[];
  /** Required node affinity; undefined: no requirement. */
  readonly required: NodePredicate | undefined;
  readonly preferred: readonly { readonly weight: number; readonly holds: NodePredicate }[];
  readonly tolerations: readonly TolerationModel[];
  /** undefined: it has no claims. */
  readonly volumes: VolumeModel | undefined;
  /** Paths of constraints that this scheduler does not know; such a pod goes nowhere rather than anywhere. */
  readonly unsupported: readonly string[];
}

/** Why one node does not do for a pod. */
export interface Reason {
  readonly plugin: string;
  /** Same for all nodes that fail alike: "Insufficient cpu", "node(s) were unschedulable". */
  readonly summary: string;
  /** It is the pod's own fault, on whatever node. */
  readonly everywhere?: boolean | undefined;
  /** With this node's numbers: "wants 2000m, free 350m of 2000m". */
  readonly detail?: string | undefined;
  /** How near the node is to doing, higher is nearer; chooses whose detail stands in the summary. */
  readonly nearness?: number | undefined;
}

export interface NodeVerdict {
  readonly node: string;
  readonly reasons: readonly Reason[];
}

/** Why no node does for a pod. */
export interface Verdict {
  readonly nodes: number;
  /** One line, as Kubernetes words it, with numbers. */
  readonly message: string;
  /** One line for each node, bounded. */
  readonly perNode: readonly string[];
  /** The plugins that refused somewhere. */
  readonly plugins: ReadonlySet<string>;
}

/** What happened to a node that could help pods which fit nowhere. */
export type NodeEvent = 'node-added' | 'labels' | 'taints' | 'allocatable' | 'state' | 'pod-left';
