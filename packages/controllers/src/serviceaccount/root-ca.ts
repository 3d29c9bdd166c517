// The ConfigMap kube-root-ca.crt of every namespace: made again when it is deleted, put right when its data is changed. What it is for is in
// ../admission/service-account.ts.
import { deepEqual } from '@podplane/api/kinds/equal';
import { isBeingDeleted } from '@podplane/api/pod-state';
import type { Change, ReadView } from '@podplane/store/types';
import { ROOT_CA, ROOT_CA_KEY } from '../admission/service-account.js';
import type { ReconcileContext, ReconcileResult, Reconciler } from '../runtime/types.js';
import { nameOf, namespaceOf } from '../shared/objects.js';
import { newRootCa } from './bootstrap.js';

export class RootCaController implements Reconciler {
  readonly name = 'root-ca';

  /** pem: the certificate of the cluster's authority. */
  constructor(private readonly pem: string) {}

  *keysFor(change: Change): Iterable<string> {
    if (change.kind === 'Namespace' && change.type === 'added') yield nameOf(change.object);
    else if (change.kind === 'ConfigMap' && nameOf(change.object) === ROOT_CA) yield namespaceOf(change.object);
  }

  *allKeys(view: ReadView): Iterable<string> {
    for (const namespace of view.list('Namespace')) yield nameOf(namespace);
  }

  reconcile(namespace: string, context: ReconcileContext): ReconcileResult {
    const { tx } = context;
    const home = tx.get('Namespace', '', namespace);
    if (home === undefined || isBeingDeleted(home)) return undefined;
    const found = tx.get('ConfigMap', namespace, ROOT_CA);
    if (found === undefined) {
      context.because(`namespace ${namespace} has no ConfigMap ${ROOT_CA}`);
      tx.create('ConfigMap', newRootCa(namespace, this.pem));
      return undefined;
    }
    const data = { [ROOT_CA_KEY]: this.pem };
    if (isBeingDeleted(found) || (deepEqual(found.data, data) && Object.keys(found.binaryData).length === 0)) return undefined;
    context.because(`ConfigMap ${ROOT_CA} does not hold the cluster's authority`);
    if (found.immutable === true) {
      // An immutable one cannot be put right, and its reader must not trust what somebody else wrote into it.
      tx.markDeleted('ConfigMap', namespace, ROOT_CA, 0);
      return undefined;
    }
    tx.update('ConfigMap', { ...found, data, binaryData: {} }, 'any');
    return undefined;
  }
}
