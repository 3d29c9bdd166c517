// Pods where their volumes are: what each claim asks of a node was found out when the pod got its class (../volumes.ts).
import type { NodeInfo } from '../ledger.js';
import type { PodClass, VolumeNeed } from '../model.js';
import type { FilterPlugin } from './plugin.js';

const miss = ({ volumes }: PodClass, node: NodeInfo): VolumeNeed | undefined => volumes?.needs.find((need) => !need.holds(node));

export const volumeBinding: FilterPlugin = {
  name: 'VolumeBinding',
  depends: 'fixed',
  // Claims and volumes that change give the pod another class, which is tried at once.
  wakesOn: new Set(['node-added', 'labels']),
  fits: (pod, node) => pod.volumes === undefined || (pod.volumes.blocked === undefined && miss(pod, node) === undefined),
  explain(pod, node) {
    if (pod.volumes?.blocked !== undefined) return [{ plugin: 'VolumeBinding', summary: pod.volumes.blocked, everywhere: true }];
    const need = miss(pod, node);
    return need === undefined ? [] : [{ plugin: 'VolumeBinding', summary: need.summary, detail: need.detail }];
  },
};
