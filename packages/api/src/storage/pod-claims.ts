// Which claim stands behind a volume of a pod: one that it names, or one of its own that is made for it, named after both, as in Kubernetes.
// What claims get is matching.ts.
import type { PersistentVolumeClaim } from '../gen/podplane/core/v1/persistent_volume_claim.js';
import type { Pod } from '../gen/podplane/core/v1/pod.js';
import type { Volume } from '../gen/podplane/core/v1/volume.js';
import type { DeepReadonly } from '../kinds/kind-map.js';

/** A claim as a pod uses it. */
export interface UsedClaim {
  readonly name: string;
  /** It is made for this volume, and goes with the pod: one of the same name that is not the pod's must not be used. */
  readonly own: boolean;
}

type AnyPod = DeepReadonly<Pick<Pod, 'metadata' | 'spec'>>;

/** undefined: the volume has no claim. */
export function claimOf(pod: AnyPod, { name, persistentVolumeClaim, ephemeral }: DeepReadonly<Volume>): UsedClaim | undefined {
  if (persistentVolumeClaim !== undefined) return { name: persistentVolumeClaim.claimName, own: false };
  return ephemeral === undefined ? undefined : { name: `${pod.metadata?.name ?? ''}-${name}`, own: true };
}

/** Each claim of a pod once; one that is both named and its own counts as its own. */
export function claimsOf(pod: AnyPod): readonly UsedClaim[] {
  const found = new Map<string, UsedClaim>();
  for (const volume of pod.spec?.volumes ?? []) {
    const used = claimOf(pod, volume);
    if (used !== undefined && found.get(used.name)?.own !== true) found.set(used.name, used);
  }
  return [...found.values()];
}

/** Whether a claim was made for a volume of this pod. */
export function isClaimOfPod(claim: DeepReadonly<Pick<PersistentVolumeClaim, 'metadata'>>, pod: AnyPod): boolean {
  const uid = pod.metadata?.uid ?? '';
  return uid !== '' && claim.metadata?.ownerReferences.some((owner) => owner.controller === true && owner.uid === uid) === true;
}

/** Whether a pod uses this very claim: of those with the name of its own, only the one that was made for it. */
export function usesClaim(pod: AnyPod, claim: DeepReadonly<Pick<PersistentVolumeClaim, 'metadata'>>): boolean {
  const used = claimsOf(pod).find(({ name }) => name === claim.metadata?.name);
  return used !== undefined && pod.metadata?.namespace === claim.metadata?.namespace && (!used.own || isClaimOfPod(claim, pod));
}

/** Why a pod may not use a claim that has the name of its own; Kubernetes' words. */
export function notOwned(pod: AnyPod, claim: string): string {
  const namespace = pod.metadata?.namespace ?? '';
  return `PVC ${namespace}/${claim} was not created for pod ${namespace}/${pod.metadata?.name ?? ''} (pod is not owner)`;
}

/**
 * By what a node knows the claim of a volume: its name; of a pod's own with the pod's uid, which no name contains, so that one of the same name
 * that is somebody else's is never taken for it.
 */
export function claimHandle(pod: AnyPod, used: UsedClaim): string {
  return used.own ? `${used.name}@${pod.metadata?.uid ?? ''}` : used.name;
}

export function parseClaimHandle(handle: string): { readonly name: string; readonly podUid: string | undefined } {
  const at = handle.indexOf('@');
  return at < 0 ? { name: handle, podUid: undefined } : { name: handle.slice(0, at), podUid: handle.slice(at + 1) };
}
