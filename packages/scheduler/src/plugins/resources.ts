// Fit by requests, and the scores that keep nodes evenly and sensibly loaded.
import { formatQuantity, fromWhole } from '@podplane/api/quantity';
import type { NodeInfo } from '../ledger.js';
import type { PodClass, Reason } from '../model.js';
import type { FilterPlugin, ScorePlugin } from './plugin.js';

const milliText = (milli: number): string => `${milli}m`;
const byteText = (bytes: number): string => formatQuantity(fromWhole(readable(bytes)));

/** Free memory is seldom a round number; three digits are enough for a message. */
function readable(bytes: number): number {
  for (const unit of [1024 ** 3, 1024 ** 2, 1024]) {
    if (Math.abs(bytes) >= unit * 10) return Math.floor(bytes / unit) * unit;
  }
  return bytes;
}

function extendedFits(pod: PodClass, node: NodeInfo): boolean {
  for (const [name, wants] of pod.requests.extended ?? []) {
    if (wants > 0 && wants > (node.allocatableExtended.get(name) ?? 0) - (node.extended.get(name) ?? 0)) return false;
  }
  return true;
}

// Something that a pod does not ask for never stops it, even where a node is overcommitted already.
export const resourcesFit: FilterPlugin = {
  name: 'NodeResourcesFit',
  depends: 'used',
  wakesOn: new Set(['node-added', 'allocatable', 'pod-left']),
  fits(pod, node) {
    const { requests } = pod;
    return (
      node.podCount < node.allocatablePods &&
      (requests.cpu === 0 || requests.cpu <= node.allocatableCpu - node.cpu) &&
      (requests.memory === 0 || requests.memory <= node.allocatableMemory - node.memory) &&
      (requests.ephemeral === 0 || requests.ephemeral <= node.allocatableEphemeral - node.ephemeral) &&
      (requests.extended === undefined || extendedFits(pod, node))
    );
  },
  explain(pod, node) {
    const reasons: Reason[] = [];
    const check = (name: string, wants: number, used: number, has: number, text: (n: number) => string): void => {
      if (wants === 0 || wants <= has - used) return;
      const detail = `wants ${text(wants)}, free ${text(Math.max(0, has - used))} of ${text(has)}`;
      reasons.push({ plugin: 'NodeResourcesFit', summary: `Insufficient ${name}`, detail, nearness: has - used });
    };
    if (node.podCount >= node.allocatablePods) {
      const detail = `${node.podCount} of ${node.allocatablePods}`;
      reasons.push({ plugin: 'NodeResourcesFit', summary: 'Too many pods', detail, nearness: node.allocatablePods - node.podCount });
    }
    const { requests } = pod;
    check('cpu', requests.cpu, node.cpu, node.allocatableCpu, milliText);
    check('memory', requests.memory, node.memory, node.allocatableMemory, byteText);
    check('ephemeral-storage', requests.ephemeral, node.ephemeral, node.allocatableEphemeral, byteText);
    for (const [name, wants] of requests.extended ?? []) {
      check(name, wants, node.extended.get(name) ?? 0, node.allocatableExtended.get(name) ?? 0, (n) => String(n));
    }
    return reasons;
  },
};

/** How many pods of a class a node has room for, by requests alone. */
export function roomFor(pod: PodClass, node: NodeInfo): number {
  const { requests } = pod;
  let room = node.allocatablePods - node.podCount;
  const limit = (wants: number, free: number): void => {
    if (wants > 0) room = Math.min(room, Math.floor(free / wants));
  };
  limit(requests.cpu, node.allocatableCpu - node.cpu);
  limit(requests.memory, node.allocatableMemory - node.memory);
  limit(requests.ephemeral, node.allocatableEphemeral - node.ephemeral);
  for (const [name, wants] of requests.extended ?? [])
    limit(wants, (node.allocatableExtended.get(name) ?? 0) - (node.extended.get(name) ?? 0));
  if (pod.hostPorts.length > 0) room = Math.min(room, 1);
  return Math.max(0, room);
}

/**
 * 0 to 100: half for little load on average, half for no resource being the bottleneck (least allocated, and balanced). Both fall
 * with every pod that is added. Pods that ask for nothing count with an assumed request, so load may pass 1; it is cut there.
 */
export const leastAllocated: ScorePlugin = {
  name: 'NodeResourcesLeastAllocated',
  depends: 'used',
  score(pod, node) {
    const cpu = node.allocatableCpu === 0 ? 1 : Math.min(1, (node.scoreCpu + pod.scoreCpu) / node.allocatableCpu);
    const memory = node.allocatableMemory === 0 ? 1 : Math.min(1, (node.scoreMemory + pod.scoreMemory) / node.allocatableMemory);
    return 100 * (1 - (cpu + memory) / 4 - Math.max(cpu, memory) / 2);
  },
};
