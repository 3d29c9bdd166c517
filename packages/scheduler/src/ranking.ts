// All nodes in order of their worth for one class of pods, kept current at the price of a few comparisons a decision.
//
// A heap with the best node on top. Every node is in it; one that does not do has the worth -Infinity. Adding a pod to a node can
// only lower the node's worth (plugins promise it), so an entry that is out of date stands too high, never too low: it is enough to
// look at the top, and to correct and sink it until the top is current. What raises a worth (a pod that left, a node that changed)
// is in the ledger's list of raises, from which every ranking catches up before it answers. So the answer is always the same as
// that of a scan of all nodes; the property test compares the two.
import type { Ledger, NodeInfo } from './ledger.js';
import type { PodClass } from './model.js';
import type { FilterPlugin, ScorePlugin } from './plugins/plugin.js';
import type { Plugins } from './plugins/registry.js';

const NOWHERE = Number.NEGATIVE_INFINITY;

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

function usedWorth(stages: Stages, podClass: PodClass, node: NodeInfo): number {
  for (const filter of stages.usedFilters) if (!filter.fits(podClass, node)) return NOWHERE;
  let worth = 0;
  for (const score of stages.usedScores) worth += score.score(podClass, node);
  return worth;
}

function ownerPenalty(stages: Stages, podClass: PodClass, node: NodeInfo): number {
  let penalty = 0;
  for (const score of stages.ownerScores) penalty += score.score(podClass, node);
  return penalty;
}

/** The worth of one node for a class, from scratch; -Infinity: it does not do. Rankings add up in the same order: ties stay ties. */
export function worthOf(stages: Stages, podClass: PodClass, node: NodeInfo): number {
  const fixed = fixedWorth(stages, podClass, node);
  return fixed === NOWHERE ? NOWHERE : fixed + usedWorth(stages, podClass, node) + ownerPenalty(stages, podClass, node);
}

/** No answer within the effort allowed. */
const UNDECIDED = Symbol('undecided');

export class Ranking {
  readonly #ledger: Ledger;
  readonly #stages: Stages;
  readonly #class: PodClass;
  /** Slots as a heap; #place tells where each slot is in it. */
  #heap = new Int32Array(0);
  #place = new Int32Array(0);
  /** By slot. */
  #worth = new Float64Array(0);
  #fixed = new Float64Array(0);
  #version = new Float64Array(0);
  #fixedVersion = new Float64Array(0);
  #size = 0;
  #caughtUp = -1;

  constructor(ledger: Ledger, stages: Stages, podClass: PodClass) {
    this.#ledger = ledger;
    this.#stages = stages;
    this.#class = podClass;
  }

