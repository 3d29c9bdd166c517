// Sees to it that an emptyDir on disk holds no more than its sizeLimit: Docker cannot limit it, so it is measured from time to time, and a
// pod whose volume holds more is evicted, as in Kubernetes. What eviction does is the worker's business.
import { execFile } from 'node:child_process';
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { wholeValue } from '@podplane/api/quantity';
import type { System, Timer } from '@podplane/api/system';
import type { Log } from '../log.js';
import { volumeName } from '../pods/names.js';
import type { ContainerRuntime } from '../runtime/types.js';

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
  readonly runtime: Pick<ContainerRuntime, 'volumePath'>;
  readonly log: Log;
  readonly pods: () => Iterable<LimitedPod>;
  /** Bytes that a folder takes on the disk; undefined: it cannot be told now. */
  readonly measure?: (folder: string) => Promise<number | undefined>;
}

/** Names and limits, in bytes, of the volumes of a pod that must be measured. */
export function limitsOf(pod: Pod): readonly { readonly volume: string; readonly text: string; readonly bytes: number }[] {
  return (pod.spec?.volumes ?? []).flatMap(({ name, emptyDir }) => {
    const text = emptyDir?.sizeLimit;
    if (!text || emptyDir?.medium === 'Memory') return [];
    const bytes = wholeValue(text);
    return bytes > 0 ? [{ volume: name, text, bytes }] : [];
  });
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
          .catch((error: unknown) => this.options.log.warn({ err: error }, 'the size of volumes could not be measured'))
          .then(() => this.again(Math.max(PERIOD_MS, (clock.monotonic() - begin) * REST_FACTOR)));
      },
      { background: true },
    );
  }

  /** One after the other: the disk has better things to do. */
  private async look(): Promise<void> {
    const { runtime, measure = diskUsage } = this.options;
    for (const one of this.options.pods()) {
      for (const { volume, text, bytes } of one.limited === undefined ? [] : limitsOf(one.limited)) {
        const { limited } = one;
        if (limited === undefined || this.stopped) break;
        const folder = await runtime.volumePath(volumeName(limited.metadata?.uid ?? '', volume));
        const used = folder === undefined ? undefined : await measure(folder);
        if (used !== undefined && used > bytes && one.limited !== undefined)
          one.evict(`Usage of EmptyDir volume "${volume}" exceeds the limit "${text}". `);
      }
    }
  }
}
