// What a Deployment writes on its ReplicaSets beside their specs: revisions, and the size it had in mind.
import type { Obj } from '@podplane/api/kinds/kind-map';

export const REVISION = 'deployment.kubernetes.io/revision';
export const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history';
export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas';
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';
/** On a set: when its rollout was good, before another one began. */
export const ROLLED_OUT = 'podplane.dev/rolled-out';
/** On a set: why its rollout failed. */
export const FAILED = 'podplane.dev/rollout-failed';
/** On the newest set: the failed one from which it is the way back. */
export const ROLLBACK_OF = 'podplane.dev/rollback-of';
export const CHANGE_CAUSE = 'kubernetes.io/change-cause';
export const HASH_LABEL = 'pod-template-hash';

const NOT_COPIED: ReadonlySet<string> = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'deprecated.deployment.rollback.to',
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  ROLLED_OUT,
  FAILED,
  ROLLBACK_OF,
]);

type Annotations = Readonly<Record<string, string>>;

const numberOf = (object: Obj, key: string): number | undefined => {
  const text = object.metadata?.annotations[key];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
};

/** 0 where there is none. */
export const revisionOf = (object: Obj): number => numberOf(object, REVISION) ?? 0;
export const desiredOf = (set: Obj<'ReplicaSet'>): number | undefined => numberOf(set, DESIRED_REPLICAS);
export const maxOf = (set: Obj<'ReplicaSet'>): number | undefined => numberOf(set, MAX_REPLICAS);

/** Annotations of a set of the newest revision: the Deployment's own, the revision (it only grows), the sizes. */
export function newSetAnnotations(
  deployment: Obj<'Deployment'>,
  current: Annotations,
  revision: number,
  sizes: { desired: number; max: number },
): Record<string, string> {
  const out: Record<string, string> = { ...current };
  for (const [key, value] of Object.entries(deployment.metadata?.annotations ?? {})) if (!NOT_COPIED.has(key)) out[key] = value;
  const before = /^\d+$/.test(current[REVISION] ?? '') ? Number(current[REVISION]) : 0;
  if (before < revision) {
    out[REVISION] = String(revision);
    if (before > 0) out[REVISION_HISTORY] = current[REVISION_HISTORY] ? `${current[REVISION_HISTORY]},${before}` : String(before);
  }
  return sized(out, sizes);
}

export function sized(annotations: Annotations, { desired, max }: { desired: number; max: number }): Record<string, string> {
  return { ...annotations, [DESIRED_REPLICAS]: String(desired), [MAX_REPLICAS]: String(max) };
}
