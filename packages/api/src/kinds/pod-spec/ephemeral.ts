// Ephemeral containers: faults of them, what may change (they are added and nothing else), how a change is kept from being more than that.

import { duplicate, type FieldError, forbidden, notFoundField, Path } from '../../errors.js';
import type { EphemeralContainer } from '../../gen/podplane/core/v1/container.js';
import type { Pod, PodSpec } from '../../gen/podplane/core/v1/pod.js';
import { deepEqual } from '../equal.js';
import type { DeepReadonly } from '../kind-map.js';
import { validateContainer } from './containers.js';

type Spec = DeepReadonly<PodSpec>;

const NOT_FOR_EPHEMERAL = 'cannot be set for an Ephemeral Container';
/** A list is set where it has an item. */
const FORBIDDEN = [
  'ports',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
] as const satisfies readonly (keyof EphemeralContainer)[];

const isSet = (value: unknown): boolean => (Array.isArray(value) ? value.length > 0 : value !== undefined);

/** Faults of a pod's ephemeral containers, in Kubernetes' words (validateEphemeralContainers). path: that of the pod spec. */
export function validateEphemeralContainers(spec: Spec, path: Path): FieldError[] {
  const others = new Set([...spec.containers, ...spec.initContainers].map(({ name }) => name));
  const taken = new Set(others);
  const volumes = new Set(spec.volumes.map(({ name }) => name));
  return spec.ephemeralContainers.flatMap((container, i) => {
    const at = path.child('ephemeralContainers').index(i);
    // Those whose presence is the fault are not looked at any further; a name that is taken is told below.
    const bare = {
      ...container,
      ports: [],
      restartPolicy: undefined,
      restartPolicyRules: [],
      livenessProbe: undefined,
      readinessProbe: undefined,
    };
    const looked = { ...bare, startupProbe: undefined, lifecycle: undefined };
    const context = { volumes, graceSeconds: 0, taken: new Set<string>() };
    const out = validateContainer(looked, at, context);
    if (taken.has(container.name)) out.push(duplicate(at.child('name'), container.name));
    taken.add(container.name);
    const target = container.targetContainerName;
    if (target && !others.has(target)) out.push(notFoundField(at.child('targetContainerName'), target));
    for (const field of FORBIDDEN) if (isSet(container[field])) out.push(forbidden(at.child(field), NOT_FOR_EPHEMERAL));
    const { limits = {}, requests = {}, claims = [] } = container.resources ?? {};
    if (Object.keys(limits).length + Object.keys(requests).length + claims.length > 0)
      out.push(forbidden(at.child('resources'), NOT_FOR_EPHEMERAL));
    for (const [m, mount] of container.volumeMounts.entries()) {
      const mountAt = at.child('volumeMounts').index(m);
      if (mount.subPath) out.push(forbidden(mountAt.child('subPath'), NOT_FOR_EPHEMERAL));
      if (mount.subPathExpr) out.push(forbidden(mountAt.child('subPathExpr'), NOT_FOR_EPHEMERAL));
    }
    return out;
  });
}

/** Faults of a change: what is there stays as it is (ValidatePodEphemeralContainersUpdate). */
export function validateEphemeralUpdate(next: Spec, previous: Spec, path: Path): FieldError[] {
  const at = path.child('ephemeralContainers');
  return previous.ephemeralContainers.flatMap((old) => {
    const now = next.ephemeralContainers.find(({ name }) => name === old.name);
    if (now === undefined) return [forbidden(at, `existing ephemeral containers "${old.name}" may not be removed`)];
    return deepEqual(now, old) ? [] : [forbidden(at, `existing ephemeral containers "${old.name}" may not be changed`)];
  });
}

/** Makes `next` the previous pod with its own ephemeral containers: a write to them changes nothing else, whatever it says. */
export function keepOnlyEphemeral(next: Pod, previous: DeepReadonly<Pod>): void {
  const { ephemeralContainers = [] } = next.spec ?? {};
  const resourceVersion = next.metadata?.resourceVersion;
  const kept = structuredClone(previous) as Pod;
  Object.assign(next, kept);
  if (kept.spec !== undefined) next.spec = { ...kept.spec, ephemeralContainers };
  if (kept.metadata !== undefined) next.metadata = { ...kept.metadata, resourceVersion };
}

/** Faults of a write to the ephemeral containers of a pod. */
export function validateEphemeralWrite(next: DeepReadonly<Pod>, previous: DeepReadonly<Pod>): FieldError[] {
  if (next.spec === undefined || previous.spec === undefined) return [];
  const path = Path.of('spec');
  return [...validateEphemeralContainers(next.spec, path), ...validateEphemeralUpdate(next.spec, previous.spec, path)];
}
