// What goes wrong, at random: with the network, the agents and their machines, the engines, the clocks, the server and its disk. Each fault ends
// by itself after a while; at most one at a time for each thing that it is done to.
import { RuntimeError } from '@podplane/agent/runtime/errors';
import { JournalError } from '@podplane/store/errors';
import type { FakeCall } from '../fake-runtime-types.js';
import type { AgentMachine } from './agent-machine.js';
import type { ControlPlane } from './control-plane.js';
import type { Dice } from './dice.js';
import { FAULT_WEIGHTS, type FaultKind, SERVER_FAULTS } from './fault-kinds.js';
import { MassSilence } from './mass-silence.js';
import type { Names } from './names.js';
import type { SimulatedNetwork } from './network.js';
import type { OlderCopies } from './older-copy.js';
import type { Trace } from './trace.js';

const ENGINE_CALLS: readonly FakeCall[] = [
  'start',
  'stop',
  'kill',
  'remove',
  'createContainer',
  'createPause',
  'inspect',
  'listContainers',
];
const HOUR = 3_600_000;
/** Not more than this share of the nodes is in trouble at a time, a mass silence (mass-silence.ts) apart. */
const TROUBLED_SHARE = 0.4;
/** So long after the end of a fault everything should be as before, ms. */
export const WELL_MS = 20_000;

/** Faults that are others' business, and who is told. */
export interface FaultsParts {
  /** A machine that was suspended goes on. */
  readonly woke: (host: string) => void;
  readonly names: Names;
  readonly olderCopies: OlderCopies;
}

export class Faults {
  readonly injected = new Map<FaultKind, number>();
  readonly massSilence: MassSilence;
  /** Since when nothing is wrong with the server, ms of the world. */
  serverWellSince: number | undefined;
  private readonly troubled = new Map<string, FaultKind>();
  private stopped = false;
  private readonly undo = new Map<string, () => void>();

  constructor(
    private readonly dice: Dice,
    private readonly trace: Trace,
    private readonly network: SimulatedNetwork,
    private readonly nodes: readonly AgentMachine[],
    private readonly server: ControlPlane,
    private readonly parts: FaultsParts,
    private readonly weights: Readonly<Record<FaultKind, number>> = FAULT_WEIGHTS,
  ) {
    const struck = (): void => this.count('mass-silence');
    this.massSilence = new MassSilence({ dice, trace, network, nodes, calm: () => this.calm(), struck, wellMs: WELL_MS });
  }

  /** Something goes wrong now. */
  strike(): void {
    if (this.stopped || this.massSilence.holdsOthers) return;
    const kind = this.dice.weighted(this.weights);
    if (kind === 'mass-silence') this.massSilence.draw();
    else if (SERVER_FAULTS.has(kind)) this.strikeServer(kind);
    else this.strikeNode(kind);
  }

  /** Ends all that goes on and lets nothing new begin. */
  stop(): void {
    this.stopped = true;
    for (const [target, heal] of [...this.undo]) {
      this.trace.note(`faults: ${target} heals`);
      heal();
    }
    this.undo.clear();
    this.troubled.clear();
    this.massSilence.stop();
    for (const node of this.nodes) this.heal(node);
    this.server.disk.broken = undefined;
    this.server.disk.nextAppend = undefined;
    this.server.disk.onAppend = undefined;
    this.server.wake();
    this.server.start();
    this.serverWellSince = this.network.world.elapsed;
  }

  private heal(node: AgentMachine): void {
    const path = this.network.path(node.host);
    path.set(true, true);
    node.runtime.startEngine();
    this.wake(node);
    node.start();
    node.wellSince = this.network.world.elapsed;
  }

  private wake(node: AgentMachine): void {
    if (!node.machine.suspended) return node.resume();
    node.wake();
    this.parts.woke(node.host);
  }

  /** Whether something that is to be ended by a fault's end goes on with a node. */
  isTroubled(name: string): boolean {
    return this.troubled.has(name);
  }

  private count(kind: FaultKind): void {
    this.injected.set(kind, (this.injected.get(kind) ?? 0) + 1);
  }

