// One run of the whole system from a seed: a real control plane, real agents on engines that are not there, a network, a virtual clock; people
// who do things and things that go wrong; what always holds is checked at every step. Equal options give equal runs, to the last event.
import { seededNumbers, VirtualSystem } from '../virtual-system.js';
import { AgentMachine } from './agent-machine.js';
import { Asking } from './asking.js';
import { BudgetChecks } from './budget-checks.js';
import { ClaimChecks } from './claim-checks.js';
import { ContainerChecks } from './container-checks.js';
import { ControlPlane, type RunningCore } from './control-plane.js';
import { CronChecks } from './cron-checks.js';
import { Dice } from './dice.js';
import type { FaultKind } from './fault-kinds.js';
import { Faults, WELL_MS } from './faults.js';
import type { DiskCopy } from './journal.js';
import { images } from './manifests.js';
import { HeadMirror } from './mirror.js';
import { Names } from './names.js';
import { NamespaceChecks } from './namespace-checks.js';
import { SimulatedNetwork } from './network.js';
import { NodeChecks } from './node-checks.js';
import { OlderCopies } from './older-copy.js';
import { Operators } from './operators.js';
import type { Plant } from './plants.js';
import { RolloutCounts } from './rollout-counts.js';
import { unsettled } from './settled.js';
import { StoreChecks } from './store-checks.js';
import { Trace } from './trace.js';
import { type Violation, Violations } from './violations.js';
import { Watcher } from './watcher.js';
import { People } from './workload.js';

export interface SimulationOptions {
  readonly seed: number;
  readonly nodes: number;
  /** How long people and faults are at it, ms of the simulated world. */
  readonly troubleMs: number;
  /** Mean time between two faults, ms; undefined: none. */
  readonly faultEveryMs: number | undefined;
  /** Mean time between two things that people do, ms. */
  readonly actEveryMs: number;
  /** After so long people rest, ms; default: troubleMs. Without faults the cluster is quiet from then on. */
  readonly actMs?: number | undefined;
  readonly plant?: Plant | undefined;
}

export interface SimulationResult {
  readonly seed: number;
  readonly violation: Violation | undefined;
  /** Equal for equal runs. */
  readonly hash: string;
  readonly simulatedMs: number;
  /** From the end of the last fault until all was well, ms. */
  readonly settledMs: number | undefined;
  readonly events: number;
  readonly transactions: number;
  readonly containers: number;
  readonly messages: number;
  readonly acknowledged: number;
  readonly faults: Readonly<Partial<Record<FaultKind, number>>>;
  /** How often what the checks are about has happened, by name. */
  readonly seen: Readonly<Record<string, number>>;
  /** The last steps, oldest first. */
  readonly steps: readonly string[];
}

/** After the last fault all has to be as people want it within this time: jobs' and containers' back-offs take minutes. */
const SETTLE_MS = 25 * 60_000;
/** So often people look what they have to put right, ms. */
const MEND_MS = 20_000;
const SLICE_MS = 1_000;
/** A server that has just started evicts nobody of a node not heard yet before every agent has had time to return; less what clocks may differ. */
const START_GRACE_MS = 19_900;
const STEPS = 120;
/** After a sleep of a machine what was replaced meanwhile ends within this time, ms: the watchdog wakes with it. */
const WOKEN_MS = 100;
/** How often it is looked for what did not happen, ms. */
const LOOK_MS = 5_000;
/** What does not tolerate a taint is asked to go within this time, ms. */
const TAINTED_MS = 15_000;

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  // Loaded with the first write otherwise, in a time that is not simulated.
  await Promise.all([import('@podplane/server/registry/strict'), import('@podplane/server/registry/patching')]);
  const simulation = new Simulation(options);
  return simulation.run();
}

