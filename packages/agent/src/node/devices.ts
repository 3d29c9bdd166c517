// Extended resources of a node (example.com/gpu) and the devices behind them: which there are, and who has which. What a pod is given is kept in
// a label of its containers, so that it is known after a restart of the agent. How many a pod asks for is the scheduler's business.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import { wholeValue } from '@podplane/api/quantity';
import type { ContainerCache } from '../pods/container-cache.js';
import { containerNameOf } from '../pods/planner/observed.js';
import { PAUSE_CONTAINER } from '../runtime/types.js';

/** On app containers: what they were given, as JSON: {"example.com/gpu": ["/dev/a"]}. */
export const LABEL_DEVICES = 'podplane.dev/devices';

/** A resource of a node. */
export interface NodeResource {
  readonly count: number;
  /** Files of the host, one device an entry ("/dev/a+/dev/b": two files that belong together); empty: it is only counted. */
  readonly devices: readonly string[];
}

export type NodeResources = ReadonlyMap<string, NodeResource>;

const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$/;
const MAX_COUNT = 1_000_000;

/** Reads "example.com/gpu=/dev/a,/dev/b" or "example.com/seat=5"; undefined: it is neither. */
export function parseNodeResource(text: string): readonly [name: string, resource: NodeResource] | undefined {
  const equals = text.indexOf('=');
  const name = text.slice(0, Math.max(0, equals));
  const value = text.slice(equals + 1);
  if (!NAME.test(name) || name.startsWith('kubernetes.io/') || name.startsWith('requests.')) return undefined;
  if (/^\d{1,7}$/.test(value)) return Number(value) <= MAX_COUNT ? [name, { count: Number(value), devices: [] }] : undefined;
  const devices = value.split(',');
  const good = devices.every((device) => device.split('+').every((file) => /^\/dev\/[^,+:]+$/.test(file) && !file.includes('..')));
  return good && new Set(devices).size === devices.length ? [name, { count: devices.length, devices }] : undefined;
}

/** What a container of the engine was given; a label that is broken says nothing. */
function givenTo(labels: Readonly<Record<string, string>>): ReadonlyMap<string, readonly string[]> {
  const text = labels[LABEL_DEVICES];
  if (text === undefined) return new Map();
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return new Map();
    return new Map(Object.entries(value).map(([name, list]) => [name, Array.isArray(list) ? list.map(String) : []]));
  } catch {
    return new Map();
  }
}

export interface GivenDevices {
  /** By resource. */
  readonly given: Readonly<Record<string, readonly string[]>>;
  /** Files of the host that the container gets under the same names. */
  readonly files: readonly string[];
}

export class NodeDevices {
  /** Given a moment ago, perhaps not in a label yet: device -> "uid/container". */
  private readonly fresh = new Map<string, string>();

  constructor(readonly resources: NodeResources) {}

  /** Devices for a run of a container; a restarted one keeps its own. Throws an Error in the kubelet's words where there are too few. */
  give(podUid: string, container: Container, cache: Pick<ContainerCache, 'ofPod' | 'podUids'>): GivenDevices {
    const given: Record<string, readonly string[]> = {};
    const owner = `${podUid}/${container.name}`;
    const owners = this.owners(cache);
    for (const [name, { devices }] of this.resources) {
      const limit = container.resources?.limits[name];
      const wanted = limit === undefined ? 0 : wholeValue(limit);
      if (wanted === 0 || devices.length === 0) continue;
      const key = (device: string): string => `${name} ${device}`;
      const own = devices.filter((device) => owners.get(key(device)) === owner);
      const free = devices.filter((device) => !owners.has(key(device)));
      const chosen = [...own, ...free].slice(0, wanted);
      if (chosen.length < wanted) {
        throw new Error(
          `Allocate failed due to requested number of devices unavailable for ${name}. Requested: ${wanted}, Available: ${chosen.length}, which is unexpected`,
        );
      }
      for (const device of chosen) this.fresh.set(key(device), owner);
      given[name] = chosen;
    }
    return { given, files: Object.values(given).flatMap((list) => list.flatMap((device) => device.split('+'))) };
  }

  /** Who has what: pods that have ended, or are gone, hold nothing any more. */
  private owners(cache: Pick<ContainerCache, 'ofPod' | 'podUids'>): ReadonlyMap<string, string> {
    const owners = new Map<string, string>();
    const held = new Set<string>();
    for (const uid of cache.podUids()) {
      const containers = cache.ofPod(uid);
      // The pause container stays as long as anything of the pod may run.
      if (!containers.some((info) => containerNameOf(info) === PAUSE_CONTAINER)) continue;
      held.add(uid);
      for (const info of containers) {
        for (const [name, devices] of givenTo(info.labels))
          for (const device of devices) owners.set(`${name} ${device}`, `${uid}/${containerNameOf(info)}`);
      }
    }
    for (const [device, owner] of this.fresh) {
      if (!held.has(owner.split('/')[0] ?? '')) this.fresh.delete(device);
      else if (!owners.has(device)) owners.set(device, owner);
    }
    return owners;
  }
}