  /** Begins a fault; heal is called after ms. */
  private begin(target: string, kind: FaultKind, ms: number, heal: () => void): void {
    this.count(kind);
    this.troubled.set(target, kind);
    this.trace.note(`faults: ${kind} of ${target} for ${Math.round(ms)} ms`);
    let done = false;
    const once = (): void => {
      if (done) return;
      done = true;
      this.trace.note(`faults: end of ${kind} of ${target}`);
      this.undo.delete(target);
      this.troubled.delete(target);
      heal();
    };
    this.undo.set(target, once);
    this.network.world.timers.after(ms, once);
  }

  private strikeNode(kind: FaultKind): void {
    const { dice, network } = this;
    if (this.nodes.filter(({ name }) => this.troubled.has(name)).length + 1 > this.nodes.length * TROUBLED_SHARE) return;
    const node = dice.pick(this.nodes.filter(({ name }) => !this.troubled.has(name)));
    if (node === undefined) return;
    const { name, host, runtime } = node;
    const path = network.path(host);
    const well = (): void => {
      node.wellSince = network.world.elapsed;
    };
    node.wellSince = undefined;
    const outage = dice.chance(0.3) ? dice.between(20_000, 120_000) : dice.between(200, 20_000);
    switch (kind) {
      case 'cut':
      case 'cut-up':
      case 'cut-down':
        path.set(kind === 'cut-down', kind === 'cut-up');
        this.begin(name, kind, outage, () => {
          path.set(true, true);
          well();
        });
        return;
      case 'slow-network': {
        const before = path.latencyMs;
        path.latencyMs = dice.between(50, 3000);
        this.begin(name, kind, outage, () => {
          path.latencyMs = before;
          well();
        });
        return;
      }
      case 'reset':
        network.reset(host);
        this.begin(name, kind, 1, well);
        return;
      case 'messages':
        path.messages = { lose: dice.number() * 0.2, double: dice.number() * 0.2, overtake: dice.number() * 0.2 };
        this.begin(name, kind, outage, () => {
          path.messages = { lose: 0, double: 0, overtake: 0 };
          // Where something is lost for good, a connection ends.
          network.reset(host);
          well();
        });
        return;
      case 'agent-kill':
      case 'agent-amnesia':
        node.kill();
        if (kind === 'agent-amnesia') node.forget();
        this.begin(name, kind, dice.between(100, outage), () => {
          node.start();
          well();
        });
        return;
      case 'agent-hang':
        node.hang();
        this.begin(name, kind, outage, () => {
          node.resume();
          well();
        });
        return;
      case 'suspend':
        node.suspend();
        path.set(false, false);
        // Mostly for longer than a lease.
        this.begin(name, kind, dice.chance(0.6) ? dice.between(18_000, 60_000) : outage, () => {
          path.set(true, true);
          this.wake(node);
          well();
        });
        return;
      case 'agent-restart':
      case 'goodbye':
        void node.stop(kind === 'goodbye' ? 'the host shuts down' : undefined);
        this.begin(name, kind, dice.between(500, outage + 500), () => {
          if (kind === 'goodbye') node.powerOff();
          node.kill();
          node.start();
          well();
        });
        return;
      case 'power-off':
        node.powerOff();
        this.begin(name, kind, dice.between(1000, outage + 1000), () => {
          node.start();
          well();
        });
        return;
      case 'container-crash': {
        const id = dice.pick([...runtime.containers.values()].filter(({ info }) => info.state === 'running'))?.info.id;
        if (id !== undefined) runtime.crash(id, dice.between(1, 137), dice.chance(0.2));
        this.begin(name, kind, 1, well);
        return;
      }
      case 'engine-errors': {
        const call = dice.pick(ENGINE_CALLS) ?? 'start';
        runtime.fail(
          call,
          new RuntimeError(dice.pick(['failed', 'timeout', 'unreachable'] as const) ?? 'failed', 'simulated trouble'),
          dice.between(1, 5),
        );
        this.begin(name, kind, outage, () => {
          runtime.failNothing();
          well();
        });
        return;
      }
      case 'engine-slow': {
        const before = { ...runtime.latency };
        for (const call of ENGINE_CALLS) runtime.latency[call] = dice.between(500, 8000);
        this.begin(name, kind, outage, () => {
          for (const call of ENGINE_CALLS) runtime.latency[call] = before[call] ?? 1;
          well();
        });
        return;
      }
      case 'engine-restart':
        node.stopEngine(dice.chance(0.5) ? 'end' : 'live');
        this.begin(name, kind, dice.between(500, outage + 500), () => {
          runtime.startEngine();
          well();
        });
        return;
      case 'name-taken': {
        const { forMs, end } = this.parts.names.take(node, dice);
        this.begin(name, kind, forMs, end);
        return;
      }
      case 'node-clock':
        node.machine.stepClock(this.step());
        this.begin(name, kind, 1, well);
        return;
      default:
    }
  }