class Simulation {
  private readonly world: VirtualSystem;
  private readonly trace: Trace;
  private readonly violations: Violations;
  private readonly network: SimulatedNetwork;
  private readonly machines = new Map<string, AgentMachine>();
  private readonly nodes: AgentMachine[];
  private readonly names: Names;
  private readonly containers: ContainerChecks;
  private readonly store: StoreChecks;
  private readonly server: ControlPlane;
  private readonly faults: Faults;
  private readonly people: People;
  private readonly asking: Asking;
  private readonly mirror = new HeadMirror();
  private readonly budgets: BudgetChecks;
  private readonly namespaces: NamespaceChecks;
  private readonly nodeChecks: NodeChecks;
  private readonly cron: CronChecks;
  private readonly claims: ClaimChecks;
  private readonly rollouts = new RolloutCounts();
  private readonly watcher = new Watcher();
  private readonly dice: Dice;
  private serverStartedAt = 0;
  private lookedAt = 0;
  private removals = 0;

  constructor(private readonly options: SimulationOptions) {
    const { seed, plant } = options;
    const world = new VirtualSystem(seed);
    this.world = world;
    const now = (): number => world.elapsed;
    const stream = (nth: number): (() => number) => seededNumbers(Math.imul(seed, 0x9e3779b1) + nth * 7919);
    this.trace = new Trace(now);
    this.violations = new Violations(now, (text) => this.trace.note(text));
    this.dice = new Dice(stream(1));
    this.network = new SimulatedNetwork(world, stream(2));
    const suspended = (name: string): boolean => this.machines.get(name)?.machine.suspended === true;
    this.containers = new ContainerChecks(this.violations, this.trace, suspended, now);
    this.claims = new ClaimChecks(this.mirror, this.violations, (name) => this.node(name)?.runtime.volumes ?? new Map());
    const clocks = new Dice(stream(3));
    const clock = (): { skewMs: number; rate: number } => ({
      skewMs: clocks.chance(0.3) ? (clocks.number() - 0.5) * 600_000 : (clocks.number() - 0.5) * 200,
      rate: 1 + (clocks.number() - 0.5) * 4e-4,
    });
    const appearance = images(stream(4));
    const make = (host: string): AgentMachine => {
      const node = new AgentMachine({
        host,
        network: this.network,
        clock: clock(),
        images: appearance,
        problem: (what, error) => this.problem(host, what, error, true),
        corruptState: plant?.corruptState,
        withoutWatchdog: plant?.withoutWatchdog,
        sleepyLease: plant?.sleepyLease,
        removed: () => this.removed(node),
      });
      node.runtime.onChange = (container, change) => {
        this.containers.changed(host, container, change);
        if (change === 'started' && !this.names.moved.has(node.name)) this.claims.started(host, container);
      };
      this.machines.set(host, node);
      return node;
    };
    this.nodes = Array.from({ length: options.nodes }, (_, i) => make(`n${String(i).padStart(3, '0')}`));
    this.server = new ControlPlane({
      network: this.network,
      clock: clock(),
      problem: (what, error, bad) => this.problem('server', what, error, bad),
      opened: (store) => {
        this.trace.note(`server: starts with revision ${store.revision}`);
        this.serverStartedAt = world.elapsed;
        this.store.opened(store);
      },
      started: (core) => this.watcher.connect(core),
      leaves: ({ message }, node) => {
        if (message?.$case !== 'assignments') return;
        for (const { metadata } of message.value.pods) this.store.tell(Number(metadata?.resourceVersion ?? 0), `what ${node} shall run`);
      },
      instead: plant?.instead,
      nodeLifecycle: plant?.nodeLifecycle,
      hears: plant?.hears,
    });
    const disk = new Dice(stream(5));
    this.server.disk.latencyMs = () => 1 + disk.number() * 8;
    const { mirror, violations } = this;
    const serverNow = (): number => this.server.machine.clock.now();
    this.budgets = new BudgetChecks(mirror, violations, serverNow);
    this.namespaces = new NamespaceChecks(mirror, violations);
    this.nodeChecks = new NodeChecks({
      mirror,
      violations,
      runsOn: (name) => (this.isWell(name) ? this.containers.on(this.node(name)?.host ?? name) : undefined),
    });
    this.cron = new CronChecks({ violations, now, serverNow });
    this.store = new StoreChecks({
      violations,
      trace: this.trace,
      containers: this.containers,
      disk: this.server.disk,
      now,
      mirror,
      head: [this.budgets, this.namespaces, this.nodeChecks, this.rollouts],
      cron: this.cron,
      eviction: (node) => this.evictionWrong(node),
    });
    const { network, trace, nodes, server } = this;
    this.names = new Names({ trace, network, server, nodes, make, retired: (host) => this.containers.retire(host) });
    this.asking = new Asking(
      this.trace,
      (revision) => this.store.tell(revision, 'an answer'),
      (error) => this.violations.report('no-errors', `people: ${String(error)}`, error instanceof Error ? error.stack : ''),
    );
    const dice = new Dice(stream(6));
    const restored = (copy: DiskCopy): void => {
      for (const one of [this.claims, this.watcher]) one.forget();
      this.store.restored(copy);
    };
    const olderCopies = new OlderCopies({ dice, server, network, asking: this.asking, containers: this.containers, restored });
    this.faults = new Faults(dice, trace, network, nodes, server, { woke: (host) => this.woke(host), names: this.names, olderCopies });
    const people = new Dice(stream(7));
    this.people = new People(people, this.asking, new Operators(people, this.asking), () =>
      this.server.running?.process.running === true ? this.server.running : undefined,
    );
  }

