// Whether a claim may ask for more than it has: its class decides. What may change in a claim besides is in the kind.
import { forbiddenCall } from '@podplane/api/errors';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { tryParseQuantity } from '@podplane/api/quantity';
import { PROVISIONED_BY } from '@podplane/api/storage/words';
import type { ReadView } from '@podplane/store/types';

type Claim = Obj<'PersistentVolumeClaim'>;

const asked = (claim: Claim): bigint => tryParseQuantity(claim.spec?.resources?.requests['storage'] ?? '')?.nano ?? 0n;

/** Throws ApiError Forbidden where a bound claim grows whose class, or whose volume, does not allow it. */
export function checkClaimGrowth(view: ReadView, next: Claim, previous: Claim): void {
  if (asked(next) <= asked(previous)) return;
  const sc = previous.spec?.storageClassName ? view.get('StorageClass', '', previous.spec.storageClassName) : undefined;
  const volume = previous.spec?.volumeName ? view.get('PersistentVolume', '', previous.spec.volumeName) : undefined;
  if (sc?.allowVolumeExpansion === true && volume?.metadata?.annotations[PROVISIONED_BY] !== undefined) return;
  const name = previous.metadata?.name ?? '';
  throw forbiddenCall(
    `persistentvolumeclaims "${name}" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize`,
    { target: { kind: 'PersistentVolumeClaim', namespace: previous.metadata?.namespace ?? '', name } },
  );
}
