// Keeps the node from running short: looks at the host every ten seconds, tells what it is short of, makes room where that costs nobody anything
// (ended containers, images that can be pulled again), and then ends pods, one at a time. How each of these is decided is in thresholds.ts,
// eviction.ts and ../images/image-gc.ts; how a pod ends is the worker's business.
import type { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { System, Timer } from '@podplane/api/system';
import { bytesToFree, type ImageGcSettings, type PulledImages, removable } from '../images/image-gc.js';
import type { Log } from '../log.js';
import { podVolumes } from '../pods/container-spec.js';
import { isCritical } from '../pods/node-verdict.js';
import { attemptOf } from '../pods/planner/observed.js';
import { isRuntimeError } from '../runtime/errors.js';
import { type ContainerInfo, type ContainerRuntime, LABEL_CONTAINER, PAUSE_CONTAINER } from '../runtime/types.js';
import { diskUsage } from '../volumes/disk-limits.js';
import { evictionMessage, type PodUse, ranked, resourceOf } from './eviction.js';
import type { HostReading } from './pressure.js';
import { nextPressures, type PressureSettings, type Pressures, pressureOf, type Shortage, shortages } from './thresholds.js';

const PERIOD_MS = 10_000;
/** A pod that was told to leave is waited for this long before the next one is told. */
const LEAVING_MS = 30_000;

/** A pod as the housekeeper sees it. */
export interface KeptHouse {
  readonly ref: { readonly uid: string };
  /** undefined: it cannot be evicted (any more). */
  readonly limited: Pod | undefined;
  /** It ends or has ended: none of its containers will be started again. */
  readonly over: boolean;
  evict(message: string): void;
}

export interface HousekeeperOptions {
  readonly system: Pick<System, 'clock' | 'timers'>;
  readonly runtime: Pick<ContainerRuntime, 'footprint' | 'volumePath' | 'remove' | 'removeImage' | 'imagePresent'>;
  readonly log: Log;
  readonly settings: PressureSettings;
  readonly imageGc: ImageGcSettings;
  readonly pulled: PulledImages;
  readonly pods: () => Iterable<KeptHouse>;
  readonly cache: { ofPod(uid: string): readonly ContainerInfo[]; podUids(): readonly string[]; forget(id: string): void };
  readonly readHost: () => HostReading;
  /** What the host is like, and what it is short of. */
  readonly report: (reading: HostReading, pressures: Pressures) => void;
  /** About the node itself. */
  readonly event: (type: 'Normal' | 'Warning', reason: string, message: string) => void;
  /** What is kept in the state file changed. */
  readonly changed: () => void;
  /** Removes what earlier pods have left on the host; never rejects. */
  readonly tidy?: (() => Promise<void>) | undefined;
  /** Bytes that a folder takes on the disk; for tests. */
  readonly measure?: (folder: string) => Promise<number | undefined>;
}

export class Housekeeper {
  private timer: Timer | undefined;
  private stopped = false;
  private pressures: Pressures = new Map();
  private leaving: { readonly pod: KeptHouse; readonly until: number } | undefined;

  constructor(private readonly options: HousekeeperOptions) {}

  start(): void {
    this.again();
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private again(): void {
    if (this.stopped) return;
    const { system, log } = this.options;
    this.timer = system.timers.after(
      PERIOD_MS,
      () =>
        void this.look()
          .catch((error: unknown) => log.warn({ err: error }, 'the node could not be looked after; it is tried again'))
          .then(() => this.again()),
      { background: true },
    );
  }

  /** One round. Rejects with RuntimeError. */
  async look(): Promise<void> {
    const { options } = this;
    if (options.tidy !== undefined) await options.tidy();
    this.noteUsed();
    const reading = options.readHost();
    let found = this.measure(reading);
    const { imageDisk } = reading;
    const wanted = imageDisk === undefined ? 0 : bytesToFree(imageDisk.totalBytes, imageDisk.availableBytes, options.imageGc);
    if (wanted > 0) await this.freeImages(wanted);
    if (found.length === 0) {
      this.leaving = undefined;
      return;
    }
    const now = options.system.clock.monotonic();
    if (this.leaving !== undefined && now < this.leaving.until && options.cache.ofPod(this.leaving.pod.ref.uid).length > 0) return;
    if (found.some(({ threshold }) => pressureOf(threshold.signal) === 'DiskPressure') && (await this.makeRoom())) {
      found = this.measure(options.readHost());
    }
    const [shortage] = found;
    if (shortage !== undefined) await this.evictOne(shortage);
  }

  /** Looks at the host and says what it is short of; does nothing about it. */
  measure(reading = this.options.readHost()): readonly Shortage[] {
    const { settings, system, report } = this.options;
    const found = shortages(settings.thresholds, reading);
    this.pressures = nextPressures(this.pressures, found, system.clock.monotonic(), settings.transitionMs);
    report(reading, this.pressures);
    return found;
  }

  private all(): readonly ContainerInfo[] {
    const { cache } = this.options;
    return cache.podUids().flatMap((uid) => cache.ofPod(uid));
  }

  private noteUsed(): void {
    const { pulled, system } = this.options;
    pulled.used(new Set(this.all().map(({ imageId }) => imageId)), system.clock.now());
  }

  /** What nobody misses: containers that have ended, then images. True: something went. */
  private async makeRoom(): Promise<boolean> {
    const { runtime, cache, log } = this.options;
    let removed = 0;
    for (const { id } of this.ended()) {
      await runtime.remove(id);
      cache.forget(id);
      removed++;
    }
    if (removed > 0) log.info({ removed }, 'the disk is full: containers that had ended were removed');
    return (await this.freeImages(Number.POSITIVE_INFINITY)) || removed > 0;
  }

  /** Of pods that are over all containers, of others those before the newest run; their logs go with them, as with the kubelet. */
  private ended(): readonly ContainerInfo[] {
    const { pods, cache } = this.options;
    return [...pods()].flatMap((pod) => {
      const own = cache.ofPod(pod.ref.uid).filter((info) => info.labels[LABEL_CONTAINER] !== PAUSE_CONTAINER);
      if (own.some(({ state }) => state === 'running') && pod.over) return [];
      const dead = own.filter(({ state }) => state === 'exited' || state === 'dead');
      return pod.over ? dead : dead.filter((info) => own.some((other) => sameContainer(info, other) && attemptOf(other) > attemptOf(info)));
    });
  }

  /** True: at least one image went. */
  private async freeImages(bytes: number): Promise<boolean> {
    const { runtime, pulled, imageGc, system, log, event, changed } = this.options;
    const inUse = new Set(this.all().map(({ imageId }) => imageId));
    let freed = 0;
    let count = 0;
    for (const { name, id } of removable(pulled.list, inUse, system.clock.now(), imageGc.minAgeMs)) {
      if (freed >= bytes) break;
      const present = await runtime.imagePresent(name);
      pulled.forget(name);
      changed();
      // Somebody gave the name to another image meanwhile: that one is theirs.
      if (present?.id !== id) continue;
      try {
        await runtime.removeImage(name);
      } catch (error) {
        // A container that is not ours has it.
        if (!isRuntimeError(error, 'conflict')) throw error;
        continue;
      }
      freed += present.sizeBytes;
      count++;
      log.info({ image: name, bytes: present.sizeBytes }, 'an image that nobody uses was removed');
    }
    if (Number.isFinite(bytes) && freed < bytes) {
      event(
        'Warning',
        'FreeDiskSpaceFailed',
        `Failed to garbage collect required amount of images. Attempted to free ${bytes} bytes, but only found ${freed} bytes eligible to free.`,
      );
    }
    return count > 0;
  }

  private async evictOne(shortage: Shortage): Promise<void> {
    const { pods, log, event, system } = this.options;
    const resource = resourceOf(shortage.threshold.signal);
    event('Warning', 'EvictionThresholdMet', `Attempting to reclaim ${resource}`);
    const candidates = new Map<Pod, KeptHouse>();
    const uses: PodUse[] = [];
    for (const pod of pods()) {
      const { limited } = pod;
      if (limited === undefined || isCritical(limited)) continue;
      candidates.set(limited, pod);
      uses.push(await this.useOf(limited, resource === 'memory' || resource === 'pids'));
    }
    for (const use of ranked(uses, resource)) {
      const pod = candidates.get(use.pod);
      // It may have ended while the others were measured.
      if (pod?.limited === undefined) continue;
      log.warn(
        { pod: pod.ref, resource, left: shortage.left, least: shortage.least },
        'the node is short of something: a pod has to leave',
      );
      pod.evict(evictionMessage(shortage, use));
      this.leaving = { pod, until: system.clock.monotonic() + LEAVING_MS };
      return;
    }
  }

  /** light: without what needs a walk over the disk. */
  private async useOf(pod: Pod, light: boolean): Promise<PodUse> {
    const { cache, runtime, measure = diskUsage } = this.options;
    const containers = [];
    for (const info of cache.ofPod(pod.metadata?.uid ?? '')) {
      const name = info.labels[LABEL_CONTAINER] ?? '';
      if (name === PAUSE_CONTAINER) continue;
      const use = await runtime.footprint(info.id, light ? 'processes' : 'disk');
      if (use !== undefined) containers.push({ name, ...use });
    }
    let volumeBytes = 0;
    for (const volume of light ? [] : podVolumes(pod).filter(({ memory }) => !memory)) {
      const folder = await runtime.volumePath(volume.name);
      volumeBytes += folder === undefined ? 0 : ((await measure(folder)) ?? 0);
    }
    return { pod, containers, volumeBytes };
  }
}

function sameContainer(a: ContainerInfo, b: ContainerInfo): boolean {
  return a.labels[LABEL_CONTAINER] === b.labels[LABEL_CONTAINER];
}
