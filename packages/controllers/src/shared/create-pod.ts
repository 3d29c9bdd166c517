// Making a pod, as all controllers do it. What it looks like is in pod-mould.ts and beside each controller.
import { withEpoch } from '@podplane/api/fencing';
import type { Obj } from '@podplane/api/kinds/kind-map';
import type { Tx } from '@podplane/store/types';

/** Throws AlreadyExists. */
export function createPod(tx: Tx, pod: Obj<'Pod'>): Obj<'Pod'> {
  return tx.create('Pod', withEpoch(pod, tx.revision));
}
