// The server's core in this process, with simulated nodes on connections in memory, on real time: what a benchmark of controllers needs to see
// of each turn of the loop. What is done there is up to the benchmark.
import { kindInfo } from '@podplane/api/kinds/catalogue';
import type { Kind, KindMap } from '@podplane/api/kinds/kind-map';
import { realSystem, type System } from '@podplane/api/system';
import { type Drain, withDrain } from '@podplane/controllers/drain/request';
import type { NodeLiveness } from '@podplane/controllers/runtime/types';
import { startCore } from '@podplane/server/core';
import { ReleaseStack } from '@podplane/server/release-stack';
import { parseCidr } from '@podplane/server/sessions/cidr';
import { DEFAULT_SESSION_TIMINGS } from '@podplane/server/sessions/timings';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { memoryJournal } from '@podplane/store/journals/memory';
import { createStore, type ObjectStore } from '@podplane/store/store';
import type { Tx } from '@podplane/store/types';
import { FAKE_ROOT_CA, fakeTokens } from '@podplane/testing/fake-tokens';
import { memoryLink } from '@podplane/testing/memory-link';
import { SimulatedNode } from '@podplane/testing/simulated-node';
import { pino } from 'pino';

export interface BedOptions {
  readonly nodes: number;
  /** Pods that each node takes. */
  readonly podsEach: number;
  /** Ms that pods of jobs run. */
  readonly runMs?: number;
}

export interface Figures {
  readonly seconds: number;
  /** Of this process, nodes included. */
  readonly cpuSeconds: number;
  /** Longest turn of the core, and longest transaction, ms of CPU time: on a busy machine others' work does not count. */
  readonly turnMs: number;
  readonly transactionMs: number;
  /** Who made that transaction. */
  readonly by: string;
  readonly transactions: number;
}

const LATENCY_MS = 0.1;
const LOOK_EVERY_MS = 20;
const CAUSE = { actor: 'user:bench', reason: 'bench' } as const;

const cpuMs = (before?: NodeJS.CpuUsage): number => {
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
};

/** What is due already is due now, which the timers of a process say with a warning. */
function patient(real: System): System {
  const { timers } = real;
  return {
    ...real,
    timers: { soon: (fn) => timers.soon(fn), after: (ms, fn, options) => timers.after(Math.max(0, ms), fn, options) },
  };
}

/** A world, and what it costs. */
export class CoreBed {
  turnMs = 0;
  transactionMs = 0;
  by = '';
  readonly actors = new Map<string, { longestMs: number; totalMs: number; transactions: number }>();
  store!: ObjectStore;
  private readonly nodes: SimulatedNode[] = [];
  private readonly stack = new ReleaseStack((what, error) => process.stderr.write(`${what}: ${String(error)}\n`));
  private readonly real = patient(realSystem());
  liveness!: NodeLiveness;
  private connect!: (name: string) => SimulatedNode;

  private constructor(private readonly options: BedOptions) {}

  static async open(options: BedOptions): Promise<CoreBed> {
    const bed = new CoreBed(options);
    await bed.start();
    for (let i = 0; i < options.nodes; i++) bed.addNode(`n${String(i).padStart(5, '0')}`);
    await bed.until(() => bed.nodes.every((node) => node.connected));
    return bed;
  }

  private async start(): Promise<void> {
    const system = this.timed(this.real);
    const { stack, options } = this;
    this.store = await createStore({ system, journal: memoryJournal(), codecs: catalogueCodecs });
    this.watchTransactions();
    const clusterCidr = parseCidr('10.0.0.0/8');
    if (clusterCidr === undefined) throw new Error('programmer error: no range');
    const core = await startCore(
      {
        store: this.store,
        system,
        log: pino({ level: 'warn' }),
        clusterCidr,
        nodeCidrBits: 24,
        sessions: DEFAULT_SESSION_TIMINGS,
        accountTokens: fakeTokens(() => this.store.durableView, system),
        rootCa: FAKE_ROOT_CA,
        deciders: true,
        tunnelRefused: () => undefined,
        disconnected: () => undefined,
      },
      stack,
    );
    this.liveness = core.sessions.liveness;
    this.connect = (name) =>
      new SimulatedNode(this.real, {
        name,
        cpu: String(options.podsEach),
        pods: options.podsEach,
        startMs: 5,
        stopMs: 5,
        runMs: options.runMs,
        connect: (events) => memoryLink(this.real, { latencyMs: LATENCY_MS, accept: (port) => core.sessions.connect(name, port) }, events),
      });
  }

