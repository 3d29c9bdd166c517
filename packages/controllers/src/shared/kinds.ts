// Kinds that are known only at run time.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { allKinds, isKind, kindNames } from '@podplane/api/kinds/kind-names';
import type { ReadView, Tx } from '@podplane/store/types';
import { podDeletionGrace } from './delete-pod.js';
import { nameOf, namespaceOf } from './objects.js';

export { allKinds, isKind, kindNames };

/** "Kind/namespace/name". */
export const anyKeyOf = (kind: Kind, object: Obj): string => `${kind}/${namespaceOf(object)}/${nameOf(object)}`;

export interface AnyKey {
  readonly kind: Kind;
  readonly namespace: string;
  readonly name: string;
}

export function parseAnyKey(key: string): AnyKey | undefined {
  const [kind = '', namespace = '', name = ''] = key.split('/');
  return isKind(kind) ? { kind, namespace, name } : undefined;
}

/** Asks for the deletion of an object of any kind, pods with their own grace. */
export function deleteAny(tx: Tx, kind: Kind, object: Obj): void {
  const grace = kind === 'Pod' ? podDeletionGrace(object as Obj<'Pod'>) : 0;
  tx.markDeleted(kind, namespaceOf(object), nameOf(object), grace);
}

/** An object of any kind with other metadata. */
export function withMetadata(tx: Tx, kind: Kind, object: Obj, changes: Partial<NonNullable<Obj['metadata']>>): Obj {
  if (object.metadata === undefined) return object;
  return tx.update(kind, { ...object, metadata: { ...object.metadata, ...changes } } as Obj, 'any');
}

export interface Dependent {
  readonly kind: Kind;
  readonly object: Obj;
}

/** Objects of all kinds that name an owner. */
export function* dependentsOf(view: ReadView, uid: string): Generator<Dependent> {
  for (const kind of allKinds) for (const object of view.index(kind, 'owner', uid)) yield { kind, object };
}

/** Whether any object names it as an owner. */
export const hasDependents = (view: ReadView, owner: Obj): boolean =>
  allKinds.some((kind) => view.countIndex(kind, 'owner', owner.metadata?.uid ?? '') > 0);
