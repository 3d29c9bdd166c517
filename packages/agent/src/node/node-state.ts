// What the agent knows of its node: engine, network, pressure; and the status made of it, reported when something changed besides
// times. The status itself is computed in node-status.ts.
import type { NodeStatus } from '@podplane/api/gen/podplane/core/v1/node';
import { deepEqual } from '@podplane/api/kinds/equal';
import type { Clock } from '@podplane/api/system';
import type { PodCgroups } from '../cgroups/pod-cgroups.js';
import type { Log } from '../log.js';
import type { NodeFacts } from '../pods/worker-types.js';
import type { EngineInfo } from '../runtime/types.js';
import { type EngineState, goArchitecture, type HostFallback, type NodeFlags, nodeLabels, nodeStatus } from './node-status.js';
import type { HostReading } from './pressure.js';
import type { PressureType } from './thresholds.js';

export interface NodeStateOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly flags: NodeFlags;
  readonly fallback: HostFallback;
  readonly labels: Readonly<Record<string, string>>;
  readonly readHost: (engineFolder: string | undefined) => HostReading;
  /** undefined: pods have no cgroups of their own here, and nobody is told. */
  readonly cgroups?: Pick<PodCgroups, 'state' | 'engineUp' | 'onChange' | 'memory'> | undefined;
  /** The status changed. */
  readonly report: (status: NodeStatus) => void;
}

export class NodeState {
  status: NodeStatus;
  private engine: EngineState = { state: 'down', info: undefined, problem: 'not asked yet' };
  private dockerNetwork: string | undefined;
  private reading: HostReading;
  private pressures: ReadonlySet<PressureType> = new Set();

  constructor(private readonly options: NodeStateOptions) {
    this.reading = this.read();
    this.status = this.compute(undefined);
    options.cgroups?.onChange(() => this.update());
  }

  /** The Docker network while the engine answers and the node is prepared. */
  get network(): string | undefined {
    return this.engine.state === 'up' ? this.dockerNetwork : undefined;
  }

  get labels(): Record<string, string> {
    const { flags, fallback, labels } = this.options;
    return nodeLabels(flags.nodeName, goArchitecture(this.engine.info?.architecture || fallback.architecture), labels);
  }

  facts(): NodeFacts {
    const { flags, fallback } = this.options;
    const memoryCapacityBytes = flags.memoryBytes ?? (this.engine.info?.memoryBytes || fallback.memoryBytes);
    return {
      hostIP: flags.nodeIP,
      allocatable: this.status.allocatable,
      memoryCapacityBytes,
      security: this.engine.info?.security,
      devices: flags.devices,
      pidsLimit: flags.pidsLimit,
      pressures: this.pressures,
    };
  }

  engineUp(info: EngineInfo, network: string | undefined): void {
    if (this.engine.state === 'down') this.options.log.info({ version: info.version }, 'container engine reached');
    this.engine = { state: 'up', info, networkReady: network !== undefined };
    this.dockerNetwork = network;
    if (network !== undefined) this.options.cgroups?.engineUp(info);
    this.update();
  }

  engineDown(problem: string): void {
    if (this.engine.state === 'up' || this.engine.problem !== problem)
      this.options.log.error({}, `container engine not reachable: ${problem}`);
    this.engine = { state: 'down', info: this.engine.info, problem };
    this.update();
  }

  /** What the host is like now. */
  read(): HostReading {
    const { readHost, cgroups } = this.options;
    return { ...readHost(this.engine.info?.rootDir), podsMemory: cgroups?.memory() };
  }

  /** What the host is like, and what it is short of. */
  noteHost(reading: HostReading, pressures: ReadonlySet<PressureType>): void {
    this.reading = reading;
    this.pressures = pressures;
    this.update();
  }

  private compute(previous: NodeStatus | undefined): NodeStatus {
    const { flags, fallback, clock } = this.options;
    return nodeStatus({
      flags,
      fallback,
      engine: this.engine,
      reading: this.reading,
      pressures: this.pressures,
      cgroups: this.options.cgroups?.state,
      previous,
      now: clock.now(),
    });
  }

  private update(): void {
    const before = this.status;
    this.status = this.compute(before);
    if (!saySame(before, this.status)) this.options.report(this.status);
  }
}

/** Whether two statuses differ in nothing but the times of conditions. */
function saySame(a: NodeStatus, b: NodeStatus): boolean {
  if (a.conditions.length !== b.conditions.length) return false;
  for (const [i, { type, status, reason, message }] of a.conditions.entries()) {
    const other = b.conditions[i];
    if (type !== other?.type || status !== other.status || reason !== other.reason || message !== other.message) return false;
  }
  return deepEqual({ ...a, conditions: [] }, { ...b, conditions: [] });
}
