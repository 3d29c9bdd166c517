// Faults of a whole pod spec. Its parts are in the files beside; refused fields are in ../support.ts.
import type { PodSpec } from '../../gen/podplane/core/v1/pod.js';
import { type FieldError, type Path, required } from '../../errors.js';
import type { DeepReadonly } from '../kind-map.js';
import { validateResources } from './resources.js';

export interface PodSpecContext {
  /** Of a pod; templates have none. */
  readonly podName?: string | undefined;
}

/** Faults of a pod spec that has its defaults. */
export function validatePodSpec(spec: DeepReadonly<PodSpec>, path: Path, _context: PodSpecContext): FieldError[] {
  const out: FieldError[] = [];
  if (spec.containers.length === 0) out.push(required(path.child('containers')));
  for (const [i, container] of spec.containers.entries()) {
    const at = path.child('containers').index(i);
    if (container.name === '') out.push(required(at.child('name')));
    if (!container.image) out.push(required(at.child('image')));
    out.push(...validateResources(container.resources, at.child('resources')));
  }
  return out;
}
