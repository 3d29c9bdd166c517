// The plugins in force, in the order in which reasons are told.
import { hostPorts } from './host-ports.js';
import { nodeAffinity, preferredAffinity } from './node-affinity.js';
import { nodeReady, nodeUnschedulable, supported } from './node-state.js';
import type { FilterPlugin, ScorePlugin } from './plugin.js';
import { leastAllocated, resourcesFit } from './resources.js';
import { spreadByOwner } from './spreading.js';
import { softTaints, taintToleration } from './taints.js';
import { volumeBinding } from './volume-binding.js';

export interface Plugins {
  readonly filters: readonly FilterPlugin[];
  readonly scores: readonly ScorePlugin[];
}

export const defaultPlugins: Plugins = {
  filters: [supported, nodeUnschedulable, nodeReady, taintToleration, nodeAffinity, volumeBinding, hostPorts, resourcesFit],
  scores: [softTaints, preferredAffinity, spreadByOwner, leastAllocated],
};
