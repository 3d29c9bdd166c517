// Under which values each kind's objects can be found, besides their names. How the entries are kept is in state.ts.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { type AnyObject, metadataOf } from './object.js';

/** The values under which an object is found. Pure; no value twice. */
export type IndexValues = (object: AnyObject) => readonly string[];

export type IndexDefinitions = { readonly [K in Kind]?: Readonly<Record<string, (object: Obj<K>) => readonly string[]>> };

const none: readonly string[] = Object.freeze([]);

/** uids of all owners. */
function owners(object: AnyObject): readonly string[] {
  const references = metadataOf(object).ownerReferences;
  if (references.length === 0) return none;
  if (references.length === 1) return [references[0]?.uid ?? ''];
  return [...new Set(references.map((reference) => reference.uid))];
}

/** uid of the one owner that controls it. */
function controller(object: AnyObject): readonly string[] {
  for (const reference of metadataOf(object).ownerReferences) if (reference.controller === true) return [reference.uid];
  return none;
}

/** Every kind has these. */
const common: Readonly<Record<string, IndexValues>> = { owner: owners, controller };

/** The namespace of an object that nobody controls: where a controller looks for what it may adopt. */
function uncontrolled(object: AnyObject): readonly string[] {
  return controller(object).length > 0 ? none : [metadataOf(object).namespace ?? ''];
}

const own: IndexDefinitions = {
  ReplicaSet: { uncontrolled },
  ControllerRevision: { uncontrolled },
  Pod: {
    uncontrolled,
    /** spec.nodeName; pods without a node are under "". */
    node: (pod) => [pod.spec?.nodeName ?? ''],
    /** status.phase; a pod without status is under "Pending". */
    phase: (pod) => [pod.status?.phase || 'Pending'],
  },
  Event: {
    /** uid of the object concerned. */
    involved: (event) => [event.involvedObject?.uid ?? ''],
  },
};

/** All indexes of a kind by name. */
export function indexesOf(kind: Kind): ReadonlyMap<string, IndexValues> {
  const named = (own[kind] ?? {}) as Readonly<Record<string, IndexValues>>;
  return new Map([...Object.entries(common), ...Object.entries(named)]);
}

/** Whether two answers of one index are the same. */
export function sameValues(a: readonly string[], b: readonly string[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
