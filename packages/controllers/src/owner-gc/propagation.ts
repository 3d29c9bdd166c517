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
  /** Default: as its finalizers say, else Background. */
  readonly propagation?: Propagation | undefined;
  /** For pods; default: their own grace. 0: gone at once, whatever still runs. */
  readonly graceSeconds?: number | undefined;
}

/** Asks for the deletion of an object. Returns it as it is then; undefined: it is gone. */
export function deleteWithPropagation<K extends Kind>(tx: Tx, kind: K, object: Obj<K>, options: DeletionOptions = {}): Obj<K> | undefined {
  const wanted = options.propagation === 'Foreground' ? FOREGROUND : options.propagation === 'Orphan' ? ORPHAN : undefined;
  const finalizers = object.metadata?.finalizers ?? [];
  // Who says how overrules what the object's finalizers say, also in the background; once deletion is asked for, the first policy stands.
  if (options.propagation !== undefined && object.metadata?.deletionTimestamp === undefined) {
    const others = finalizers.filter((finalizer) => finalizer !== FOREGROUND && finalizer !== ORPHAN);
    const next = wanted === undefined ? others : [...others, wanted];
    const same = next.length === finalizers.length && next.every((finalizer) => finalizers.includes(finalizer));
    if (!same) withMetadata(tx, kind, object as Obj, { finalizers: next });
  }
  let grace = 0;
  if (kind === 'Pod') grace = options.graceSeconds === 0 ? 0 : podDeletionGrace(object as Obj<'Pod'>, options.graceSeconds);
  return tx.markDeleted(kind, namespaceOf(object), nameOf(object), grace);
}
