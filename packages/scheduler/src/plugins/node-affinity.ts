// nodeSelector and node affinity: required terms filter, preferred terms score. How a term is read is in api/selectors.
import type { NodeInfo } from '../ledger.js';
import type { PodClass } from '../model.js';
import type { FilterPlugin, ScorePlugin } from './plugin.js';

const summary = "node(s) didn't match Pod's node affinity/selector";

function selectorMiss(pod: PodClass, node: NodeInfo): readonly [string, string] | undefined {
  return pod.nodeSelector.find(([key, value]) => node.labels[key] !== value);
}

const affinityHolds = (pod: PodClass, node: NodeInfo): boolean => pod.required === undefined || pod.required(node);

export const nodeAffinity: FilterPlugin = {
  name: 'NodeAffinity',
  depends: 'fixed',
  wakesOn: new Set(['node-added', 'labels']),
  fits: (pod, node) => selectorMiss(pod, node) === undefined && affinityHolds(pod, node),
  explain(pod, node) {
    const miss = selectorMiss(pod, node);
    if (miss !== undefined) {
      const has = node.labels[miss[0]];
      const detail = `wants label ${miss[0]}=${miss[1]}, ${has === undefined ? 'has none' : `has ${has}`}`;
      return [{ plugin: 'NodeAffinity', summary, detail }];
    }
    if (affinityHolds(pod, node)) return [];
    return [{ plugin: 'NodeAffinity', summary, detail: 'no term of the required node affinity matches' }];
  },
};

/** A preference of weight 100 outweighs nine pods of the same owner already there. */
const WEIGHT = 10;

export const preferredAffinity: ScorePlugin = {
  name: 'NodeAffinityPreferred',
  depends: 'fixed',
  score(pod, node) {
    let score = 0;
    for (const { weight, holds } of pod.preferred) if (holds(node)) score += weight * WEIGHT;
    return score;
  },
};
