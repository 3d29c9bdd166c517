// Deleting an object with a policy for what it owns. Carried out by the finalizers that controller.ts works off.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import type { Tx } from '@podplane/store/types';
import { podDeletionGrace } from '../shared/delete-pod.js';
import { withMetadata } from '../shared/kinds.js';
import { nameOf, namespaceOf } from '../shared/objects.js';

export const FOREGROUND = 'foregroundDeletion';
export const ORPHAN = 'orphan';

export type Propagation = 'Background' | 'Foreground' | 'Orphan';

export interface DeletionOptions {
  /** Default Background. */
  readonly propagation?: Propagation | undefined;
  /** For pods; default: their own grace. 0: gone at once, whatever still runs. */
  readonly graceSeconds?: number | undefined;
}

/** Asks for the deletion of an object. Returns it as it is then; undefined: it is gone. */
export function deleteWithPropagation<K extends Kind>(tx: Tx, kind: K, object: Obj<K>, options: DeletionOptions = {}): Obj<K> | undefined {
  const wanted = options.propagation === 'Foreground' ? FOREGROUND : options.propagation === 'Orphan' ? ORPHAN : undefined;
  const finalizers = object.metadata?.finalizers ?? [];
  // Once deletion is asked for, no finalizer can be added: the first policy stands.
  if (wanted !== undefined && !finalizers.includes(wanted) && object.metadata?.deletionTimestamp === undefined) {
    const others = finalizers.filter((finalizer) => finalizer !== FOREGROUND && finalizer !== ORPHAN);
    withMetadata(tx, kind, object as Obj, { finalizers: [...others, wanted] });
  }
  let grace = 0;
  if (kind === 'Pod') grace = options.graceSeconds === 0 ? 0 : podDeletionGrace(object as Obj<'Pod'>, options.graceSeconds);
  return tx.markDeleted(kind, namespaceOf(object), nameOf(object), grace);
}
