// From a Pod to its class: what it requests, constraints, a key that is equal for equal pods.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { hostPortsOf, podRequests, type Resources } from '@podplane/api/kinds/pod-spec/needs';
import { controllerOf } from '@podplane/api/pod-state';
import { QuantityError } from '@podplane/api/quantity';
import { compileNodeSelector, compileNodeSelectorTerm } from '@podplane/api/selectors';
import type { PodClass, VolumeModel } from './model.js';

type Spec = NonNullable<Obj<'Pod'>['spec']>;

/** What scoring assumes for containers that request nothing (Kubernetes' figures). */
const ASSUMED_CPU = 100;
const ASSUMED_MEMORY = 200 * 1024 * 1024;

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
    return { cpu: 0, memory: 0, ephemeral: 0, extended: undefined };
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
