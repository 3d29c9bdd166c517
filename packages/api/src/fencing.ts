// At most one: which pods are fenced, and what tells their incarnations apart. A fenced pod is stopped by its own node before the node's
// lease is over, and replaced elsewhere only afterwards. How nodes do that is in the agent, when pods are replaced in the controllers.
import { type FieldError, forbidden, invalid, notSupported, type Path } from './errors.js';
import type { Obj } from './kinds/kind-map.js';

/** On a pod, or on the template of a workload. StatefulSets give it to their pods where the template does not: strict. */
export const FENCING_ANNOTATION = 'podplane.dev/fencing';

/**
 * On each fenced pod, set by the server when the pod is made, and anew when a server that starts finds that it does not run: a whole number
 * below 2^53, higher than that of every incarnation before it, of the same name or not, also of those that an older copy of the server's data
 * does not hold any more. Containers find it in PODPLANE_EPOCH; what they write to can refuse a lower one than it has seen.
 */
export const EPOCH_ANNOTATION = 'podplane.dev/epoch';
export const EPOCH_VARIABLE = 'PODPLANE_EPOCH';

export type Fencing = 'strict' | 'none';
const VALUES: readonly Fencing[] = ['strict', 'none'];

type Annotated = { readonly metadata?: { readonly annotations: Readonly<Record<string, string>> } | undefined };

/** undefined: nothing is said. */
export function fencingOf({ metadata }: Annotated): Fencing | undefined {
  const value = metadata?.annotations[FENCING_ANNOTATION];
  return value === 'strict' || value === 'none' ? value : undefined;
}

/** Its node stops it before the lease is over. What a pod says here never changes, so server and node always agree. */
export const isFenced = (pod: Annotated): boolean => fencingOf(pod) === 'strict';

/** The epoch that a pod has; undefined: none. */
export function epochOf({ metadata }: Annotated): number | undefined {
  const text = metadata?.annotations[EPOCH_ANNOTATION];
  return text !== undefined && /^[0-9]{1,16}$/.test(text) ? Number(text) : undefined;
}

/** The pod as it is made, or is to run, from this epoch on: with it where it is fenced. */
export function withEpoch<P extends Obj<'Pod'>>(pod: P, epoch: number): P {
  if (!isFenced(pod) || pod.metadata === undefined) return pod;
  return { ...pod, metadata: { ...pod.metadata, annotations: { ...pod.metadata.annotations, [EPOCH_ANNOTATION]: String(epoch) } } };
}

/** Faults of what a pod or a template says about fencing. path: of the annotations. */
export function validateFencing(annotations: Readonly<Record<string, string>>, path: Path, where: 'pod' | 'template'): FieldError[] {
  const out: FieldError[] = [];
  const value = annotations[FENCING_ANNOTATION];
  if (value !== undefined && !VALUES.some((one) => one === value)) out.push(notSupported(path.key(FENCING_ANNOTATION), value, VALUES));
  if (where === 'template' && annotations[EPOCH_ANNOTATION] !== undefined)
    out.push(forbidden(path.key(EPOCH_ANNOTATION), 'is set by the server on each pod'));
  return out;
}

/** Node and server must not have to agree anew while they cannot talk. path: of the annotations. */
export function validateFencingUpdate(next: Annotated, previous: Annotated, path: Path): FieldError[] {
  const out: FieldError[] = [];
  for (const key of [FENCING_ANNOTATION, EPOCH_ANNOTATION]) {
    const [now, before] = [next.metadata?.annotations[key], previous.metadata?.annotations[key]];
    if (now !== before) out.push(invalid(path.key(key), now ?? '', 'field is immutable'));
  }
  return out;
}
