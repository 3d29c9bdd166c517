// From a Pod to its class: requests added up as Kubernetes does, constraints, a key that is equal for equal pods.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { controllerOf } from '@podplane/api/pod-state';
import { milliValue, QuantityError, wholeValue } from '@podplane/api/quantity';
import { compileNodeSelector, compileNodeSelectorTerm } from '@podplane/api/selectors';
import type { HostPort, PodClass, Resources, VolumeModel } from './model.js';

type Spec = NonNullable<Obj<'Pod'>['spec']>;
type Container = Spec['containers'][number];
type Amounts = Readonly<Record<string, string>>;

/** What scoring assumes for containers that request nothing (Kubernetes' figures). */
const ASSUMED_CPU = 100;
const ASSUMED_MEMORY = 200 * 1024 * 1024;

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

function hostPortsOf(spec: Spec): HostPort[] {
  const ports: HostPort[] = [];
  for (const container of spec.containers) collectPorts(container, spec, ports);
  for (const container of spec.initContainers) if (container.restartPolicy === 'Always') collectPorts(container, spec, ports);
  return ports;
}

function collectPorts(container: Container, spec: Spec, into: HostPort[]): void {
  for (const port of container.ports) {
    // With hostNetwork every container port is one of the host.
    const number = port.hostPort || (spec.hostNetwork ? port.containerPort : 0);
    if (number) into.push({ ip: port.hostIP || '0.0.0.0', protocol: port.protocol || 'TCP', port: number });
  }
}

function unsupportedOf(spec: Spec): string[] {
  const paths: string[] = [];
  if (spec.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution.length) paths.push('spec.affinity.podAffinity');
  if (spec.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution.length) paths.push('spec.affinity.podAntiAffinity');
  if (spec.topologySpreadConstraints.some((c) => c.whenUnsatisfiable !== 'ScheduleAnyway')) paths.push('spec.topologySpreadConstraints');
  if (spec.resourceClaims.length > 0) paths.push('spec.resourceClaims');
  return paths;
}

/** Validation lets no wrong quantity in; should one be there all the same, its pod waits and says so. */
function requestsOrNone(spec: Spec, unsupported: string[]): Resources {
  try {
    return podRequests(spec);
  } catch (error) {
    if (!(error instanceof QuantityError)) throw error;
    unsupported.push(`a quantity ${JSON.stringify(error.text)}`);
    return emptySum();
  }
}

function selfBased(model: Omit<PodClass, 'base'>): PodClass {
  const made: Omit<PodClass, 'base'> & { base?: PodClass } = { ...model };
  made.base = made as PodClass;
  return made as PodClass;
}

const CLASSES_MAX = 20_000;

/** Makes and keeps classes. Structure sharing makes the specs of one pod's versions the same object, which is asked first. */
export class PodClasses {
  readonly #bySpec = new WeakMap<object, PodClass>();
  readonly #parts = new Map<string, PodClass>();
  readonly #classes = new Map<string, PodClass>();

  /** The class of a pod. volumes: what its claims ask for, where it has any and waits for a node. */
  of(pod: Obj<'Pod'>, volumes?: VolumeModel): PodClass {
    const spec = pod.spec;
    if (spec === undefined) throw new TypeError('a pod without a spec');
    const plain = this.#bySpec.get(spec) ?? this.#read(spec);
    const part = volumes === undefined ? plain : this.#withVolumes(plain, volumes);
    const owner = controllerOf(pod)?.uid ?? '';
    if (owner === '') return part;
    const key = `${owner}|${part.key}`;
    let known = this.#classes.get(key);
    if (known === undefined) {
      known = { ...part, key, owner };
      if (this.#classes.size >= CLASSES_MAX) this.#classes.clear();
      this.#classes.set(key, known);
    }
    return known;
  }

  #withVolumes(plain: PodClass, volumes: VolumeModel): PodClass {
    const key = `${plain.key}|volumes|${volumes.key}`;
    let part = this.#parts.get(key);
    if (part === undefined) {
      part = selfBased({ ...plain, key, fixedKey: `${plain.fixedKey}|volumes|${volumes.key}`, volumes });
      if (this.#parts.size >= CLASSES_MAX) this.#parts.clear();
      this.#parts.set(key, part);
    }
    return part;
  }

  #read(spec: Spec): PodClass {
    const unsupported = unsupportedOf(spec);
    const requests = requestsOrNone(spec, unsupported);
    const hostPorts = hostPortsOf(spec);
    const nodeSelector = Object.entries(spec.nodeSelector).sort(([a], [b]) => (a < b ? -1 : 1));
    const affinity = spec.affinity?.nodeAffinity;
    const required = affinity?.requiredDuringSchedulingIgnoredDuringExecution;
    const preferred = affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    const tolerations = spec.tolerations.map(({ key, operator, value, effect }) => ({ key, operator, value, effect }));
    const extended = requests.extended ? [...requests.extended].sort(([a], [b]) => (a < b ? -1 : 1)) : [];
    const fixed = nodeSelector.length + preferred.length + tolerations.length + unsupported.length > 0 || required !== undefined;
    const fixedKey = fixed ? JSON.stringify([nodeSelector, required ?? null, preferred, tolerations, unsupported]) : '';
    const numbers = `${requests.cpu},${requests.memory},${requests.ephemeral}`;
    const things = extended.length + hostPorts.length > 0 ? JSON.stringify([extended, hostPorts]) : '';
    const key = `${numbers}${things}${fixedKey}`;
    let part = this.#parts.get(key);
    if (part === undefined) {
      const model = {
        key,
        fixedKey,
        owner: '',
        requests,
        scoreCpu: requests.cpu || ASSUMED_CPU,
        scoreMemory: requests.memory || ASSUMED_MEMORY,
        hostPorts,
        nodeSelector,
        required: required && compileNodeSelector(required),
        preferred: preferred.map((p) => ({
          weight: p.weight,
          holds: p.preference === undefined ? () => false : compileNodeSelectorTerm(p.preference),
        })),
        tolerations,
        volumes: undefined,
        unsupported,
      };
      part = selfBased(model);
      if (this.#parts.size >= CLASSES_MAX) this.#parts.clear();
      this.#parts.set(key, part);
    }
    this.#bySpec.set(spec, part);
    return part;
  }
}
