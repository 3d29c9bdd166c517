// Which ranking answers for a class, or whether a plain scan does: rankings pay where pods of a class come one after another.
import type { Ledger, NodeInfo } from './ledger.js';
import type { PodClass } from './model.js';
import { Ranking, UNDECIDED } from './ranking.js';
import { FixedColumn, type Stages, scan } from './worth.js';

/** Rankings kept are bounded by the slots that they hold together (24 bytes each). */
const SLOTS_KEPT = 1_500_000;
const RANKINGS_MIN = 8;
/** Nodes looked at in a shared ranking before the class gets its own. */
const SHARED_EFFORT = 64;
const COLUMNS_MAX = 64;
/** A class that is asked for again within so many others gets a ranking; one that is not costs as much to rank as to scan. */
const AGAIN_WITHIN = 32;

export class Rankings {
  readonly #ledger: Ledger;
  readonly #stages: Stages;
  readonly #byClass = new Map<string, Ranking>();
  readonly #columns = new Map<string, FixedColumn>();
  /** Classes asked for lately that have no ranking. */
  readonly #strangers = new Set<string>();
  #last: { readonly key: string; readonly ranking: Ranking } | undefined;

  constructor(ledger: Ledger, stages: Stages) {
    this.#ledger = ledger;
    this.#stages = stages;
  }

  /** The node to take for a pod of a class; undefined: none does. */
  best(podClass: PodClass): NodeInfo | undefined {
    // Pods of all owners that ask for the same share one ranking, as long as their owner is on few of the nodes: a ranking for each
    // of a thousand owners would have to follow every pod of all the others.
    if (podClass.base !== podClass && this.#ledger.reachOf(podClass.owner) * 2 < this.#ledger.nodeCount) {
      const ranking = this.#rankingOf(podClass.base);
      if (ranking === undefined) return this.#scan(podClass);
      const shared = ranking.bestApart(podClass, SHARED_EFFORT);
      if (shared !== UNDECIDED) return shared;
    }
    const ranking = this.#rankingOf(podClass);
    return ranking === undefined ? this.#scan(podClass) : ranking.best();
  }

  #scan(podClass: PodClass): NodeInfo | undefined {
    return scan(this.#ledger, this.#stages, podClass, this.#columnOf(podClass));
  }

  #rankingOf(podClass: PodClass): Ranking | undefined {
    const { key } = podClass;
    if (this.#last?.key === key) return this.#last.ranking;
    let ranking = this.#byClass.get(key);
    if (ranking === undefined) {
      if (!this.#strangers.delete(key)) {
        this.#strangers.add(key);
        if (this.#strangers.size > AGAIN_WITHIN) dropOldest(this.#strangers);
        return undefined;
      }
      const most = Math.max(RANKINGS_MIN, Math.floor(SLOTS_KEPT / Math.max(1, this.#ledger.slots.length)));
      while (this.#byClass.size >= most) dropOldest(this.#byClass);
      ranking = new Ranking(this.#ledger, this.#stages, podClass, this.#columnOf(podClass));
    } else {
      this.#byClass.delete(key); // to the young end
    }
    this.#byClass.set(key, ranking);
    this.#last = { key, ranking };
    return ranking;
  }

  #columnOf(podClass: PodClass): FixedColumn {
    const { fixedKey } = podClass;
    let column = this.#columns.get(fixedKey);
    if (column === undefined) {
      if (this.#columns.size >= COLUMNS_MAX) dropOldest(this.#columns);
      column = new FixedColumn(this.#stages, podClass);
      this.#columns.set(fixedKey, column);
    }
    return column;
  }
}

function dropOldest(collection: { keys(): Iterator<string>; delete(key: string): boolean }): void {
  const oldest = collection.keys().next();
  if (oldest.done !== true) collection.delete(oldest.value);
}
