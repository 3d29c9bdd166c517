// Sees to it that pods keep no more on disk than they may (emptyDirs by sizeLimit, containers by their limit of ephemeral-storage): Docker
// cannot limit that, so it is measured from time to time, and a pod that keeps more is evicted, as in Kubernetes. Which limits a pod has is
// told by storage-limits.ts; what eviction does is the worker's business.
import { execFile } from 'node:child_process';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { compareQuantities, formatQuantity, fromWhole, type Quantity } from '@podplane/api/quantity';
import type { System, Timer } from '@podplane/api/system';
import type { Log } from '../log.js';
import { volumeName } from '../pods/names.js';
import { isCritical } from '../pods/node-verdict.js';
import { type ContainerInfo, type ContainerRuntime, LABEL_CONTAINER, PAUSE_CONTAINER } from '../runtime/types.js';
import { limitsOf, storageLimits } from './storage-limits.js';

const PERIOD_MS = 10_000;
/** Measuring takes at most a tenth of the time, however many files there are. */
const REST_FACTOR = 9;
const MEASURE_MS = 60_000;

export interface LimitedPod {
  /** undefined: nothing of it is to be measured (any more). */
  readonly limited: Pod | undefined;
  evict(message: string): void;
}

export interface DiskLimitsOptions {
  readonly system: Pick<System, 'clock' | 'timers'>;
  readonly runtime: Pick<ContainerRuntime, 'volumePath' | 'footprint'>;
  readonly cache: { ofPod(uid: string): readonly ContainerInfo[] };
  readonly log: Log;
  readonly pods: () => Iterable<LimitedPod>;
  /** Bytes that a folder takes on the disk; undefined: it cannot be told now. */
  readonly measure?: (folder: string) => Promise<number | undefined>;
}

/** Bytes of disk below a folder, each file once, without other file systems that are mounted there. */
export function diskUsage(folder: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    // Files that vanish meanwhile make it fail; what it counted is good all the same.
    execFile('du', ['-skx', '--', folder], { timeout: MEASURE_MS }, (_error, out) => {
      const kibibytes = /^(\d+)\s/.exec(out)?.[1];
      resolve(kibibytes === undefined ? undefined : Number(kibibytes) * 1024);
    });
  });
}

export class DiskLimits {
  private timer: Timer | undefined;
  private stopped = false;

  constructor(private readonly options: DiskLimitsOptions) {}

  start(): void {
    this.again(PERIOD_MS);
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private again(ms: number): void {
    if (this.stopped) return;
    this.timer = this.options.system.timers.after(
      ms,
      () => {
        const { clock } = this.options.system;
        const begin = clock.monotonic();
        void this.look()
          .catch((error: unknown) => this.options.log.warn({ err: error }, 'what pods keep on disk could not be measured'))
          .then(() => this.again(Math.max(PERIOD_MS, (clock.monotonic() - begin) * REST_FACTOR)));
      },
      { background: true },
    );
  }

  /** One after the other: the disk has better things to do. */
  private async look(): Promise<void> {
    for (const one of this.options.pods()) {
      const { limited } = one;
      const message =
        limited === undefined || isCritical(limited)
          ? undefined
          : await this.excess(limited, () => !this.stopped && one.limited !== undefined);
      // It may have ended meanwhile.
      if (message !== undefined && !this.stopped && one.limited !== undefined) one.evict(message);
    }
  }

  /** What the pod keeps too much of, in the kubelet's words and order: volumes, the pod, its containers. wanted: whether it is still of interest. */
  private async excess(pod: Pod, wanted: () => boolean): Promise<string | undefined> {
    const limits = storageLimits(pod);
    const ofVolumes = new Map(limitsOf(pod).map((limit) => [limit.volume, limit]));
    let total = 0;
    for (const { name, emptyDir } of pod.spec?.volumes ?? []) {
      if (emptyDir === undefined || emptyDir.medium === 'Memory') continue;
      const limit = ofVolumes.get(name);
      if (limit === undefined && limits.pod === undefined) continue;
      if (!wanted()) return undefined;
      const used = await this.volumeBytes(volumeName(pod.metadata?.uid ?? '', name));
      if (limit !== undefined && used > limit.bytes) return `Usage of EmptyDir volume "${name}" exceeds the limit "${limit.text}". `;
      total += used;
    }
    if (limits.pod === undefined) return undefined;
    const ofContainers = new Map<string, number>();
    // The kubelet too counts only what runs.
    for (const { id, labels, state } of this.options.cache.ofPod(pod.metadata?.uid ?? '')) {
      const name = labels[LABEL_CONTAINER] ?? '';
      if (name === PAUSE_CONTAINER || state !== 'running') continue;
      if (!wanted()) return undefined;
      const used = (await this.options.runtime.footprint(id, 'disk'))?.diskBytes ?? 0;
      ofContainers.set(name, used);
      total += used;
    }
    if (exceeds(total, limits.pod))
      return `Pod ephemeral local storage usage exceeds the total limit of containers ${formatQuantity(limits.pod)}. `;
    for (const [name, limit] of limits.containers) {
      if (exceeds(ofContainers.get(name) ?? 0, limit))
        return `Container ${name} exceeded its local ephemeral storage limit "${formatQuantity(limit)}". `;
    }
    return undefined;
  }

  /** 0 where it cannot be told now. */
  private async volumeBytes(volume: string): Promise<number> {
    const { runtime, measure = diskUsage } = this.options;
    const folder = await runtime.volumePath(volume);
    return folder === undefined ? 0 : ((await measure(folder)) ?? 0);
  }
}

function exceeds(bytes: number, limit: Quantity): boolean {
  return compareQuantities(fromWhole(bytes), limit) > 0;
}
