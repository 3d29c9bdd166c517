// What one node is worth for a class of pods: the plugins asked and added up. Which node is best is for rankings.ts.
import type { Ledger, NodeInfo } from './ledger.js';
import type { PodClass } from './model.js';
import type { FilterPlugin, ScorePlugin } from './plugins/plugin.js';
import type { Plugins } from './plugins/registry.js';

/** The worth of a node that does not do. */
export const NOWHERE = Number.NEGATIVE_INFINITY;

/** The plugins, sorted by what they depend on. */
export interface Stages {
  readonly fixedFilters: readonly FilterPlugin[];
  readonly usedFilters: readonly FilterPlugin[];
  readonly fixedScores: readonly ScorePlugin[];
  readonly usedScores: readonly ScorePlugin[];
  readonly ownerScores: readonly ScorePlugin[];
}

export function stagesOf(plugins: Plugins): Stages {
  return {
    fixedFilters: plugins.filters.filter((p) => p.depends === 'fixed'),
    usedFilters: plugins.filters.filter((p) => p.depends === 'used'),
    fixedScores: plugins.scores.filter((p) => p.depends === 'fixed'),
    usedScores: plugins.scores.filter((p) => p.depends === 'used'),
    ownerScores: plugins.scores.filter((p) => p.depends === 'owner'),
  };
}

function fixedWorth(stages: Stages, podClass: PodClass, node: NodeInfo): number {
  for (const filter of stages.fixedFilters) if (!filter.fits(podClass, node)) return NOWHERE;
  let worth = 0;
  for (const score of stages.fixedScores) worth += score.score(podClass, node);
  return worth;
}

export function usedWorth(stages: Stages, podClass: PodClass, node: NodeInfo): number {
  for (const filter of stages.usedFilters) if (!filter.fits(podClass, node)) return NOWHERE;
  let worth = 0;
  for (const score of stages.usedScores) worth += score.score(podClass, node);
  return worth;
}

export function ownerPenalty(stages: Stages, podClass: PodClass, node: NodeInfo): number {
  let penalty = 0;
  for (const score of stages.ownerScores) penalty += score.score(podClass, node);
  return penalty;
}

/** The worth of one node for a class, from scratch; -Infinity: it does not do. Rankings add up in the same order: ties stay ties. */
export function worthOf(stages: Stages, podClass: PodClass, node: NodeInfo): number {
  const fixed = fixedWorth(stages, podClass, node);
  return fixed === NOWHERE ? NOWHERE : fixed + usedWorth(stages, podClass, node) + ownerPenalty(stages, podClass, node);
}

/**
 * The part of the worth that only nodes themselves change, for all classes with the same constraints: a thousand kinds of pods that
 * differ in what they request share one.
 */
export class FixedColumn {
  readonly #stages: Stages;
  readonly #class: PodClass;
  #worth = new Float64Array(0);
  #version = new Float64Array(0);

  constructor(stages: Stages, podClass: PodClass) {
    this.#stages = stages;
    this.#class = podClass;
  }

  of(info: NodeInfo): number {
    const { slot } = info;
    if (slot >= this.#worth.length) {
      const length = Math.max(slot + 1, this.#worth.length * 2, 16);
      this.#worth = widened(this.#worth, Float64Array, length);
      this.#version = widened(this.#version, Float64Array, length);
    }
    // Versions begin at 1.
    if (this.#version[slot] !== info.fixedVersion) {
      this.#worth[slot] = fixedWorth(this.#stages, this.#class, info);
      this.#version[slot] = info.fixedVersion;
    }
    return this.#worth[slot] ?? NOWHERE;
  }
}

/** The best node by a look at each; of equal ones that with the lower slot. Added up as rankings do, so that ties are the same. */
export function scan(ledger: Ledger, stages: Stages, podClass: PodClass, fixed: FixedColumn): NodeInfo | undefined {
  let best: NodeInfo | undefined;
  let bestWorth = NOWHERE;
  for (const info of ledger.slots) {
    if (info === undefined) continue;
    const base = fixed.of(info);
    if (base === NOWHERE) continue;
    const worth = base + usedWorth(stages, podClass, info) + ownerPenalty(stages, podClass, info);
    if (worth > bestWorth) [best, bestWorth] = [info, worth];
  }
  return best;
}

/** The same numbers in a longer array. */
export function widened<T extends Int32Array | Float64Array>(old: T, make: new (length: number) => T, length: number): T {
  const wider = new make(length);
  wider.set(old);
  return wider;
}