  async run(): Promise<SimulationResult> {
    const { world, options } = this;
    let settledMs: number | undefined;
    this.server.start();
    for (const node of this.nodes) node.start();
    await this.until(30_000, () => this.core !== undefined && this.core.store.count('Node') === options.nodes);
    for (const node of this.nodes) node.wellSince = world.elapsed;
    this.faults.serverWellSince = world.elapsed;
    if (!this.broken) {
      if (options.faultEveryMs !== undefined) this.again(options.faultEveryMs, options.troubleMs, () => this.faults.strike());
      this.again(options.actEveryMs, Math.min(options.actMs ?? Number.POSITIVE_INFINITY, options.troubleMs), () => this.people.act());
      await this.until(options.troubleMs, () => false);
    }
    if (!this.broken) settledMs = await this.settle();
    const result = this.result(settledMs);
    // Nothing of it may go on.
    this.server.crash('silent', false);
    for (const node of this.machines.values()) node.kill();
    return result;
  }

  private get core(): RunningCore | undefined {
    return this.server.running;
  }

  private get broken(): boolean {
    return this.violations.first !== undefined;
  }

  /** Again and again for so long. */
  private again(meanMs: number, forMs: number, fn: () => void): void {
    const { world } = this;
    const end = world.elapsed + forMs;
    const next = (): void => {
      const wait = this.dice.wait(meanMs);
      if (world.elapsed + wait >= end) return;
      world.timers.after(wait, () => {
        fn();
        next();
      });
    };
    next();
  }

  private async until(ms: number, done: () => boolean): Promise<boolean> {
    const { world } = this;
    const end = world.elapsed + ms;
    while (world.elapsed < end && !this.broken) {
      await world.advance(Math.min(SLICE_MS, end - world.elapsed), () => this.broken);
      if (world.elapsed - this.lookedAt >= LOOK_MS) this.look();
      if (!this.broken && done()) return true;
    }
    return false;
  }

  private node(name: string): AgentMachine | undefined {
    return this.nodes.find((one) => one.name === name);
  }

  /** A machine goes on after a sleep; what it may not go on with has ended in a moment. */
  private woke(host: string): void {
    this.world.timers.after(WOKEN_MS, () => this.containers.awake(host));
  }

  /** Somebody removed a node, and its agent is gone; after a while it gets a new token. */
  private removed(node: AgentMachine): void {
    const { name, host } = node;
    this.removals++;
    this.trace.note(`${name}: leaves the cluster`);
    const [left] = this.containers.on(host);
    if (left !== undefined && node.wellSince !== undefined)
      this.violations.report('removed-empty', `${name} leaves the cluster and still runs ${left}`);
    node.wellSince = undefined;
    this.world.timers.after(this.dice.between(1_000, 40_000), () => void this.rejoin(node));
  }

  private async rejoin(node: AgentMachine): Promise<void> {
    const { core } = this;
    if (core?.process.running === true) {
      try {
        await core.process.guard(core.memberships.joined(node.name));
        this.trace.note(`${node.name}: joins again`);
        node.start();
        if (!this.faults.isTroubled(node.name)) node.wellSince = this.world.elapsed;
        return;
      } catch {
        // Sealed; it is tried again.
      }
    }
    this.world.timers.after(1_000, () => void this.rejoin(node));
  }

