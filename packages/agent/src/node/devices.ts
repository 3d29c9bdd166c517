// Extended resources of a node (example.com/gpu) and the devices behind them: which there are, and who has which. What a pod is given is kept in
// a label of its containers, so that it is known after a restart of the agent. How many a pod asks for is the scheduler's business.
import type { Container } from '@podplane/api/gen/podplane/core/v1/container';
import type { PodSpec } from '@podplane/api/gen/podplane/core/v1/pod';
import type { DeepReadonly } from '@podplane/api/kinds/kind-map';
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

type Seen = Pick<ContainerCache, 'ofPod' | 'podUids'>;
type Spec = DeepReadonly<PodSpec> | undefined;

const wantedBy = ({ resources }: DeepReadonly<Container>, name: string): number => wholeValue(resources?.limits[name] ?? '0');

/** Of a resource: what the main containers and sidecars have together, or an init container with the sidecars before it, whichever is more. */
function podWants(spec: Spec, name: string): number {
  let sidecars = 0;
  let most = 0;
  for (const one of spec?.initContainers ?? []) {
    if (one.restartPolicy === 'Always') sidecars += wantedBy(one, name);
    most = Math.max(most, one.restartPolicy === 'Always' ? sidecars : sidecars + wantedBy(one, name));
  }
  return Math.max(
    most,
    (spec?.containers ?? []).reduce((sum, one) => sum + wantedBy(one, name), sidecars),
  );
}

const tooFew = (name: string, wanted: number, available: number): string =>
  `Allocate failed due to requested number of devices unavailable for ${name}. Requested: ${wanted}, Available: ${available}, which is unexpected`;

export class NodeDevices {
  /** Given a moment ago, perhaps not in a label yet: device -> "uid/container". */
  private readonly fresh = new Map<string, string>();
  /** Pods that have ended and are still being cleared away. */
  private readonly ended = new Set<string>();

  constructor(readonly resources: NodeResources) {}

  /** A pod has ended: what it holds will be free in a moment. */
  podEnded(podUid: string): void {
    if (this.resources.size > 0) this.ended.add(podUid);
  }

  /**
   * Why a pod that comes to the node cannot be given its devices, in the kubelet's words; undefined: it can be, if need be when pods that
   * have ended are cleared away.
   */
  shortage(podUid: string, spec: Spec, seen: Seen): string | undefined {
    const owners = this.owners(seen, new Set());
    for (const [name, { devices }] of this.resources) {
      const wanted = devices.length === 0 ? 0 : podWants(spec, name);
      if (wanted === 0) continue;
      const available = devices.filter((device) => {
        const holder = owners.get(`${name} ${device}`)?.split('/')[0];
        return holder === undefined || holder === podUid || this.ended.has(holder);
      }).length;
      if (available < wanted) return tooFew(name, wanted, available);
    }
    return undefined;
  }

  /**
   * Devices for a run of a container; a restarted one keeps its own, and init containers leave theirs to those after them. Throws an Error in
   * the kubelet's words where there are too few.
   */
  give(podUid: string, container: DeepReadonly<Container>, spec: Spec, seen: Seen): GivenDevices {
    const given: Record<string, readonly string[]> = {};
    const owner = `${podUid}/${container.name}`;
    const before = (spec?.initContainers ?? []).filter((one) => one.restartPolicy !== 'Always' && one.name !== container.name);
    const left = new Set(before.map((one) => `${podUid}/${one.name}`));
    const owners = this.owners(seen, left);
    for (const [name, { devices }] of this.resources) {
      const wanted = wantedBy(container, name);
      if (wanted === 0 || devices.length === 0) continue;
      const holder = (device: string): string | undefined => owners.get(`${name} ${device}`);
      const own = devices.filter((device) => holder(device) === owner);
      const inherited = devices.filter((device) => left.has(holder(device) ?? ''));
      const free = devices.filter((device) => holder(device) === undefined);
      const chosen = [...own, ...inherited, ...free].slice(0, wanted);
      if (chosen.length < wanted) throw new Error(tooFew(name, wanted, chosen.length));
      for (const device of chosen) this.fresh.set(`${name} ${device}`, owner);
      given[name] = chosen;
    }
    return { given, files: Object.values(given).flatMap((list) => list.flatMap((device) => device.split('+'))) };
  }

  /** Who has what: pods that have ended, or are gone, hold nothing any more. leaving: containers whose claim anybody else's beats. */
  private owners(seen: Seen, leaving: ReadonlySet<string>): ReadonlyMap<string, string> {
    const owners = new Map<string, string>();
    const held = new Set<string>();
    const claim = (device: string, owner: string): void => {
      const now = owners.get(device);
      if (now === undefined || leaving.has(now)) owners.set(device, owner);
    };
    for (const uid of seen.podUids()) {
      const containers = seen.ofPod(uid);
      // The pause container stays as long as anything of the pod may run.
      if (!containers.some((info) => containerNameOf(info) === PAUSE_CONTAINER)) continue;
      held.add(uid);
      for (const info of containers) {
        for (const [name, devices] of givenTo(info.labels))
          for (const device of devices) claim(`${name} ${device}`, `${uid}/${containerNameOf(info)}`);
      }
    }
    for (const uid of this.ended) if (!held.has(uid)) this.ended.delete(uid);
    for (const [device, owner] of this.fresh) {
      if (!held.has(owner.split('/')[0] ?? '')) this.fresh.delete(device);
      else claim(device, owner);
    }
    return owners;
  }
}
