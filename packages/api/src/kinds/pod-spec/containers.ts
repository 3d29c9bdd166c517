// Faults of containers: names, images, and all that the files beside say about their parts.

import { duplicate, type FieldError, forbidden, invalid, notSupported, type Path, required } from '../../errors.js';
import type { Container } from '../../gen/podplane/core/v1/container.js';
import { dnsLabelProblems } from '../../names.js';
import type { DeepReadonly } from '../kind-map.js';
import { validateEnv, validateEnvFrom } from './env.js';
import { validateHostPorts, validatePorts } from './ports.js';
import { validateLifecycle, validateProbe } from './probes.js';
import { validateResources } from './resources.js';
import { validateRestartRules, validateStopSignal } from './restart-rules.js';
import { validateSecurity } from './security.js';
import { validateMounts } from './volumes.js';

const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'] as const;
const MESSAGE_POLICIES = ['File', 'FallbackToLogsOnError'] as const;

export interface ContainerContext {
  /** Names of the pod's volumes. */
  readonly volumes: ReadonlySet<string>;
  readonly graceSeconds: number;
  /** spec.os.name */
  readonly os?: string | undefined;
  /** Names that containers of the pod have so far; grows. */
  readonly taken: Set<string>;
}

/** Faults of one container of any kind. */
export function validateContainer(
  container: DeepReadonly<Container>,
  path: Path,
  { volumes, graceSeconds, os, taken }: ContainerContext,
): FieldError[] {
  const out: FieldError[] = [];
  const { name, image } = container;
  if (name === '') out.push(required(path.child('name')));
  else for (const problem of dnsLabelProblems(name)) out.push(invalid(path.child('name'), name, problem));
  if (name !== '' && taken.has(name)) out.push(duplicate(path.child('name'), name));
  taken.add(name);
  if (!image) out.push(required(path.child('image')));
  else if (image !== image.trim()) out.push(invalid(path.child('image'), image, 'must not have leading or trailing whitespace'));
  else out.push(...imageProblems(image).map((problem) => invalid(path.child('image'), image, problem)));
  if (!PULL_POLICIES.some((one) => one === container.imagePullPolicy)) {
    out.push(
      container.imagePullPolicy
        ? notSupported(path.child('imagePullPolicy'), container.imagePullPolicy, PULL_POLICIES)
        : required(path.child('imagePullPolicy')),
    );
  }
  if (container.terminationMessagePolicy !== undefined && !MESSAGE_POLICIES.some((one) => one === container.terminationMessagePolicy)) {
    out.push(notSupported(path.child('terminationMessagePolicy'), container.terminationMessagePolicy, MESSAGE_POLICIES));
  }
  out.push(...validatePorts(container.ports, path.child('ports')));
  out.push(...validateEnv(container.env, path.child('env')));
  out.push(...validateEnvFrom(container.envFrom, path.child('envFrom')));
  out.push(...validateMounts(container.volumeMounts, volumes, path.child('volumeMounts'), container.securityContext?.privileged === true));
  out.push(...validateResources(container.resources, path.child('resources')));
  out.push(...validateSecurity(container.securityContext, path.child('securityContext')));
  out.push(...validateLifecycle(container.lifecycle, path.child('lifecycle'), graceSeconds));
  out.push(...validateStopSignal(container.lifecycle?.stopSignal, os, path.child('lifecycle')));
  out.push(...validateRestartRules(container, path));
  out.push(...validateProbe(container.livenessProbe, 'liveness', path.child('livenessProbe'), graceSeconds));
  out.push(...validateProbe(container.readinessProbe, 'readiness', path.child('readinessProbe'), graceSeconds));
  out.push(...validateProbe(container.startupProbe, 'startup', path.child('startupProbe'), graceSeconds));
  return out;
}

// Kubernetes leaves the rest of an image's name to the node, where a wrong one ends as InvalidImageName. Blanks inside can
// be nothing but a slip, and are better said at once.
function imageProblems(image: string): readonly string[] {
  return /\s/.test(image) ? ['must not contain whitespace'] : [];
}

/** Faults of a list of containers that are no init containers. */
export function validateContainers(containers: readonly DeepReadonly<Container>[], path: Path, context: ContainerContext): FieldError[] {
  return containers.flatMap((container, i) => {
    const at = path.index(i);
    const out = validateContainer(container, at, context);
    return out;
  });
}

const NO_SIDECAR_RULES = 'restartPolicyRules are not allowed for init containers with restart policy Always';
const NOT_FOR_INIT = ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const;

/** Faults of init containers: what runs to completion has neither probes nor hooks; a sidecar may have both. */
export function validateInitContainers(
  containers: readonly DeepReadonly<Container>[],
  path: Path,
  context: ContainerContext,
): FieldError[] {
  return containers.flatMap((container, i) => {
    const at = path.index(i);
    const out = validateContainer(container, at, context);
    // One after the other: only what one container says of itself can be in conflict.
    out.push(...validateHostPorts([container], at));
    const { restartPolicy, restartPolicyRules } = container;
    if (restartPolicy === 'Always') {
      if (restartPolicyRules.length > 0) out.push(forbidden(at.child('restartPolicyRules'), NO_SIDECAR_RULES));
      return out;
    }
    for (const field of NOT_FOR_INIT) {
      if (container[field] !== undefined)
        out.push(forbidden(at.child(field), 'may not be set for init containers without restartPolicy=Always'));
    }
    return out;
  });
}
