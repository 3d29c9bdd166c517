// The server's machine: the journal's disk, and the real control plane (store, sessions, controllers, scheduler, registry) in a process that can
// be killed between any two commits and started again.
import type { ConnectRequest, ConnectResponse } from '@podplane/api/gen/podplane/node/v1/session';
import type { NodeLifecycleConfig } from '@podplane/controllers/node-lifecycle/config';
import { Memberships } from '@podplane/server/auth/memberships';
import { startCore } from '@podplane/server/core';
import type { Registry } from '@podplane/server/registry/registry';
import { ReleaseStack } from '@podplane/server/release-stack';
import { parseCidr } from '@podplane/server/sessions/cidr';
import type { NodeSessions } from '@podplane/server/sessions/sessions';
import { DEFAULT_SESSION_TIMINGS } from '@podplane/server/sessions/timings';
import { catalogueCodecs } from '@podplane/store/catalogue-codecs';
import { createStore, type ObjectStore } from '@podplane/store/store';
import type { Store } from '@podplane/store/types';
import { type Logger, pino } from 'pino';
import { FAKE_ROOT_CA, fakeTokens } from '../fake-tokens.js';
import { JournalDisk, SimulatedJournal } from './journal.js';
import type { Listener, SimulatedNetwork } from './network.js';
import { Machine, type MachineClock, SimulatedProcess } from './process.js';

/** The server as long as it runs. */
export interface RunningCore {
  readonly process: SimulatedProcess;
  readonly store: ObjectStore;
  readonly registry: Registry;
  readonly sessions: NodeSessions;
  readonly memberships: Memberships;
}

export interface ControlPlaneOptions {
  readonly network: SimulatedNetwork;
  readonly clock: MachineClock;
  /** Problems that the server tells of; bad: those that should not be, whatever happens to it. */
  readonly problem: (what: string, error: unknown, bad: boolean) => void;
  /** A store has been recovered and nobody has written to it: whoever looks on does so from its first revision on. */
  readonly opened: (store: ObjectStore) => void;
  readonly started: (core: RunningCore) => void;
  /** Something goes out to a node. */
  readonly leaves: (message: ConnectResponse, nodeName: string) => void;
  /** For planted bugs: what the server sees instead of its store, and other timings than it has by itself. */
  readonly instead?: ((store: Store) => Store) | undefined;
  readonly nodeLifecycle?: Partial<NodeLifecycleConfig> | undefined;
  readonly hears?: ((message: ConnectRequest) => ConnectRequest) | undefined;
}

/** For how long a node's certificate is good. */
const CERTIFICATE_MS = 24 * 3_600_000;

export class ControlPlane implements Listener {
  readonly disk = new JournalDisk();
  readonly machine: Machine;
  running: RunningCore | undefined;
  private process: SimulatedProcess | undefined;
  private journal: SimulatedJournal | undefined;
  private stack: ReleaseStack | undefined;
  /** Whether its machine has power and a network. */
  private reachable = true;
  /** Starts so far. */
  starts = 0;

  constructor(private readonly options: ControlPlaneOptions) {
    this.machine = new Machine(options.network.world, options.clock);
    options.network.listener = this;
  }

  /** Starts, or tries to; a disk that does not answer makes it try again, as systemd would. */
  start(): void {
    if (this.process?.alive === true) return;
    this.reachable = true;
    this.starts++;
    const process = new SimulatedProcess(this.machine);
    this.process = process;
    this.run(process).catch((error: unknown) => {
      if (this.process !== process || !process.alive) return;
      this.options.problem('the server could not start', error, false);
      process.kill();
      this.options.network.world.timers.after(1000, () => {
        if (this.process === process) this.start();
      });
    });
  }

  private async run(process: SimulatedProcess): Promise<void> {
    const { options } = this;
    const journal = new SimulatedJournal(process, this.disk);
    this.journal = journal;
    const store = await createStore({ system: process, journal, codecs: catalogueCodecs });
    options.opened(store);
    const stack = new ReleaseStack((what, error) => options.problem(`stopping: ${what}`, error, true));
    this.stack = stack;
    stack.push('store', () => store.close());
    const clusterCidr = parseCidr('10.0.0.0/8');
    if (clusterCidr === undefined) throw new Error('programmer error: no range');
    const memberships = new Memberships(store.meta, process.clock, CERTIFICATE_MS);
    const core = await startCore(
      {
        store: options.instead?.(store) ?? store,
        system: process,
        log: logTo(options.problem),
        clusterCidr,
        nodeCidrBits: 24,
        sessions: DEFAULT_SESSION_TIMINGS,
        nodeLifecycle: options.nodeLifecycle ?? {},
        accountTokens: fakeTokens(() => store.durableView, process),
        rootCa: FAKE_ROOT_CA,
        memberships,
        deciders: true,
        tunnelRefused: () => undefined,
        disconnected: () => undefined,
      },
      stack,
    );
    this.running = { process, store, registry: core.registry, sessions: core.sessions, memberships };
    options.started(this.running);
  }

  accept(nodeName: string, port: Parameters<Listener['accept']>[1]): ReturnType<Listener['accept']> {
    const { running, process } = this;
    if (!this.reachable) return 'silent';
    if (running === undefined || process === undefined || !process.alive) return 'refused';
    if (!process.running) return 'silent';
    const { leaves, hears } = this.options;
    const watched: typeof port = {
      send: (message) => {
        leaves(message, nodeName);
        return port.send(message);
      },
      close: () => port.close(),
    };
    const input = running.sessions.connect(nodeName, watched);
    if (hears === undefined) return { input, process };
    const instead: typeof input = {
      message: (message) => input.message(hears({ message: message.message })),
      closed: () => input.closed(),
      drained: () => input.drained(),
    };
    return { input: instead, process };
  }

  /** kill -9, or no power (then nobody is told). reached: whether what was on its way to the disk is there. */
  crash(how: 'reset' | 'silent', reached: boolean): void {
    const { process, journal } = this;
    if (process?.alive !== true) return;
    journal?.crash(reached);
    process.kill();
    this.running = undefined;
    this.reachable = how === 'reset';
    this.options.network.serverGone(how);
  }

  /** SIGSTOP. */
  hang(): void {
    this.process?.hang();
  }

  resume(): void {
    this.process?.resume();
  }

  /** The whole machine sleeps. */
  suspend(): void {
    this.hang();
    this.machine.suspend();
  }

  wake(): void {
    this.machine.wake();
    this.resume();
  }

  /** SIGTERM; resolves when the process has ended. */
  async stop(): Promise<void> {
    const { process, stack } = this;
    if (process === undefined || stack === undefined || this.running === undefined) return;
    this.running = undefined;
    await stack.release();
    if (process.alive) this.crash('reset', false);
  }
}

/** Warnings and worse of the server's log. */
function logTo(problem: ControlPlaneOptions['problem']): Logger {
  return pino(
    { level: 'warn', base: null, timestamp: false },
    {
      write(line: string) {
        const { msg = '', level, err } = JSON.parse(line) as LogLine; // pino's own
        const error = err === undefined ? undefined : Object.assign(new Error(err.message ?? ''), { stack: err.stack ?? '' });
        problem(msg, error, level >= ERROR);
      },
    },
  );
}

/** Of pino. */
const ERROR = 50;

interface LogLine {
  readonly level: number;
  readonly msg?: string;
  readonly err?: { readonly message?: string; readonly stack?: string };
}
