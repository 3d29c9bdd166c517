import { PersistentVolume } from '@podplane/api/gen/podplane/core/v1/persistent_volume';
import { PersistentVolumeClaim } from '@podplane/api/gen/podplane/core/v1/persistent_volume_claim';
import { StorageClass } from '@podplane/api/gen/podplane/storage/v1/storage_class';
import type { ReadView } from '@podplane/store/types';
import { expect, test } from 'vitest';
import { checkClaimGrowth } from './claim-growth.js';

const REFUSED =
  'persistentvolumeclaims "data" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize';

function claim(storage: string): PersistentVolumeClaim {
  return PersistentVolumeClaim.fromJSON({
    metadata: { name: 'data', namespace: 'default' },
    spec: { storageClassName: 'c', volumeName: 'v', resources: { requests: { storage } } },
  });
}

test.each<[string, string, boolean, boolean, boolean]>([
  // before, after, the class allows it, made by a provisioner, is refused
  ['1Gi', '2Gi', true, true, false],
  ['1Gi', '2Gi', false, true, true],
  ['1Gi', '2Gi', true, false, true],
  ['1Gi', '1024Mi', false, false, false],
  ['2Gi', '1Gi', false, false, false],
])('from %s to %s, allowed: %s, provisioned: %s; refused: %s', (before, after, allowVolumeExpansion, provisioned, refused) => {
  const annotations: Record<string, string> = provisioned ? { 'pv.kubernetes.io/provisioned-by': 'podplane.dev/node-local' } : {};
  const objects = {
    StorageClass: StorageClass.fromPartial({ allowVolumeExpansion }),
    PersistentVolume: PersistentVolume.fromPartial({ metadata: { annotations } }),
  };
  const view = { get: (kind: keyof typeof objects) => objects[kind] } as unknown as ReadView;
  const check = (): void => checkClaimGrowth(view, claim(after), claim(before));
  if (refused) expect(check).toThrow(REFUSED);
  else expect(check).not.toThrow();
});
