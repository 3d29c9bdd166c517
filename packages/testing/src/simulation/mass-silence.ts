// The fault of which the server must make nothing: most nodes fall silent at once. It needs a cluster in which all is well, or nobody could say
// whose fault an eviction was; so once it is drawn other faults wait (faults.ts asks here), until it has struck and everyone is back.
import type { AgentMachine } from './agent-machine.js';
import type { Dice } from './dice.js';
import type { SimulatedNetwork } from './network.js';
import type { Trace } from './trace.js';

/** Below this the server does not doubt itself. */
const LEAST_NODES = 4;
const LEAST_SILENT = 3;
/** How often it is asked whether all is well, ms. */
const LOOK_MS = 500;
/** How long all of them are silent, ms: a little longer than the silence after which one alone is lost (3 s and a heartbeat), or far longer. */
const SILENT_MS = [5_000, 90_000] as const;
/** Between two that return one after another, ms. */
const GAP_MS = 3_000;

/**
 *   none       nothing of the kind goes on
 *   waiting    it is drawn, and waits until all is well
 *   silent     they are cut off
 *   returning  some are back, or all are and settle
 */
type Phase = 'none' | 'waiting' | 'silent' | 'returning';

export interface MassSilenceOptions {
  readonly dice: Dice;
  readonly trace: Trace;
  readonly network: SimulatedNetwork;
  readonly nodes: readonly AgentMachine[];
  /** All faults ended long enough ago. */
  readonly calm: () => boolean;
  /** It strikes now. */
  readonly struck: () => void;
  /** From the return of the last one until it counts as well, ms. */
  readonly wellMs: number;
}

export class MassSilence {
  /** Nodes that fell silent together, until the last of them has had time to come back: nobody of them may be given up. */
  readonly silent = new Set<string>();
  private phase: Phase = 'none';

  constructor(private readonly options: MassSilenceOptions) {}

  /** Nothing else may go wrong meanwhile. */
  get holdsOthers(): boolean {
    return this.phase !== 'none';
  }

  /** It comes as soon as all is well. */
  draw(): void {
    if (this.phase !== 'none' || this.options.nodes.length < LEAST_NODES) return;
    this.phase = 'waiting';
    this.look();
  }

  /** All faults end: everybody is heard again. */
  stop(): void {
    if (this.phase === 'waiting') this.phase = 'none';
    else if (this.phase === 'silent') this.return([]);
  }

  private after(ms: number, fn: () => void): void {
    this.options.network.world.timers.after(ms, fn);
  }

  private look(): void {
    if (this.phase !== 'waiting') return;
    if (this.options.calm()) this.strike();
    else this.after(LOOK_MS, () => this.look());
  }

  private strike(): void {
    const { dice, network, nodes, trace, struck } = this.options;
    const least = Math.max(LEAST_SILENT, Math.floor(nodes.length / 2) + 1);
    const chosen = shuffled(nodes, dice).slice(0, dice.between(least, nodes.length));
    const [shortest, longest] = SILENT_MS;
    const ms = dice.chance(0.5) ? dice.between(shortest, 15_000) : dice.between(15_000, longest);
    const together = dice.chance(0.3);
    this.phase = 'silent';
    struck();
    trace.note(`faults: mass-silence of ${chosen.map(({ name }) => name).join(' ')} for ${ms} ms`);
    for (const node of chosen) {
      node.wellSince = undefined;
      network.path(node.host).set(false, false);
      this.silent.add(node.name);
    }
    this.after(ms, () => {
      if (this.phase === 'silent') this.return(together ? [] : shuffled(chosen, dice));
    });
  }

  /** These one after another; the rest at once. */
  private return(order: readonly AgentMachine[]): void {
    const { dice, network, nodes, trace, wellMs } = this.options;
    this.phase = 'returning';
    const back = (node: AgentMachine): void => {
      trace.note(`faults: end of mass-silence of ${node.name}`);
      network.path(node.host).set(true, true);
    };
    let wait = 0;
    for (const node of order) {
      this.after(wait, () => back(node));
      wait += dice.number() * GAP_MS;
    }
    const mine = nodes.filter(({ name }) => this.silent.has(name));
    for (const node of mine) if (!order.includes(node)) back(node);
    this.after(wait + wellMs, () => {
      for (const node of mine) node.wellSince = network.world.elapsed;
      this.silent.clear();
      this.phase = 'none';
    });
  }
}

function shuffled<T>(list: readonly T[], dice: Dice): T[] {
  return list
    .map((item) => ({ item, by: dice.number() }))
    .sort((a, b) => a.by - b.by)
    .map(({ item }) => item);
}