  private strikeServer(kind: FaultKind): void {
    if (this.troubled.has('server')) return;
    const { dice, server } = this;
    const { disk } = server;
    const well = (): void => {
      this.serverWellSince = this.network.world.elapsed;
    };
    this.serverWellSince = undefined;
    const down = dice.chance(0.3) ? dice.between(5_000, 60_000) : dice.between(50, 5_000);
    switch (kind) {
      case 'server-crash':
      case 'server-power':
        server.crash(kind === 'server-crash' ? 'reset' : 'silent', dice.chance(0.5));
        this.begin('server', kind, down, () => {
          server.start();
          well();
        });
        return;
      case 'commit-crash': {
        // Between what is decided and what is kept, at whichever commit comes so many later.
        let commits = dice.between(1, 20);
        const reached = dice.chance(0.5);
        disk.onAppend = () => {
          if (--commits > 0) return;
          disk.onAppend = undefined;
          this.network.world.timers.soon(() => server.crash('reset', reached));
        };
        this.begin('server', kind, 20_000, () => {
          disk.onAppend = undefined;
          server.start();
          well();
        });
        return;
      }
      case 'server-suspend':
        server.suspend();
        this.begin('server', kind, down, () => {
          server.wake();
          well();
        });
        return;
      case 'server-restart':
        void server.stop();
        this.begin('server', kind, down + 500, () => {
          server.crash('reset', false);
          server.start();
          well();
        });
        return;
      case 'server-hang':
        server.hang();
        this.begin('server', kind, Math.min(down, 20_000), () => {
          server.resume();
          well();
        });
        return;
      case 'server-clock':
        server.machine.stepClock(this.step());
        this.begin('server', kind, 1, well);
        return;
      case 'disk-full':
        disk.broken = new JournalError('full', 'no space left on device');
        this.begin('server', kind, down, () => {
          disk.broken = undefined;
          well();
        });
        return;
      case 'write-lost':
      case 'write-unknown':
        disk.nextAppend = kind === 'write-lost' ? 'lost' : 'kept';
        this.begin('server', kind, 1000, well);
        return;
      case 'older-copy': {
        const copy = this.parts.olderCopies.strike();
        this.begin('server', kind, copy.keptMs + down, () => {
          copy.end();
          server.start();
          well();
        });
        return;
      }
      case 'disk-slow': {
        const before = disk.latencyMs;
        disk.latencyMs = () => dice.between(20, 2500);
        this.begin('server', kind, down, () => {
          disk.latencyMs = before;
          well();
        });
        return;
      }
      default:
    }
  }

  /** Nothing is wrong anywhere, and has not been for a while. */
  private calm(): boolean {
    const { elapsed } = this.network.world;
    const well = (since: number | undefined): boolean => since !== undefined && elapsed - since > WELL_MS;
    return this.troubled.size === 0 && well(this.serverWellSince) && this.nodes.every(({ wellSince }) => well(wellSince));
  }

  private step(): number {
    const { dice } = this;
    const size = dice.pick([2_000, 60_000, HOUR, 24 * HOUR]) ?? HOUR;
    return (dice.number() * 2 - 1) * size;
  }
}
