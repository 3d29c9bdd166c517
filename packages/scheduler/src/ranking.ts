// All nodes in order of their worth for one class of pods, kept current at the price of a few comparisons a decision.
//
// A heap with the best node on top. Every node is in it; one that does not do has the worth -Infinity. Adding a pod to a node can
// only lower the node's worth (plugins promise it), so an entry that is out of date stands too high, never too low: it is enough to
// look at the top, and to correct and sink it until the top is current. What raises a worth (a pod that left, a node that changed)
// is in the ledger's list of raises, from which every ranking catches up before it answers. So the answer is always the same as
// that of a scan of all nodes; the property test compares the two.
import type { Ledger, NodeInfo } from './ledger.js';
import type { PodClass } from './model.js';
import { type FixedColumn, NOWHERE, ownerPenalty, type Stages, usedWorth, widened } from './worth.js';

/** No answer within the effort allowed. */
export const UNDECIDED = Symbol('undecided');

export class Ranking {
  readonly #ledger: Ledger;
  readonly #stages: Stages;
  readonly #class: PodClass;
  readonly #fixed: FixedColumn;
  /** Slots as a heap; #place tells where each slot is in it. */
  #heap = new Int32Array(0);
  #place = new Int32Array(0);
  /** By slot. */
  #worth = new Float64Array(0);
  #version = new Float64Array(0);
  #size = 0;
  #caughtUp = -1;

  constructor(ledger: Ledger, stages: Stages, podClass: PodClass, fixed: FixedColumn) {
    this.#ledger = ledger;
    this.#stages = stages;
    this.#class = podClass;
    this.#fixed = fixed;
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
    const fixed = this.#fixed.of(info);
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
      this.#version = widened(this.#version, Float64Array, wanted);
    }
    // New slots wait at the bottom until their raise is read.
    for (let slot = this.#size; slot < slots; slot++) {
      this.#worth[slot] = NOWHERE;
      this.#version[slot] = -1;
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
