// How a volume looks that is made for a claim. Pure. Its data is made by the node's agent when the
// first pod uses it.
import type { PersistentVolume } from '@podplane/api/gen/podplane/core/v1/persistent_volume';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { onlyNode } from '@podplane/api/storage/matching';
import {
  DATA_PROTECTION,
  NODE_LOCAL,
  NODE_LOCAL_DRIVER,
  PROVISIONED_BY,
  SHARED_DIRECTORY_DRIVER,
  VOLUME_PROTECTION,
} from '@podplane/api/storage/words';
import { nameOf, namespaceOf, uidOf } from '../shared/objects.js';

type Claim = Obj<'PersistentVolumeClaim'>;

/** node: where its first pod runs; of a shared directory all nodes reach it. */
export function newVolume(claim: Claim, sc: Obj<'StorageClass'>, node: Obj<'Node'> | undefined): PersistentVolume {
  const name = `pvc-${uidOf(claim)}`;
  const local = sc.provisioner === NODE_LOCAL;
  const requests = claim.spec?.resources?.requests['storage'] ?? '0';
  const requireMount = sc.parameters['requireMount'];
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: {
      name,
      labels: {},
      annotations: { [PROVISIONED_BY]: sc.provisioner },
      ownerReferences: [],
      finalizers: [VOLUME_PROTECTION, DATA_PROTECTION],
      managedFields: [],
    },
    spec: {
      capacity: { storage: requests },
      accessModes: [...(claim.spec?.accessModes ?? [])],
      persistentVolumeReclaimPolicy: sc.reclaimPolicy || 'Delete',
      storageClassName: nameOf(sc),
      volumeMode: claim.spec?.volumeMode || 'Filesystem',
      mountOptions: [],
      csi: {
        driver: local ? NODE_LOCAL_DRIVER : SHARED_DIRECTORY_DRIVER,
        // Names of namespaces and claims hold no slash, and the last part is unique.
        volumeHandle: local ? name : `${sc.parameters['path'] ?? ''}/${namespaceOf(claim)}-${nameOf(claim)}-${name}`,
        volumeAttributes: !local && requireMount !== undefined ? { requireMount } : {},
      },
      nodeAffinity:
        local && node !== undefined ? { required: onlyNode({ name: nameOf(node), labels: node.metadata?.labels ?? {} }) } : undefined,
    },
    status: { phase: 'Pending' },
  };
}
