// A node's machine: an engine with its containers, a disk for the agent's state, and the real agent in a process that can be killed, stopped
// and started again. What goes wrong when is in faults.ts.

import { Agent } from '@podplane/agent/agent';
import type { Watchdog } from '@podplane/agent/fencing/watchdog';
import { type LogFields, silentLog } from '@podplane/agent/log';
import { NO_READING } from '@podplane/agent/node/pressure';
import type { ContainerRuntime } from '@podplane/agent/runtime/types';
import { NODE_REMOVED } from '@podplane/agent/session/refusals';
import type { StateStore } from '@podplane/agent/state/state-store';
import type { System } from '@podplane/api/system';
import { FakeFiles } from '../fake-files.js';
import { FakeRuntime } from '../fake-runtime.js';
import type { FakeImage } from '../fake-runtime-types.js';
import { FakeWatchdog } from '../fake-watchdog.js';
import { nodeNameOf, type SimulatedNetwork } from './network.js';
import { Machine, type MachineClock, SimulatedProcess, seenFrom } from './process.js';
import { simulatedFiles } from './simulated-files.js';

export interface AgentMachineOptions {
  /** Which machine it is: its node's name, and what tells it from others that have it later ("n001~2"). */
  readonly host: string;
  readonly network: SimulatedNetwork;
  readonly clock: MachineClock;
  readonly images: Readonly<Record<string, FakeImage>>;
  /** The agent meets something that it was not made for. */
  readonly problem: (what: string, error: unknown) => void;
  /** For planted bugs: what is done to the state file's text when an agent reads it; nobody ends what agents leave. */
  readonly corruptState?: ((text: string) => string) | undefined;
  readonly withoutWatchdog?: boolean | undefined;
  /** Leases go by a clock that stands still while the machine sleeps. */
  readonly sleepyLease?: boolean | undefined;
  /** Somebody removed the node from the cluster: its agent has ended its pods and itself. */
  readonly removed: () => void;
}

/** As the agent's program has it. */
const REMOVED_GRACE_SECONDS = 3;
const REMOVED_MS = 10_000;

const SURPRISES = ['a step failed in an unexpected way', 'the server said something that this agent cannot follow'];

/** From the call to the moment at which a new state file would survive, ms. */
const SAVE_MS = 3;
const ENGINE_MS = { start: 60, createPause: 15, createContainer: 15, stop: 5, remove: 10, kill: 5 } as const;

export class AgentMachine {
  /** Of the node. */
  readonly name: string;
  readonly host: string;
  readonly machine: Machine;
  readonly runtime: FakeRuntime;
  /** Runs in the engine: neither a kill of the agent nor a hang stops it. */
  readonly watchdog: FakeWatchdog;
  /** The state file. */
  disk: string | undefined;
  agent: Agent | undefined;
  process: SimulatedProcess | undefined;
  private readonly files = new FakeFiles();
  readonly machineId: string;
  /** Whose clock leases go by. */
  private readonly leaseSystem: System;
  /** Since when everything about it has been in order, ms of the world; undefined: something is not. Set by the faults. */
  wellSince: number | undefined;

  constructor(private readonly options: AgentMachineOptions) {
    this.host = options.host;
    this.name = nodeNameOf(this.host);
    this.machine = new Machine(options.network.world, options.clock);
    this.machineId = this.machine.random.uid();
    this.runtime = new FakeRuntime({ system: this.machine, latency: ENGINE_MS, cpus: 8, memoryBytes: 32 * 1024 ** 3, recordCalls: false });
    this.leaseSystem = options.sleepyLease === true ? this.machine : this.machine.boot;
    this.watchdog = new FakeWatchdog({ system: this.leaseSystem, kill: (id) => this.runtime.crash(id, 137) });
    for (const [image, behaviour] of Object.entries(options.images)) this.runtime.addImage(image, behaviour);
  }

  get alive(): boolean {
    return this.process?.alive ?? false;
  }

  get hung(): boolean {
    return this.alive && this.process?.running === false;
  }

