// Taints and tolerations: NoSchedule and NoExecute filter, PreferNoSchedule scores.
import { tolerates } from '@podplane/api/taints';
import type { NodeInfo } from '../ledger.js';
import type { PodClass } from '../model.js';
import type { FilterPlugin, ScorePlugin } from './plugin.js';

type Taint = NodeInfo['taints'][number];

const tolerated = (pod: PodClass, taint: Taint): boolean => pod.tolerations.some((toleration) => tolerates(toleration, taint));

function untolerated(pod: PodClass, node: NodeInfo): Taint | undefined {
  return node.taints.find((taint) => taint.effect !== 'PreferNoSchedule' && !tolerated(pod, taint));
}

export const taintToleration: FilterPlugin = {
  name: 'TaintToleration',
  depends: 'fixed',
  wakesOn: new Set(['node-added', 'taints']),
  fits: (pod, node) => node.taints.length === 0 || untolerated(pod, node) === undefined,
  explain(pod, node) {
    const taint = untolerated(pod, node);
    if (taint === undefined) return [];
    return [{ plugin: 'TaintToleration', summary: `node(s) had untolerated taint {${taint.key}: ${taint.value ?? ''}}` }];
  },
};

/** A soft taint is avoided until ten pods of the owner stand elsewhere on each other node. */
const PENALTY = 1000;

export const softTaints: ScorePlugin = {
  name: 'TaintTolerationPreferred',
  depends: 'fixed',
  score(pod, node) {
    let score = 0;
    for (const taint of node.taints) if (taint.effect === 'PreferNoSchedule' && !tolerated(pod, taint)) score -= PENALTY;
    return score;
  },
};
