// What a pod takes of a node: what its containers request, added up as Kubernetes does, and ports of the host. Scheduler and agent count with the
// same numbers, so that a node takes what was placed on it.
import { milliValue, wholeValue } from '../../quantity.js';
import type { Obj } from '../kind-map.js';

type Spec = NonNullable<Obj<'Pod'>['spec']>;
type Container = Spec['containers'][number];
type Amounts = Readonly<Record<string, string>>;

/** Amounts in integers: cpu in thousandths, memory and ephemeral storage in bytes, extended resources in units. */
export interface Resources {
  readonly cpu: number;
  readonly memory: number;
  readonly ephemeral: number;
  /** Extended resources by name; undefined: none. */
  readonly extended: ReadonlyMap<string, number> | undefined;
}

export interface HostPort {
  readonly ip: string;
  readonly protocol: string;
  readonly port: number;
}

/** The host's addresses, all of them. */
const ANY_ADDRESS = '0.0.0.0';

interface Sum {
  cpu: number;
  memory: number;
  ephemeral: number;
  extended: Map<string, number> | undefined;
}

const emptySum = (): Sum => ({ cpu: 0, memory: 0, ephemeral: 0, extended: undefined });

function addAmount(sum: Sum, name: string, text: string): void {
  switch (name) {
    case 'cpu':
      sum.cpu += milliValue(text);
      break;
    case 'memory':
      sum.memory += wholeValue(text);
      break;
    case 'ephemeral-storage':
      sum.ephemeral += wholeValue(text);
      break;
    default:
      sum.extended ??= new Map();
      sum.extended.set(name, (sum.extended.get(name) ?? 0) + wholeValue(text));
  }
}

function addAmounts(sum: Sum, amounts: Amounts): void {
  for (const name in amounts) addAmount(sum, name, amounts[name] ?? '0');
}

/** A limit without a request is the request. */
function addContainer(sum: Sum, container: Container): void {
  const resources = container.resources;
  if (resources === undefined) return;
  addAmounts(sum, resources.requests);
  for (const name in resources.limits) {
    if (!(name in resources.requests)) addAmount(sum, name, resources.limits[name] ?? '0');
  }
}

function maxInto(target: Sum, other: Sum): void {
  target.cpu = Math.max(target.cpu, other.cpu);
  target.memory = Math.max(target.memory, other.memory);
  target.ephemeral = Math.max(target.ephemeral, other.ephemeral);
  for (const [name, value] of other.extended ?? []) {
    target.extended ??= new Map();
    target.extended.set(name, Math.max(target.extended.get(name) ?? 0, value));
  }
}

const copySum = (sum: Sum): Sum => ({ ...sum, extended: sum.extended && new Map(sum.extended) });

/**
 * The pod's effective requests: app containers together with sidecars (init containers that are restarted always), or the
 * largest moment of initialisation if that is more, and the overhead on top.
 */
export function podRequests(spec: Spec): Resources {
  const total = emptySum();
  for (const container of spec.containers) addContainer(total, container);
  if (spec.initContainers.length > 0) {
    const sidecars = emptySum();
    const peak = emptySum();
    for (const container of spec.initContainers) {
      if (container.restartPolicy === 'Always') {
        addContainer(sidecars, container);
        addContainer(total, container);
        maxInto(peak, sidecars);
      } else {
        const moment = copySum(sidecars);
        addContainer(moment, container);
        maxInto(peak, moment);
      }
    }
    maxInto(total, peak);
  }
  addAmounts(total, spec.overhead);
  return total;
}

/** Ports of the host that the pod wants for itself. */
export function hostPortsOf(spec: Spec): HostPort[] {
  const ports: HostPort[] = [];
  for (const container of spec.containers) collectPorts(container, spec, ports);
  for (const container of spec.initContainers) if (container.restartPolicy === 'Always') collectPorts(container, spec, ports);
  return ports;
}

function collectPorts(container: Container, spec: Spec, into: HostPort[]): void {
  for (const port of container.ports) {
    // With hostNetwork every container port is one of the host.
    const number = port.hostPort || (spec.hostNetwork ? port.containerPort : 0);
    if (number) into.push({ ip: port.hostIP || ANY_ADDRESS, protocol: port.protocol || 'TCP', port: number });
  }
}

/** Whether two pods cannot be on one node because of these. */
export function portsClash(a: readonly HostPort[], b: readonly HostPort[]): boolean {
  const same = (x: HostPort, y: HostPort): boolean => x.ip === y.ip || x.ip === ANY_ADDRESS || y.ip === ANY_ADDRESS;
  return a.some((x) => b.some((y) => x.port === y.port && x.protocol === y.protocol && same(x, y)));
}

export interface PodNeeds {
  readonly requests: Resources;
  readonly hostPorts: readonly HostPort[];
}

/** Specs never change, and each is asked for whenever another pod comes to its node. */
const known = new WeakMap<Spec, PodNeeds>();

/** Throws QuantityError where an amount is none; validation lets no such pod in. */
export function podNeeds(spec: Spec): PodNeeds {
  let needs = known.get(spec);
  if (needs === undefined) known.set(spec, (needs = { requests: podRequests(spec), hostPorts: hostPortsOf(spec) }));
  return needs;
}