  start(): void {
    if (this.alive) return;
    const process = new SimulatedProcess(this.machine);
    this.process = process;
    const { network } = this.options;
    const agent = new Agent({
      system: process,
      runtime: seenFrom<ContainerRuntime>(process, this.runtime),
      connect: (handlers) => network.dial(this.host, process, handlers),
      state: this.stateStore(process),
      files: simulatedFiles(process, this.runtime, this.files),
      leaseClock: () => this.leaseSystem.clock.monotonic(),
      onRefused: ({ reason }) => this.refused(reason, agent, process),
      ...(this.options.withoutWatchdog === true ? {} : { watchdog: seenFrom<Watchdog>(process, this.watchdog) }),
      log: { ...silentLog, error: (fields, message) => this.logged(fields, message) },
      flags: {
        nodeName: this.name,
        nodeIP: '192.0.2.1',
        maxPods: 110,
        cpuMillis: undefined,
        memoryBytes: undefined,
        reservedCpuMillis: 0,
        reservedMemoryBytes: 0,
        agentVersion: 'simulated',
        machineId: this.machineId,
        bootId: this.machine.random.uid(),
      },
      labels: {},
      taints: [],
      fallback: { cpus: 8, memoryBytes: 32 * 1024 ** 3, kernelVersion: '0', architecture: 'x64' },
      readHost: () => NO_READING,
      probes: { run: () => Promise.resolve({ result: 'success', message: 'simulated' }) },
    });
    this.agent = agent;
    agent.start();
  }

  /** As the agent's program does it. */
  private refused(reason: string, agent: Agent, process: SimulatedProcess): void {
    const end = (then: () => void): void => {
      if (this.process !== process || !process.alive) return;
      this.kill();
      then();
    };
    // Started again, by systemd.
    if (reason !== NODE_REMOVED) this.machine.timers.after(1000, () => end(() => this.start()));
    else void agent.ending.leave(REMOVED_GRACE_SECONDS, REMOVED_MS).then(() => end(this.options.removed));
  }

  /** The agent's process ends in the middle of whatever it does; containers go on. */
  kill(): void {
    this.process?.kill();
    this.agent = undefined;
  }

  hang(): void {
    this.process?.hang();
  }

  resume(): void {
    this.process?.resume();
  }

  /** As systemd asks it to: it says goodbye where the host shuts down, writes its state, and ends. */
  async stop(goodbye?: string): Promise<void> {
    const { agent, process } = this;
    if (agent === undefined || process === undefined) return;
    if (goodbye !== undefined) await agent.session.sayGoodbye(goodbye);
    await agent.stop();
    if (this.process === process) this.kill();
  }

  /** The engine is stopped; with it end all containers and the watchdog's, or none. */
  stopEngine(containers: 'end' | 'live'): void {
    this.runtime.stopEngine(containers);
    if (containers === 'end') this.watchdog.end();
  }

  /** The whole machine sleeps: its processes, its containers, its clocks but one. */
  suspend(): void {
    this.hang();
    this.machine.suspend();
  }

  wake(): void {
    this.machine.wake();
    this.resume();
  }

  /** No power: nobody hears anything, all containers are gone at once. */
  powerOff(): void {
    this.options.network.nodeGone(this.host);
    this.kill();
    this.watchdog.powerOff();
    this.files.clear();
    for (const id of this.runtime.containers.keys()) this.runtime.crash(id, 255);
  }

  /** The agent's disk is lost, or somebody deleted its state. */
  forget(): void {
    this.disk = undefined;
  }

  /** An engine that does not answer is no surprise here; what stands for a bug of the agent is. */
  private logged(fields: LogFields, message: string): void {
    if (SURPRISES.some((text) => message.includes(text))) this.options.problem(message, fields.err);
  }

  private stateStore(process: SimulatedProcess): StateStore {
    return {
      load: () => (this.disk === undefined ? undefined : (this.options.corruptState?.(this.disk) ?? this.disk)),
      save: (text) =>
        new Promise((resolve) => {
          process.timers.after(SAVE_MS, () => {
            this.disk = text;
            resolve();
          });
        }),
      setAside: () => {
        this.disk = undefined;
      },
    };
  }
}
