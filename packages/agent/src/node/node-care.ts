// What an agent does for its node as a whole, put together: the housekeeper, and the memory of which images were pulled.

import type { PodCgroups } from '../cgroups/pod-cgroups.js';
import { DEFAULT_IMAGE_GC, type ImageGcSettings, PulledImages } from '../images/image-gc.js';
import type { PodEventSink } from '../pods/pod-events.js';
import { Housekeeper, type HousekeeperOptions, type KeptHouse } from './housekeeper.js';
import type { NodeState } from './node-state.js';
import { DEFAULT_EVICTION_HARD, DEFAULT_TRANSITION_MS, type PressureSettings, parseThresholds } from './thresholds.js';

export interface CareSettings {
  readonly pressure?: PressureSettings | undefined;
  readonly imageGc?: ImageGcSettings | undefined;
}

export const DEFAULT_PRESSURE: PressureSettings = {
  thresholds: parseThresholds(DEFAULT_EVICTION_HARD),
  transitionMs: DEFAULT_TRANSITION_MS,
};

export interface NodeCareOptions extends Pick<HousekeeperOptions, 'runtime' | 'log' | 'cache' | 'changed'> {
  readonly system: HousekeeperOptions['system'];
  readonly settings: CareSettings;
  readonly node: NodeState;
  readonly pods: () => Iterable<KeptHouse>;
  readonly event: PodEventSink;
  readonly cgroups: Pick<PodCgroups, 'sweep'> | undefined;
}

/** Events about the node itself name no pod. */
const NODE = { uid: '', namespace: '', name: '' };

export class NodeCare {
  readonly pulled = new PulledImages();
  private readonly housekeeper: Housekeeper;

  constructor({ settings, node, event, cgroups, ...options }: NodeCareOptions) {
    this.housekeeper = new Housekeeper({
      ...options,
      settings: settings.pressure ?? DEFAULT_PRESSURE,
      imageGc: settings.imageGc ?? DEFAULT_IMAGE_GC,
      pulled: this.pulled,
      event: (type, reason, message) => event({ pod: NODE, fieldPath: '', type, reason, message }),
      readHost: () => node.read(),
      tidy: () => cgroups?.sweep(() => [...[...options.pods()].map(({ ref }) => ref.uid), ...options.cache.podUids()]) ?? Promise.resolve(),
      report: (reading, pressures) => node.noteHost(reading, new Set(pressures.keys())),
    });
  }

  start(): void {
    this.housekeeper.start();
  }

  /** Before the node is spoken of: what it is short of. */
  measure(): void {
    this.housekeeper.measure();
  }

  stop(): void {
    this.housekeeper.stop();
  }
}
