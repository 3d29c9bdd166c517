// Service accounts: every namespace has the one that its pods run as where they name none. What an account may do is not here.
import { isBeingDeleted } from '@podplane/api/pod-state';
import type { Change, ReadView } from '@podplane/store/types';
import { DEFAULT_ACCOUNT } from '../admission/service-account.js';
import type { ReconcileContext, ReconcileResult, Reconciler } from '../runtime/types.js';
import { nameOf, namespaceOf } from '../shared/objects.js';
import { newDefaultAccount } from './bootstrap.js';

export class ServiceAccountController implements Reconciler {
  readonly name = 'serviceaccount';

  *keysFor(change: Change): Iterable<string> {
    if (change.kind === 'Namespace' && change.type === 'added') yield nameOf(change.object);
    else if (change.kind === 'ServiceAccount' && change.type === 'deleted' && nameOf(change.object) === DEFAULT_ACCOUNT)
      yield namespaceOf(change.object);
  }

  *allKeys(view: ReadView): Iterable<string> {
    for (const namespace of view.list('Namespace')) yield nameOf(namespace);
  }

  reconcile(namespace: string, context: ReconcileContext): ReconcileResult {
    const { tx } = context;
    const home = tx.get('Namespace', '', namespace);
    if (home === undefined || isBeingDeleted(home) || tx.get('ServiceAccount', namespace, DEFAULT_ACCOUNT) !== undefined) return undefined;
    context.because(`namespace ${namespace} has no default service account`);
    tx.create('ServiceAccount', newDefaultAccount(namespace));
    return undefined;
  }
}
