// Namespaces: that one being deleted loses its content first, and that each holds the finalizer which makes deletion wait for that.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted } from '@podplane/api/pod-state';
import type { Change, ReadView } from '@podplane/store/types';
import type { ReconcileContext, ReconcileResult, Reconciler } from '../runtime/types.js';
import { allKinds, deleteAny, kindNames } from '../shared/kinds.js';
import { nameOf, namespaceOf } from '../shared/objects.js';
import { CONTENT_FINALIZER, SPEC_FINALIZER } from './bootstrap.js';
import { Remains, terminating } from './remains.js';

type Namespace = Obj<'Namespace'>;

/** Most objects deleted in one reconcile. */
const BURST = 500;
// Owners first, so that nobody makes anew what is deleted after them; events last.
const FIRST: readonly Kind[] = ['CronJob', 'Job', 'Deployment', 'ReplicaSet', 'ReplicationController', 'StatefulSet', 'DaemonSet', 'Pod'];
const ORDER: readonly Kind[] = [...FIRST, ...allKinds.filter((kind) => kindNames[kind].namespaced && !FIRST.includes(kind))];

export class NamespaceController implements Reconciler {
  readonly name = 'namespace';

  *keysFor(change: Change, view: ReadView): Iterable<string> {
    if (change.kind === 'Namespace') {
      if (change.type !== 'deleted') yield nameOf(change.object);
      return;
    }
    const namespace = namespaceOf(change.object);
    if (namespace === '' || (change.type === 'modified' && !letsGo(change))) return;
    const home = view.get('Namespace', '', namespace);
    if (home !== undefined && isBeingDeleted(home)) yield namespace;
  }

  *allKeys(view: ReadView): Iterable<string> {
    for (const namespace of view.list('Namespace')) yield nameOf(namespace);
  }

  reconcile(name: string, context: ReconcileContext): ReconcileResult {
    const namespace = context.tx.get('Namespace', '', name);
    if (namespace === undefined) return undefined;
    if (isBeingDeleted(namespace)) return emptyNamespace(context, namespace);
    prepare(context, namespace);
    return undefined;
  }
}

/** Whether an object has other finalizers than before: what its namespace waits for is told anew. */
function letsGo({ object, previous }: Change): boolean {
  const [now, before] = [object.metadata?.finalizers, previous?.metadata?.finalizers];
  return now !== before && (now?.length !== before?.length || now?.some((one, i) => one !== before?.[i]) === true);
}

/** A namespace made by a client gets what its deletion will need. */
function prepare(context: ReconcileContext, namespace: Namespace): void {
  const metadata = namespace.metadata;
  if (metadata === undefined) return;
  const finalizers = metadata.finalizers.includes(CONTENT_FINALIZER) ? metadata.finalizers : [...metadata.finalizers, CONTENT_FINALIZER];
  const specFinalizers = namespace.spec?.finalizers.includes(SPEC_FINALIZER)
    ? namespace.spec.finalizers
    : [...(namespace.spec?.finalizers ?? []), SPEC_FINALIZER];
  context.because(`namespace ${nameOf(namespace)} holds what its deletion will wait for`, namespace);
  const phase = namespace.status?.phase ?? 'Active';
  const status = { conditions: [], ...namespace.status, phase };
  context.tx.update(
    'Namespace',
    { ...namespace, metadata: { ...metadata, finalizers }, spec: { ...namespace.spec, finalizers: specFinalizers }, status },
    'any',
  );
}

function emptyNamespace(context: ReconcileContext, namespace: Namespace): ReconcileResult {
  const { tx } = context;
  const name = nameOf(namespace);
  const left = new Remains();
  let budget = BURST;
  for (const kind of ORDER) {
    for (const object of Array.from(tx.list(kind, name))) {
      if (budget > 0 && !isBeingDeleted(object)) {
        budget--;
        deleteAny(tx, kind, object);
      }
      const now = tx.get(kind, name, nameOf(object));
      if (now !== undefined) left.add(kind, now);
    }
  }
  context.because(`namespace ${name} is deleted`, namespace);
  const metadata = namespace.metadata;
  if (metadata === undefined) return undefined;
  context.becauseFor(namespace, `namespace ${name} is deleted and ${left.some ? 'not empty yet' : 'has nothing left'}`);
  if (left.some) {
    tx.update('Namespace', { ...namespace, status: terminating(namespace, left, tx.now) }, 'any');
    return budget === 0 ? { requeueAfterMs: 0 } : undefined;
  }
  const spec = { ...namespace.spec, finalizers: (namespace.spec?.finalizers ?? []).filter((finalizer) => finalizer !== SPEC_FINALIZER) };
  const finalizers = metadata.finalizers.filter((finalizer) => finalizer !== CONTENT_FINALIZER);
  const status = terminating(namespace, left, tx.now);
  tx.update('Namespace', { ...namespace, metadata: { ...metadata, finalizers }, spec, status }, 'any');
  return undefined;
}