  addNode(name: string): SimulatedNode {
    const node = this.connect(name);
    this.nodes.push(node);
    node.start();
    return node;
  }

  dropNode(name: string): void {
    this.nodes.find((node) => node.name === name)?.kill('reset');
  }

  get system(): System {
    return this.timed(this.real);
  }

  /** As the API would begin a drain. */
  drain(name: string): void {
    this.write((tx) => {
      const node = tx.get('Node', '', name);
      if (node === undefined) return;
      const drain: Drain = {
        id: name,
        by: 'bench',
        startedAt: tx.now,
        deadline: undefined,
        total: 0,
        outcome: undefined,
        ignoreDaemonSets: true,
        force: true,
        deleteEmptyDirData: true,
        disableEviction: false,
        podSelector: '',
        gracePeriodSeconds: undefined,
        skipWaitForDeleteSeconds: undefined,
        onTimeout: 'Stop',
      };
      const marked = withDrain(node, drain);
      tx.update('Node', { ...marked, spec: { podCIDRs: [], taints: [], ...marked.spec, unschedulable: true } }, 'any');
    });
  }

  /** The core's own turns are timed; those of the nodes are not. */
  private timed(real: System): System {
    const turn = (fn: () => void) => (): void => {
      const before = process.threadCpuUsage();
      try {
        fn();
      } finally {
        this.turnMs = Math.max(this.turnMs, cpuMs(before));
      }
    };
    const { timers } = real;
    return {
      ...real,
      timers: { after: (ms, fn, options) => timers.after(ms, turn(fn), options), soon: (fn) => timers.soon(turn(fn)) },
    };
  }

  private watchTransactions(): void {
    const { store } = this;
    const transact = store.transact.bind(store);
    store.transact = (cause, fn) => {
      const before = process.threadCpuUsage();
      try {
        return transact(cause, fn);
      } finally {
        const took = cpuMs(before);
        const actor = cause.actor.startsWith('node:') ? 'node' : cause.actor;
        const known = this.actors.get(actor) ?? { longestMs: 0, totalMs: 0, transactions: 0 };
        this.actors.set(actor, {
          longestMs: Math.max(known.longestMs, took),
          totalMs: known.totalMs + took,
          transactions: known.transactions + 1,
        });
        if (actor !== CAUSE.actor && took > this.transactionMs) {
          this.transactionMs = took;
          this.by = actor;
        }
      }
    };
  }

  /** As a person would, with defaults; many at a time in transactions of their own. */
  async create<K extends Kind>(kind: K, count: number, manifest: (i: number) => unknown): Promise<void> {
    const info = kindInfo(kind);
    const BATCH = 200;
    for (let from = 0; from < count; from += BATCH) {
      const { revision } = this.store.transact(CAUSE, (tx) => {
        for (let i = from; i < Math.min(count, from + BATCH); i++) {
          const object = info.codec.fromJSON(manifest(i)) as KindMap[K];
          info.setDefaults(object);
          info.prepareForCreate(object, tx.now);
          tx.create(kind, object);
        }
      });
      await this.store.durable(revision);
      await new Promise<void>((resolve) => void setImmediate(resolve));
    }
  }

  write(fn: (tx: Tx) => void): void {
    this.store.transact(CAUSE, (tx) => {
      fn(tx);
    });
  }

  /** Rejects when it takes longer than so many ms. */
  async until(done: () => boolean, mostMs = 900_000): Promise<void> {
    const end = performance.now() + mostMs;
    while (!done()) {
      if (performance.now() > end) throw new Error(`not done after ${mostMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  /** What it costs from act until done. */
  async measure(act: () => void | Promise<void>, done: () => boolean): Promise<Figures> {
    this.turnMs = this.transactionMs = 0;
    this.by = '';
    this.actors.clear();
    const cpu = process.cpuUsage();
    const began = performance.now();
    const { revision } = this.store;
    await act();
    await this.until(done);
    const { user, system } = process.cpuUsage(cpu);
    return {
      seconds: (performance.now() - began) / 1000,
      cpuSeconds: (user + system) / 1e6,
      turnMs: this.turnMs,
      transactionMs: this.transactionMs,
      by: this.by,
      transactions: this.store.revision - revision,
    };
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) node.kill('silent');
    await this.stack.release();
    await this.store.close();
  }
}
