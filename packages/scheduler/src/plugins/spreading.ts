// Pods of one owner apart from each other: a node with fewer of them always goes before one with more.
import type { ScorePlugin } from './plugin.js';

/** More than all of the load score together, so that load decides only between nodes with equally many. */
const WEIGHT = 101;

export const spreadByOwner: ScorePlugin = {
  name: 'OwnerSpread',
  depends: 'owner',
  score(pod, node) {
    const there = pod.owner === '' ? undefined : node.owners.get(pod.owner);
    return there === undefined ? 0 : -WEIGHT * there;
  },
};
