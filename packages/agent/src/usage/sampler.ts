// How much CPU and memory containers and the node take now. Nothing is done while nobody asks: who asks twice within minutes gets the
// rate in between, the first one waits for a second. Where the numbers come from is cgroup-files.ts, or the engine where it is elsewhere.
import type { UsageReport } from '@podplane/api/gen/podplane/node/v1/tunnel';
import type { System } from '@podplane/api/system';
import type { ContainerCache } from '../pods/container-cache.js';
import { containerNameOf } from '../pods/planner/observed.js';
import { type ContainerInfo, type ContainerRuntime, PAUSE_CONTAINER } from '../runtime/types.js';
import { type CgroupUsage, cgroupUsage, machineUsage } from './cgroup-files.js';

/** A rate over less than this says little, over more nothing about now. */
const SHORTEST_WINDOW_MS = 5_000;
const LONGEST_WINDOW_MS = 120_000;
/** What the first one waits for. */
const FIRST_WINDOW_MS = 1_000;

export interface SampledContainer {
  readonly podUid: string;
  readonly container: string;
  readonly info: ContainerInfo;
}

export interface SamplerOptions {
  readonly system: System;
  readonly runtime: Pick<ContainerRuntime, 'usage'>;
  /** The running app containers of pods. */
  readonly containers: () => readonly SampledContainer[];
  readonly ofProcess?: (pid: number) => CgroupUsage | undefined;
  readonly ofMachine?: () => CgroupUsage | undefined;
}

interface Sample {
  readonly at: number;
  readonly machine: CgroupUsage | undefined;
  /** By container id. */
  readonly containers: ReadonlyMap<string, CgroupUsage>;
}

export class UsageSampler {
  /** What rates are counted from. */
  private base: Sample | undefined;

  constructor(private readonly options: SamplerOptions) {}

  async report(): Promise<UsageReport> {
    const { timers, clock } = this.options.system;
    let now = await this.sample();
    const age = this.base === undefined ? Number.POSITIVE_INFINITY : now.at - this.base.at;
    if (age > LONGEST_WINDOW_MS || age < FIRST_WINDOW_MS) {
      this.base = now;
      await new Promise<void>((resolve) => timers.after(FIRST_WINDOW_MS, resolve));
      now = await this.sample();
    }
    const base = this.base ?? now;
    if (now.at - base.at > SHORTEST_WINDOW_MS) this.base = now;
    const windowMillis = Math.max(1, Math.round(now.at - base.at));
    const rate = (after: CgroupUsage | undefined, before: CgroupUsage | undefined): number =>
      after === undefined || before === undefined ? 0 : Math.max(0, Math.round(((after.cpuNanos - before.cpuNanos) * 1000) / windowMillis));
    return {
      time: new Date(clock.now()).toISOString(),
      windowMillis,
      cpuNanoCores: rate(now.machine, base.machine),
      memoryBytes: now.machine?.memoryBytes ?? 0,
      containers: this.options.containers().flatMap(({ podUid, container, info }) => {
        const [after, before] = [now.containers.get(info.id), base.containers.get(info.id)];
        // One that has just begun has no rate yet.
        if (after === undefined || before === undefined) return [];
        return [{ podUid, container, cpuNanoCores: rate(after, before), memoryBytes: after.memoryBytes }];
      }),
    };
  }

  private async sample(): Promise<Sample> {
    const { system, runtime, containers, ofProcess = cgroupUsage, ofMachine = machineUsage } = this.options;
    const at = system.clock.monotonic();
    const found = new Map<string, CgroupUsage>();
    for (const { info } of containers()) {
      const usage = ofProcess(info.pid) ?? (await runtime.usage(info.id).catch(() => undefined));
      if (usage !== undefined) found.set(info.id, usage);
    }
    return { at, machine: ofMachine(), containers: found };
  }
}

/** The running app containers of all pods. */
export function runningContainers(cache: Pick<ContainerCache, 'podUids' | 'ofPod'>): readonly SampledContainer[] {
  return cache.podUids().flatMap((podUid) =>
    cache
      .ofPod(podUid)
      .filter((info) => info.state === 'running' && containerNameOf(info) !== PAUSE_CONTAINER)
      .map((info) => ({ podUid, container: containerNameOf(info), info })),
  );
}
