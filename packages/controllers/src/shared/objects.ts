// Small questions to objects of any kind, and references between them.
import type { OwnerReference } from '@podplane/api/gen/podplane/meta/v1/meta';
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { kindNames } from '@podplane/api/kinds/kind-names';
import type { EventInput } from '../runtime/types.js';

export const nameOf = (object: Obj): string => object.metadata?.name ?? '';
export const namespaceOf = (object: Obj): string => object.metadata?.namespace ?? '';
export const uidOf = (object: Obj): string => object.metadata?.uid ?? '';

/** A key for queues: "namespace/name". */
export const keyOf = (object: Obj): string => `${namespaceOf(object)}/${nameOf(object)}`;

export function parseKey(key: string): { readonly namespace: string; readonly name: string } {
  const slash = key.indexOf('/');
  return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The reference that makes owner the manager of an object. */
export function controllerReference(kind: Kind, owner: Obj): OwnerReference {
  const { apiVersion } = kindNames[kind];
  return { apiVersion, kind, name: nameOf(owner), uid: uidOf(owner), controller: true, blockOwnerDeletion: true };
}

/** What an event is about. */
export function regarding(kind: Kind, object: Obj): EventInput['regarding'] {
  return { kind, namespace: namespaceOf(object), name: nameOf(object), uid: uidOf(object) };
}

/** Names for a message: all of a few, the first of many. */
export function namesText(names: readonly string[]): string {
  return names.length <= 5 ? names.join(', ') : `${names.slice(0, 4).join(', ')} and ${names.length - 4} more`;
}

/** "1 pod", "2 pods". */
export const countText = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
