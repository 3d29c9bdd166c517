// Whether a node takes pods at all: it is there, it is Ready, nobody cordoned it; and constraints that nobody here can judge.
import { TAINT_UNSCHEDULABLE, tolerates } from '@podplane/api/taints';
import type { FilterPlugin } from './plugin.js';

const CORDON = { key: TAINT_UNSCHEDULABLE, value: '', effect: 'NoSchedule' };

export const nodeReady: FilterPlugin = {
  name: 'NodeReady',
  depends: 'fixed',
  wakesOn: new Set(['node-added', 'state']),
  fits: (_pod, node) => node.node !== undefined && node.ready,
  explain: (pod, node) => (nodeReady.fits(pod, node) ? [] : [{ plugin: 'NodeReady', summary: 'node(s) were not ready' }]),
};

export const nodeUnschedulable: FilterPlugin = {
  name: 'NodeUnschedulable',
  depends: 'fixed',
  wakesOn: new Set(['node-added', 'state']),
  fits: (pod, node) => !node.unschedulable || pod.tolerations.some((toleration) => tolerates(toleration, CORDON)),
  explain: (pod, node) =>
    nodeUnschedulable.fits(pod, node) ? [] : [{ plugin: 'NodeUnschedulable', summary: 'node(s) were unschedulable' }],
};

export const supported: FilterPlugin = {
  name: 'Supported',
  depends: 'fixed',
  wakesOn: new Set(),
  fits: (pod) => pod.unsupported.length === 0,
  explain: (pod) =>
    pod.unsupported.map((path) => ({
      plugin: 'Supported',
      summary: `node(s) could not be judged: ${path} is not supported by this scheduler`,
    })),
};
