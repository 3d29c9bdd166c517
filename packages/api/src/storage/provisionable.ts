// For which claims a volume can be made by their class. Pure. Who makes it is the claims' controller.
import type { Obj } from '../kinds/kind-map.js';
import { NODE_LOCAL, SHARED_DIRECTORY } from './words.js';

export type Provisionable =
  | { readonly ok: true }
  | { readonly ok: false; readonly type: 'Normal' | 'Warning'; readonly reason: string; readonly message: string };

/** Whether a volume can be made for the claim by its class, and if not, what to tell. */
export function provisionable(claim: Obj<'PersistentVolumeClaim'>, { provisioner }: Obj<'StorageClass'>): Provisionable {
  const failed = (message: string): Provisionable => ({ ok: false, type: 'Warning', reason: 'ProvisioningFailed', message });
  if (provisioner !== NODE_LOCAL && provisioner !== SHARED_DIRECTORY) {
    const message = `Waiting for a volume to be created either by the external provisioner '${provisioner}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered.`;
    return { ok: false, type: 'Normal', reason: 'ExternalProvisioning', message };
  }
  const { spec } = claim;
  if (spec?.selector !== undefined) return failed(`failed to provision volume: claim.spec.selector is not supported by ${provisioner}`);
  const many = spec?.accessModes.find((mode) => mode === 'ReadWriteMany' || mode === 'ReadOnlyMany');
  if (provisioner === NODE_LOCAL && many !== undefined)
    return failed(
      `failed to provision volume: ${provisioner} makes volumes of one node: ReadWriteOnce and ReadWriteOncePod, not ${many}; see ${SHARED_DIRECTORY}`,
    );
  return { ok: true };
}
