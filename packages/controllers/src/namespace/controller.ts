// Namespaces: that one being deleted loses its content first, and that each holds the finalizer which makes deletion wait for that. What of it
// is to be deleted is remembered while it goes, and what is left the store counts: a look costs what it deletes, however much there is.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted } from '@podplane/api/pod-state';
import type { Change, ReadView, Tx } from '@podplane/store/types';
import type { ReconcileContext, ReconcileResult, Reconciler } from '../runtime/types.js';
import { Backlog } from '../shared/backlog.js';
import { allKinds, deleteAny, kindNames } from '../shared/kinds.js';
import { nameOf, namespaceOf, uidOf } from '../shared/objects.js';
import { CONTENT_FINALIZER, SPEC_FINALIZER } from './bootstrap.js';
import { Remains, terminating } from './remains.js';

type Namespace = Obj<'Namespace'>;

/** Most objects deleted in one reconcile. */
const BURST = 250;
/** Where so many objects are left, what is left is told no more often than every TELL_MS, ms. */
const MANY = 100;
const TELL_MS = 1000;

// Owners first, so that nobody makes anew what is deleted after them; events last.
const FIRST: readonly Kind[] = ['CronJob', 'Job', 'Deployment', 'ReplicaSet', 'ReplicationController', 'StatefulSet', 'DaemonSet', 'Pod'];
const ORDER: readonly Kind[] = [...FIRST, ...allKinds.filter((kind) => kindNames[kind].namespaced && !FIRST.includes(kind))];

/** A namespace that goes. */
interface Going {
  readonly uid: string;
  /** What is still to be deleted. */
  readonly open: Backlog;
  /** When it was last told what is left, monotonic. */
  told: number;
}

export class NamespaceController implements Reconciler {
  readonly name = 'namespace';
  /** By name. Losing it costs one look at all that is there. */
  readonly #going = new Map<string, Going>();

  *keysFor(change: Change, view: ReadView): Iterable<string> {
    if (change.kind === 'Namespace') {
      if (change.type !== 'deleted') yield nameOf(change.object);
      return;
    }
    const namespace = namespaceOf(change.object);
    if (namespace === '' || (change.type === 'modified' && !letsGo(change))) return;
    const home = view.get('Namespace', '', namespace);
    if (home === undefined || !isBeingDeleted(home)) return;
    // Somebody was in the middle of making it when the namespace began to go.
    if (change.type === 'added') this.#going.get(namespace)?.open.add(change.kind, change.object);
    yield namespace;
  }

  *allKeys(view: ReadView): Iterable<string> {
    this.#going.clear(); // what came meanwhile was not told
    for (const namespace of view.list('Namespace')) yield nameOf(namespace);
  }

  reconcile(name: string, context: ReconcileContext): ReconcileResult {
    const namespace = context.tx.get('Namespace', '', name);
    if (namespace === undefined || !isBeingDeleted(namespace)) {
      this.#going.delete(name);
      if (namespace !== undefined) prepare(context, namespace);
      return undefined;
    }
    try {
      return this.#empty(context, namespace);
    } catch (error) {
      this.#going.delete(name); // what it deleted is undone
      throw error;
    }
  }

  #goingOf(namespace: Namespace, tx: Tx): Going {
    const name = nameOf(namespace);
    const known = this.#going.get(name);
    if (known?.uid === uidOf(namespace)) return known;
    const open = new Backlog();
    for (const kind of ORDER) for (const object of tx.list(kind, name)) if (!isBeingDeleted(object)) open.add(kind, object);
    const going = { uid: uidOf(namespace), open, told: Number.NEGATIVE_INFINITY };
    this.#going.set(name, going);
    return going;
  }

  #empty(context: ReconcileContext, namespace: Namespace): ReconcileResult {
    const { tx, monotonic } = context;
    const name = nameOf(namespace);
    const going = this.#goingOf(namespace, tx);
    for (const { kind, object } of going.open.take(tx, BURST)) if (!isBeingDeleted(object)) deleteAny(tx, kind, object);
    context.because(`namespace ${name} is deleted`, namespace);
    const counts = ORDER.map((kind) => [kind, tx.count(kind, name)] as const).filter(([, count]) => count > 0);
    const total = counts.reduce((sum, [, count]) => sum + count, 0);
    context.becauseFor(namespace, `namespace ${name} is deleted and ${total > 0 ? 'not empty yet' : 'has nothing left'}`);
    if (total === 0) {
      finish(tx, namespace);
      return undefined;
    }
    const wait = going.told + TELL_MS - monotonic;
    if (total > MANY && wait > 0) return { requeueAfterMs: going.open.size > 0 ? 0 : wait };
    going.told = monotonic;
    const left = new Remains();
    const all = going.open.size === 0;
    for (const [kind] of counts) {
      for (const object of tx.list(kind, name)) {
        left.add(kind, object);
        if (all && !isBeingDeleted(object)) going.open.add(kind, object);
      }
    }
    tx.update('Namespace', { ...namespace, status: terminating(namespace, left, tx.now) }, 'any');
    return going.open.size > 0 ? { requeueAfterMs: 0 } : undefined;
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

/** Nothing is left in it. */
function finish(tx: Tx, namespace: Namespace): void {
  const { metadata } = namespace;
  if (metadata === undefined) return;
  const spec = { ...namespace.spec, finalizers: (namespace.spec?.finalizers ?? []).filter((finalizer) => finalizer !== SPEC_FINALIZER) };
  const finalizers = metadata.finalizers.filter((finalizer) => finalizer !== CONTENT_FINALIZER);
  const status = terminating(namespace, new Remains(), tx.now);
  tx.update('Namespace', { ...namespace, metadata: { ...metadata, finalizers }, spec, status }, 'any');
}
