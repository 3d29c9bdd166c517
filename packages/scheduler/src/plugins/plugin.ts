// What a plugin is. Filters say whether a node does at all, scores which of those that do is better.
import type { NodeInfo } from '../ledger.js';
import type { NodeEvent, PodClass, Reason } from '../model.js';

export interface FilterPlugin {
  readonly name: string;
  /**
   * fixed: the answer depends on nothing that pods change on a node, and is kept until the node itself changes.
   * used: it depends on what runs there; more pods never turn a no into a yes.
   */
  readonly depends: 'fixed' | 'used';
  /** What can turn this plugin's no into a yes. */
  readonly wakesOn: ReadonlySet<NodeEvent>;
  fits(pod: PodClass, node: NodeInfo): boolean;
  /** Empty exactly where fits is true. Slow; for messages. */
  explain(pod: PodClass, node: NodeInfo): readonly Reason[];
}

export interface ScorePlugin {
  readonly name: string;
  /**
   * As for filters. A score that depends on what is used must not rise when a pod is added: rankings rely on it.
   * owner: a penalty for what the pod's owner has on the node already; 0 where that is nothing, and never above 0.
   */
  readonly depends: 'fixed' | 'used' | 'owner';
  /** Higher is better; weights are in the figure already. */
  score(pod: PodClass, node: NodeInfo): number;
}
