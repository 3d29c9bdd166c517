// Names of nodes that go from one machine to another: the one before is cut off, or was, and somebody puts another one in its place. What the
// old one still runs under at-most-one must have ended first; for the rest nobody waits.
import type { AgentMachine } from './agent-machine.js';
import { WRITER } from './asking.js';
import type { ControlPlane } from './control-plane.js';
import type { Dice } from './dice.js';
import type { SimulatedNetwork } from './network.js';
import type { Trace } from './trace.js';

export interface NamesOptions {
  readonly trace: Trace;
  readonly network: SimulatedNetwork;
  readonly server: ControlPlane;
  /** All nodes; another machine takes the place of the one before. */
  readonly nodes: AgentMachine[];
  readonly make: (host: string) => AgentMachine;
  /** The machine is no node any more. */
  readonly retired: (host: string) => void;
}

export class Names {
  /** Nodes that are not the machine any more with which they began. */
  readonly moved = new Set<string>();
  private readonly clearing = new Set<string>();
  /** Machines that have been started. */
  private readonly begun = new Set<AgentMachine>();
  taken = 0;

  constructor(private readonly options: NamesOptions) {}

  /** The machine is cut off, another one gets its name; it comes back and is refused; at the end it is switched off. */
  take(node: AgentMachine, dice: Dice): { readonly forMs: number; readonly end: () => void } {
    const { network, nodes, make, retired, server } = this.options;
    const { world } = network;
    const path = network.path(node.host);
    const afterMs = dice.chance(0.5) ? dice.between(0, 4_000) : dice.between(4_000, 30_000);
    const backMs = afterMs + dice.between(1_000, 40_000);
    let next: AgentMachine | undefined;
    let over = false;
    path.set(false, false);
    world.timers.after(afterMs, () => {
      if (over) return;
      this.taken++;
      this.moved.add(node.name);
      retired(node.host);
      next = make(`${node.name}~${this.taken}`);
      nodes[nodes.indexOf(node)] = next;
      this.clear(next);
    });
    world.timers.after(backMs, () => {
      // Or it would be the node again.
      if (!over && next !== undefined && server.running?.sessions.holder(node.name) === next.machineId) path.set(true, true);
    });
    const end = (): void => {
      over = true;
      if (next === undefined) path.set(true, true);
      else node.powerOff();
      (next ?? node).wellSince = world.elapsed;
    };
    return { forMs: backMs + dice.between(1_000, 10_000), end };
  }

  /** Where the server knows the name as another machine's, somebody deletes the node and starts the new one with a token. Again and again. */
  look(): void {
    for (const node of this.options.nodes) if (this.moved.has(node.name)) this.clear(node);
  }

  private clear(node: AgentMachine): void {
    const { server, trace } = this.options;
    const core = server.running;
    const { name, machineId } = node;
    if (core?.process.running !== true || this.clearing.has(name)) return;
    const holder = core.sessions.holder(name);
    const isClear = holder === undefined || holder === machineId;
    if (isClear) {
      if (!this.begun.has(node)) this.begin(node);
      return;
    }
    this.clearing.add(name);
    trace.note(`people: ${name} is another machine now`);
    const options = { graceSeconds: undefined, propagationPolicy: '', uid: '', resourceVersion: '' };
    const forget = (): void => void this.clearing.delete(name);
    core.process.onDeath(forget);
    core.process
      .guard(core.registry.delete({ kind: 'Node', namespace: '', name }, options, WRITER))
      .then(() => core.process.guard(core.memberships.joined(name)))
      .then(() => this.begin(node))
      .then(forget, forget);
  }

  /** With its token; where it was refused before, anew. */
  private begin(node: AgentMachine): void {
    if (this.begun.has(node) && !node.alive) return;
    this.begun.add(node);
    node.kill();
    node.start();
  }
}
