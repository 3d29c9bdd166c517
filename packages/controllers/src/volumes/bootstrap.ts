// The storage class that is there from the first start: volumes of the node's engine, for claims that name none.
import type { StorageClass } from '@podplane/api/gen/podplane/storage/v1/storage_class';
import { DEFAULT_CLASS_ANNOTATION, NODE_LOCAL } from '@podplane/api/storage/words';
import type { Tx } from '@podplane/store/types';

export const DEFAULT_CLASS = 'node-local';

function nodeLocalClass(): StorageClass {
  return {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'StorageClass',
    metadata: {
      name: DEFAULT_CLASS,
      labels: {},
      annotations: { [DEFAULT_CLASS_ANNOTATION]: 'true' },
      ownerReferences: [],
      finalizers: [],
      managedFields: [],
    },
    provisioner: NODE_LOCAL,
    parameters: {},
    reclaimPolicy: 'Delete',
    mountOptions: [],
    allowVolumeExpansion: true,
    volumeBindingMode: 'WaitForFirstConsumer',
    allowedTopologies: [],
  };
}

/** Makes it where there is none of its name. For the first start of a server: an administrator may remove it for good. */
export function createDefaultClass(tx: Tx): void {
  if (tx.get('StorageClass', '', DEFAULT_CLASS) === undefined) tx.create('StorageClass', nodeLocalClass());
}
