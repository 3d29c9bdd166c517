// What may change in the spec of a pod that exists: images, a shorter life, more tolerations, fewer gates. Everything else is fixed.

import { type FieldError, forbidden, invalid, type Path } from '../../errors.js';
import type { PodSpec } from '../../gen/podplane/core/v1/pod.js';
import { deepEqual } from '../equal.js';
import type { DeepReadonly } from '../kind-map.js';

type Spec = DeepReadonly<PodSpec>;

const MAY_CHANGE =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

function withImagesOf(containers: Spec['containers'], other: Spec['containers']): Spec['containers'] {
  return containers.map((container, i) => ({ ...container, image: other[i]?.image }));
}

/** Faults of a changed pod spec. */
export function validatePodSpecUpdate(next: Spec, previous: Spec, path: Path): FieldError[] {
  if (next === previous) return [];
  const out: FieldError[] = [];
  for (const list of ['containers', 'initContainers'] as const) {
    if (next[list].length !== previous[list].length) {
      return [forbidden(path.child(list), 'pod updates may not add or remove containers')];
    }
  }
  out.push(...validateDeadline(next.activeDeadlineSeconds, previous.activeDeadlineSeconds, path.child('activeDeadlineSeconds')));
  const kept = previous.tolerations.every((old) => next.tolerations.some((one) => sameToleration(one, old)));
  if (!kept) out.push(forbidden(path.child('tolerations'), 'existing toleration can not be modified except its tolerationSeconds'));

  const gates = new Set(previous.schedulingGates.map(({ name }) => name));
  for (const [i, { name }] of next.schedulingGates.entries()) {
    if (gates.has(name)) continue;
    const at = path.child('schedulingGates').index(i).child('name');
    out.push(forbidden(at, `only deletion is allowed, but found new scheduling gate '${name}'`));
  }
  const gated = previous.schedulingGates.length > 0;
  if (gated) out.push(...validateNarrowing(next, previous, path));

  // With all that may change set to what it was, nothing may differ.
  const grace = next.terminationGracePeriodSeconds === 1 && (previous.terminationGracePeriodSeconds ?? 0) < 0;
  const masked: Spec = {
    ...next,
    containers: withImagesOf(next.containers, previous.containers),
    initContainers: withImagesOf(next.initContainers, previous.initContainers),
    activeDeadlineSeconds: previous.activeDeadlineSeconds,
    tolerations: previous.tolerations,
    schedulingGates: previous.schedulingGates,
    // Of a gated pod these may be narrowed.
    ...(gated ? { nodeSelector: previous.nodeSelector, affinity: withNodeAffinityOf(next.affinity, previous.affinity) } : {}),
    terminationGracePeriodSeconds: grace ? previous.terminationGracePeriodSeconds : next.terminationGracePeriodSeconds,
  };
  if (!deepEqual(masked, previous)) {
    const fields = Object.keys({ ...masked, ...previous }).filter(
      (key) => !deepEqual(masked[key as keyof Spec], previous[key as keyof Spec]),
    );
    out.push(forbidden(path, `${MAY_CHANGE}; changed here: ${fields.sort().join(', ')}`));
  }
  return out;
}

type Affinity = Spec['affinity'];

/** Affinity between pods stays what it was; that to nodes is looked at by itself. */
function withNodeAffinityOf(next: Affinity, previous: Affinity): Affinity {
  const nodeAffinity = previous?.nodeAffinity;
  if (next === undefined) return nodeAffinity === undefined ? undefined : { nodeAffinity };
  const alone = next.podAffinity === undefined && next.podAntiAffinity === undefined;
  return previous === undefined && alone ? undefined : { ...next, nodeAffinity };
}

/** Where a pod that waits for its gates may run can be narrowed, not widened: the nodes that were counted on before stay enough. */
function validateNarrowing(next: Spec, previous: Spec, path: Path): FieldError[] {
  const out: FieldError[] = [];
  const kept = Object.entries(previous.nodeSelector).every(([key, value]) => next.nodeSelector[key] === value);
  if (!kept)
    out.push(
      invalid(path.child('nodeSelector'), next.nodeSelector, 'only additions to spec.nodeSelector are allowed (no mutations or deletions)'),
    );
  const before = previous.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const after = next.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  const at = path.child('affinity', 'nodeAffinity', 'requiredDuringSchedulingIgnoredDuringExecution', 'nodeSelectorTerms');
  if (before.length === 0) return out;
  if (before.length !== after.length)
    return [...out, invalid(at, after, 'no additions/deletions to non-empty NodeSelectorTerms list are allowed')];
  for (const [i, old] of before.entries()) {
    const now = after[i];
    if (now !== undefined && onlyAdds(now, old)) continue;
    out.push(invalid(at.index(i), now, 'only additions are allowed (no mutations or deletions)'));
  }
  return out;
}

type Term = { readonly matchExpressions: readonly unknown[]; readonly matchFields: readonly unknown[] };

function onlyAdds(next: Term, previous: Term): boolean {
  const lists = ['matchExpressions', 'matchFields'] as const;
  // A term that matches nothing would begin to match.
  if (lists.every((list) => previous[list].length === 0)) return lists.every((list) => next[list].length === 0);
  return lists.every((list) => deepEqual(next[list].slice(0, previous[list].length), previous[list]));
}

function sameToleration(a: Spec['tolerations'][number], b: Spec['tolerations'][number]): boolean {
  return deepEqual({ ...a, tolerationSeconds: undefined }, { ...b, tolerationSeconds: undefined });
}

function validateDeadline(next: number | undefined, previous: number | undefined, path: Path): FieldError[] {
  if (previous === undefined) return [];
  if (next === undefined) return [invalid(path, next, 'must not update from a positive integer to nil value')];
  return next > previous ? [invalid(path, next, 'must be less than or equal to previous value')] : [];
}