  /** At what should have happened by now. */
  private look(): void {
    this.lookedAt = this.world.elapsed;
    const { serverWellSince } = this.faults;
    const wellMs = serverWellSince === undefined || this.core === undefined ? undefined : this.world.elapsed - serverWellSince;
    this.cron.look(wellMs);
    this.names.look();
    if (wellMs !== undefined && wellMs > WELL_MS) this.nodeChecks.overdue(this.server.machine.clock.now(), TAINTED_MS);
  }

  /** Nothing has been wrong with a node or the server for a while. */
  private isWell(name: string): boolean {
    const since = this.node(name)?.wellSince;
    const { serverWellSince, massSilence } = this.faults;
    if (since === undefined || serverWellSince === undefined || massSilence.silent.has(name)) return false;
    return this.world.elapsed - Math.max(since, serverWellSince) > WELL_MS;
  }

  /** All faults end, people put right what they did; then everything has to come right by itself. */
  private async settle(): Promise<number | undefined> {
    const { world } = this;
    this.trace.note('all faults end');
    this.faults.stop();
    for (const { host } of this.nodes) this.network.reset(host);
    const began = world.elapsed;
    await this.until(60_000, () => this.core?.store.health.state === 'ok');
    let mended = Number.NEGATIVE_INFINITY;
    let left: string | undefined = 'the server does not run';
    const settled = await this.until(SETTLE_MS, () => {
      if (this.core === undefined) return false;
      if (world.elapsed - mended > MEND_MS) {
        mended = world.elapsed;
        this.people.mend();
      }
      left = unsettled(this.core.store.durableView, this.nodes, this.containers) ?? this.watcher.difference(this.core);
      return left === undefined;
    });
    if (this.broken) return undefined;
    if (!settled) {
      this.violations.report('converges', `after ${SETTLE_MS / 60_000} minutes without faults: ${left ?? ''}`);
      return undefined;
    }
    return world.elapsed - began;
  }

  private evictionWrong(name: string): string | undefined {
    const { elapsed } = this.world;
    const { silent } = this.faults.massSilence;
    if (silent.has(name)) return `${silent.size} of ${this.nodes.length} nodes fell silent together`;
    const heard = this.core?.sessions.liveness.lastHeard(name) !== undefined;
    if (!heard && elapsed - this.serverStartedAt < START_GRACE_MS)
      return `the server started ${Math.round(elapsed - this.serverStartedAt)} ms ago`;
    const node = this.node(name);
    const wellFor = elapsed - Math.max(node?.wellSince ?? elapsed, this.faults.serverWellSince ?? elapsed);
    return wellFor > WELL_MS ? `nothing was wrong with it for ${Math.round(wellFor / 1000)} s` : undefined;
  }

  private problem(who: string, what: string, error: unknown, bad: boolean): void {
    const message = error instanceof Error ? error.message : '';
    const text = `${who}: ${what}${message === '' ? '' : `: ${message}`}`;
    this.trace.note(text);
    if (bad) this.violations.report('no-errors', text, error instanceof Error ? error.stack : '');
  }

  private result(settledMs: number | undefined): SimulationResult {
    return {
      seed: this.options.seed,
      violation: this.violations.first,
      hash: this.trace.hash,
      simulatedMs: this.world.elapsed,
      settledMs,
      events: this.world.fired,
      transactions: this.store.transactions,
      containers: this.containers.started,
      messages: this.network.stats.messages,
      acknowledged: this.asking.stats.acknowledged,
      faults: Object.fromEntries(this.faults.injected),
      seen: {
        evictions: this.budgets.evictions,
        'of them under a budget': this.budgets.covered,
        'drains done': this.nodeChecks.drains,
        'namespaces deleted': this.namespaces.deleted,
        'scheduled jobs': this.cron.started,
        'times missed': this.cron.missed,
        'containers with claims': this.claims.uses,
        'nodes removed': this.removals,
        'names taken': this.names.taken,
        ...this.rollouts.seen,
        ...this.asking.refused,
      },
      steps: this.violations.first === undefined ? [] : this.trace.last(STEPS),
    };
  }
}
