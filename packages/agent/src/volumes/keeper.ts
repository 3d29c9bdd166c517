// What the agent does about volumes besides the work of single pods: looks after their size, sweeps what earlier pods left, and removes the
// data of volumes that the server has released.
import type { Assignments } from '@podplane/api/gen/podplane/node/v1/session';
import type { System } from '@podplane/api/system';
import type { Log } from '../log.js';
import type { ContainerCache } from '../pods/container-cache.js';
import type { ContainerRuntime } from '../runtime/types.js';
import type { SessionClient } from '../session/session.js';
import { DiskLimits, type LimitedPod } from './disk-limits.js';
import type { VolumeFiles } from './pod-files.js';
import { PodTokens } from './pod-tokens.js';
import { VolumeReclaim } from './reclaim.js';
import { sweepVolumes } from './sweep.js';

/** The agent as far as its volumes are concerned. */
export interface VolumesHost {
  readonly system: System;
  readonly runtime: ContainerRuntime;
  readonly log: Log;
  readonly nodeName: string;
  readonly files: VolumeFiles | undefined;
  readonly cache: ContainerCache;
  readonly session: Pick<SessionClient, 'post'>;
}

export interface KeptPod extends LimitedPod {
  /** Nothing of it runs any more. */
  readonly ended: boolean;
  referencesChanged(): void;
}

export class VolumeKeeper {
  readonly tokens: PodTokens;
  private readonly limits: DiskLimits;
  private readonly reclaim: VolumeReclaim;

  /** workers: the pods there are, by uid. */
  constructor(
    private readonly host: VolumesHost,
    private readonly workers: ReadonlyMap<string, KeptPod>,
  ) {
    const { system, runtime, log, files, nodeName, cache } = host;
    this.limits = new DiskLimits({ system, runtime, cache, log, pods: () => workers.values() });
    this.reclaim = new VolumeReclaim({
      system,
      log,
      files,
      nodeName,
      report: (report) => host.session.post({ $case: 'volumeReports', value: { reports: [report] } }),
    });
    this.tokens = new PodTokens({
      system,
      ask: (request) => host.session.post({ $case: 'tokenRequest', value: request }),
      isWanted: (uid) => workers.get(uid)?.ended === false,
      changed: (uid) => workers.get(uid)?.referencesChanged(),
    });
  }

  start(): void {
    this.limits.start();
  }

  stop(): void {
    this.limits.stop();
    this.reclaim.stop();
    this.tokens.stop();
  }

  /** The server said what shall run here, and the pods of it are known. */
  assigned({ complete, volumesToRemove, volumesToLeave }: Assignments): void {
    this.reclaim.order(volumesToRemove, { complete, leave: volumesToLeave });
    this.tokens.forgetUnwanted();
    if (!complete) return;
    this.tokens.connected(); // each session begins with everything
    const { files, cache, runtime, nodeName, log } = this.host;
    const known = (): string[] => [...this.workers.keys(), ...cache.podUids()];
    void files?.sweep(known, cache);
    void sweepVolumes(runtime, nodeName, known, log);
  }
}