  /** The node to take; undefined: none does. Of equal nodes the one with the lower slot. */
  best(): NodeInfo | undefined {
    this.#catchUp();
    while (this.#size > 0) {
      const slot = this.#heap[0] ?? 0;
      const info = this.#ledger.slots[slot];
      if ((this.#worth[slot] ?? NOWHERE) === NOWHERE) return undefined;
      if (info !== undefined && this.#version[slot] === info.version) return info;
      this.#rate(slot, info);
      this.#sink(0);
    }
    return undefined;
  }

  /**
   * The node to take for a class that is this one but for its owner. Nodes are taken off the top until one comes where the owner has
   * nothing (no later one can be better), and are put back. UNDECIDED after effort nodes.
   */
  bestApart(podClass: PodClass, effort: number): NodeInfo | undefined | typeof UNDECIDED {
    let best: NodeInfo | undefined;
    let bestWorth = NOWHERE;
    const stash = this.#stash;
    stash.length = 0;
    let decided = false;
    while (stash.length < effort * 2) {
      const info = this.best();
      const worth = info === undefined ? NOWHERE : (this.#worth[info.slot] ?? NOWHERE);
      if (info === undefined || worth < bestWorth) {
        decided = true;
        break;
      }
      const penalty = ownerPenalty(this.#stages, podClass, info);
      const apart = worth + penalty;
      if (best === undefined || apart > bestWorth || (apart === bestWorth && info.slot < best.slot)) [best, bestWorth] = [info, apart];
      if (penalty === 0) {
        decided = true;
        break;
      }
      stash.push(info.slot, worth);
      this.#worth[info.slot] = NOWHERE;
      this.#sink(0);
    }
    for (let i = 0; i < stash.length; i += 2) {
      const slot = stash[i] ?? 0;
      this.#worth[slot] = stash[i + 1] ?? NOWHERE;
      this.#rise(this.#place[slot] ?? 0);
    }
    return decided ? best : UNDECIDED;
  }

  readonly #stash: number[] = [];

  #catchUp(): void {
    const ledger = this.#ledger;
    const behind = ledger.raised - this.#caughtUp;
    if (behind === 0) return;
    if (this.#caughtUp < ledger.firstRaise || behind > ledger.slots.length) this.#rebuild();
    else {
      if (ledger.slots.length > this.#size) this.#grow(ledger.slots.length);
      for (let i = this.#caughtUp - ledger.firstRaise; i < ledger.raises.length; i++) this.#correct(ledger.raises[i] ?? 0);
    }
    this.#caughtUp = ledger.raised;
  }

  #correct(slot: number): void {
    const info = this.#ledger.slots[slot];
    if (info !== undefined && this.#version[slot] === info.version) return;
    const before = this.#worth[slot] ?? NOWHERE;
    this.#rate(slot, info);
    if ((this.#worth[slot] ?? NOWHERE) > before) this.#rise(this.#place[slot] ?? 0);
    else this.#sink(this.#place[slot] ?? 0);
  }

  #rate(slot: number, info: NodeInfo | undefined): void {
    if (info === undefined) {
      this.#worth[slot] = NOWHERE;
      this.#version[slot] = -1;
      return;
    }
    if (this.#fixedVersion[slot] !== info.fixedVersion) {
      this.#fixed[slot] = fixedWorth(this.#stages, this.#class, info);
      this.#fixedVersion[slot] = info.fixedVersion;
    }
    const fixed = this.#fixed[slot] ?? NOWHERE;
    this.#worth[slot] =
      fixed === NOWHERE ? NOWHERE : fixed + usedWorth(this.#stages, this.#class, info) + ownerPenalty(this.#stages, this.#class, info);
    this.#version[slot] = info.version;
  }

  #grow(slots: number): void {
    const capacity = this.#heap.length;
    if (slots > capacity) {
      const wanted = Math.max(slots, capacity * 2, 16);
      this.#heap = widened(this.#heap, Int32Array, wanted);
      this.#place = widened(this.#place, Int32Array, wanted);
      this.#worth = widened(this.#worth, Float64Array, wanted);
      this.#fixed = widened(this.#fixed, Float64Array, wanted);
      this.#version = widened(this.#version, Float64Array, wanted);
      this.#fixedVersion = widened(this.#fixedVersion, Float64Array, wanted);
    }
    // New slots wait at the bottom until their raise is read.
    for (let slot = this.#size; slot < slots; slot++) {
      this.#worth[slot] = NOWHERE;
      this.#version[slot] = -1;
      this.#fixedVersion[slot] = -1;
      this.#heap[slot] = slot;
      this.#place[slot] = slot;
      this.#size = slot + 1;
      this.#rise(slot);
    }
  }

  #rebuild(): void {
    this.#grow(this.#ledger.slots.length);
    for (let slot = 0; slot < this.#size; slot++) this.#rate(slot, this.#ledger.slots[slot]);
    for (let i = (this.#size >> 1) - 1; i >= 0; i--) this.#sink(i);
  }

  #before(a: number, b: number): boolean {
    const [x, y] = [this.#worth[a] ?? NOWHERE, this.#worth[b] ?? NOWHERE];
    return x > y || (x === y && a < b);
  }

  #rise(from: number): void {
    const heap = this.#heap;
    const slot = heap[from] ?? 0;
    let i = from;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const other = heap[parent] ?? 0;
      if (!this.#before(slot, other)) break;
      heap[i] = other;
      this.#place[other] = i;
      i = parent;
    }
    heap[i] = slot;
    this.#place[slot] = i;
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const slot = heap[from] ?? 0;
    let i = from;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#before(heap[child + 1] ?? 0, heap[child] ?? 0)) child++;
      const other = heap[child] ?? 0;
      if (!this.#before(other, slot)) break;
      heap[i] = other;
      this.#place[other] = i;
      i = child;
    }
    heap[i] = slot;
    this.#place[slot] = i;
  }
}

function widened<T extends Int32Array | Float64Array>(old: T, make: new (length: number) => T, length: number): T {
  const wider = new make(length);
  wider.set(old);
  return wider;
}

/** Rankings of the classes asked for lately; bounded by the numbers that they hold together. */
const SLOTS_KEPT = 1_000_000;
const RANKINGS_MIN = 8;
/** Nodes looked at in a shared ranking before the class gets its own. */
const SHARED_EFFORT = 64;

export class Rankings {
  readonly #byClass = new Map<string, Ranking>();
  readonly #ledger: Ledger;
  readonly #stages: Stages;

  constructor(ledger: Ledger, stages: Stages) {
    this.#ledger = ledger;
    this.#stages = stages;
  }

  /** The node to take for a pod of a class; undefined: none does. */
  best(podClass: PodClass): NodeInfo | undefined {
    // Pods of all owners that ask for the same share one ranking, as long as their owner is on few of the nodes: a ranking for each
    // of a thousand owners would have to follow every pod of all the others.
    if (podClass.base !== podClass && this.#ledger.reachOf(podClass.owner) * 2 < this.#ledger.nodeCount) {
      const shared = this.#of(podClass.base).bestApart(podClass, SHARED_EFFORT);
      if (shared !== UNDECIDED) return shared;
    }
    return this.#of(podClass).best();
  }

  #of(podClass: PodClass): Ranking {
    const { key } = podClass;
    let ranking = this.#byClass.get(key);
    if (ranking !== undefined && this.#last === key) return ranking;
    if (ranking === undefined) {
      const most = Math.max(RANKINGS_MIN, Math.floor(SLOTS_KEPT / Math.max(1, this.#ledger.slots.length)));
      while (this.#byClass.size >= most) {
        const oldest = this.#byClass.keys().next();
        if (oldest.done) break;
        this.#byClass.delete(oldest.value);
      }
      ranking = new Ranking(this.#ledger, this.#stages, podClass);
    } else {
      this.#byClass.delete(key); // to the young end
    }
    this.#byClass.set(key, ranking);
    this.#last = key;
    return ranking;
  }

  #last: string | undefined;
}
