// What would happen if: the real controllers and the real scheduler on a copy of the state, by a clock of their own. Nothing of it reaches the
// real store or a node. What is asked, and how the answer is told, is up to the caller (see drain-preview.ts).
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { allKinds } from '@podplane/api/kinds/kind-names';
import type { System } from '@podplane/api/system';
import { createControllers } from '@podplane/controllers/controllers';
import { ControllerPump } from '@podplane/controllers/runtime/pump';
import type { EventInput, NodeLiveness } from '@podplane/controllers/runtime/types';
import { Scheduler } from '@podplane/scheduler/shell';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { forkStore } from '@podplane/store/fork';
import type { ReadView, Store } from '@podplane/store/types';
import { ThoughtNodes } from './thought-nodes.js';
import { VirtualTime } from './virtual-time.js';

/** What a copy is made of. */
export type Source = Pick<ReadView, 'revision' | 'get'> & { list<K extends Kind>(kind: K): Iterable<Obj<K>> };

export interface WhatIfParts {
  /** The state to begin with. */
  readonly view: Source;
  readonly system: System;
  /** What is known of the real nodes now. */
  readonly liveness: NodeLiveness;
  /** Nodes that fall silent as it begins. */
  readonly lost?: ReadonlySet<string>;
}

/** No decider asks for these, and they may be many. */
export const LEFT_OUT: ReadonlySet<Kind> = new Set<Kind>(['Event', 'Lease', 'Secret', 'ConfigMap']);
/** A turn of the pump ends after so many reconciles, as no time passes meanwhile. */
const SLICE = 100;

export interface ToldEvent extends EventInput {
  readonly component: string;
  /** Ms since the beginning. */
  readonly at: number;
}

/** One such world. Stop it when done. */
export class WhatIf implements AsyncDisposable {
  readonly store: Store;
  readonly time: VirtualTime;
  readonly events: ToldEvent[] = [];
  readonly #pump: ControllerPump;
  readonly #scheduler: Scheduler;
  readonly #nodes: ThoughtNodes;

  constructor(parts: WhatIfParts) {
    const time = new VirtualTime(parts.system);
    this.time = time;
    const kinds = allKinds.filter((kind) => !LEFT_OUT.has(kind));
    this.store = forkStore(parts.view, kinds, { system: time, codecs: catalogueCodecs });
    const liveness = thoughtLiveness(parts, time);
    this.#pump = new ControllerPump({
      store: this.store,
      system: time,
      // Schedules stand still: what they start in the time that is thought of is no consequence of what is asked, and would never come to an end.
      reconcilers: createControllers({ liveness }).filter(({ name }) => name !== 'cronjob'),
      event: (input, controller) => void this.events.push({ ...input, component: controller, at: time.elapsed }),
      config: { sliceReconciles: SLICE },
    });
    this.#scheduler = new Scheduler({
      store: this.store,
      system: time,
      event: (event) => void this.events.push({ ...event, component: 'scheduler', at: time.elapsed }),
    });
    this.#nodes = new ThoughtNodes(this.store, time, liveness);
    this.#pump.start();
    this.#scheduler.start();
  }

  /** Lets it go on for at most so many ms of its own time, until done says so, or nothing has changed for calmMs of it. */
  async run(mostMs: number, done: () => boolean, calmMs = mostMs, signal?: AbortSignal): Promise<void> {
    let revision = this.store.revision;
    let since = this.time.elapsed;
    await this.time.run(
      mostMs,
      () => {
        if (this.store.revision !== revision) {
          revision = this.store.revision;
          since = this.time.elapsed;
        }
        return done() || this.time.elapsed - since > calmMs;
      },
      signal,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#nodes[Symbol.dispose]();
    this.#scheduler.stop();
    this.#pump.stop();
    await this.store.close();
  }
}

/** Nodes that are connected now are heard all the time; the others stay as they are, and those that are lost fall silent. */
function thoughtLiveness({ liveness, lost = new Set() }: WhatIfParts, { clock }: VirtualTime): NodeLiveness {
  const begun = clock.monotonic();
  const lives = (name: string): boolean => liveness.connected(name) && !lost.has(name);
  return {
    lastHeard: (name) => (lives(name) ? clock.monotonic() : lost.has(name) ? begun : liveness.lastHeard(name)),
    lastHeardWall: (name) => (lives(name) ? clock.now() : liveness.lastHeardWall(name)),
    connected: lives,
    saidGoodbye: (name) => liveness.saidGoodbye(name),
    leaseOver: (name) => (lives(name) ? Number.POSITIVE_INFINITY : liveness.leaseOver(name)),
    servingSince: liveness.servingSince,
    stallCredit: 0,
    heartbeatPeriodMs: () => liveness.heartbeatPeriodMs?.() ?? 0,
  };
}
