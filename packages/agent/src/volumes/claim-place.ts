// Where on this host the volume of a claim is. Pure; making and mounting it is claim-volumes.ts.
import type { PersistentVolume } from '@podplane/api/gen/podplane/core/v1/persistent_volume';
import type { HostPathVolumeSource } from '@podplane/api/gen/podplane/core/v1/volume';
import { NODE_LOCAL_DRIVER, PROVISIONED_BY, SHARED_DIRECTORY_DRIVER } from '@podplane/api/storage/words';

/** made: by a provisioner of ours; others must be there already. */
export type ClaimPlace =
  | { readonly kind: 'engine'; readonly name: string; readonly made: boolean }
  | { readonly kind: 'directory'; readonly path: string; readonly requireMount: boolean; readonly made: boolean }
  | { readonly kind: 'local'; readonly path: string }
  | { readonly kind: 'hostPath'; readonly source: HostPathVolumeSource };

/** undefined: this agent knows no such volumes. */
export function placeOf({ metadata, spec }: PersistentVolume): ClaimPlace | undefined {
  const made = metadata?.annotations[PROVISIONED_BY] !== undefined;
  if (spec?.csi?.driver === NODE_LOCAL_DRIVER) return { kind: 'engine', name: spec.csi.volumeHandle, made };
  if (spec?.csi?.driver === SHARED_DIRECTORY_DRIVER) {
    return { kind: 'directory', path: spec.csi.volumeHandle, requireMount: spec.csi.volumeAttributes['requireMount'] !== 'false', made };
  }
  if (spec?.local !== undefined) return { kind: 'local', path: spec.local.path };
  return spec?.hostPath === undefined ? undefined : { kind: 'hostPath', source: spec.hostPath };
}

/** Whether the volume itself may not be written to, whatever the pod says. */
export function isReadOnly({ spec }: PersistentVolume): boolean {
  return spec?.csi?.readOnly === true;
}
