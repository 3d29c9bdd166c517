// Under which values each kind's objects can be found, besides their names. How the entries are kept is in state.ts.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { isPodTerminal, type PodStanding, podStanding } from '@podplane/api/pod-state';
import { claimsOf } from '@podplane/api/storage/pod-claims';
import { DATA_PROTECTION, RECLAIM_NODE } from '@podplane/api/storage/words';
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

/** "namespace/name" of the claims that a pod uses. */
function claimKeys(pod: Obj<'Pod'>): readonly string[] {
  const volumes = pod.spec?.volumes;
  // Most pods have none.
  if (!volumes?.some(({ persistentVolumeClaim, ephemeral }) => persistentVolumeClaim !== undefined || ephemeral !== undefined)) return none;
  return claimsOf(pod).map(({ name }) => `${pod.metadata?.namespace ?? ''}/${name}`);
}

/** The value of a pod's index "standing". uid: of the controller. */
export const standingKey = (uid: string, standing: PodStanding): string => `${uid} ${standing}`;

const own: IndexDefinitions = {
  ReplicaSet: { uncontrolled },
  ControllerRevision: { uncontrolled },
  Pod: {
    uncontrolled,
    /** spec.nodeName; pods without a node are under "". */
    node: (pod) => [pod.spec?.nodeName ?? ''],
    /** "namespace/name" of each claim that it uses. */
    claim: claimKeys,
    /** Pods that are over, by status.phase; others are under none. */
    over: (pod) => (isPodTerminal(pod) ? [pod.status?.phase ?? ''] : none),
    /** How the pods of a workload stand: "uid standing", see standingKey. Its numbers are asked for with countIndex at every change. */
    standing: (pod) => {
      const [uid] = controller(pod as AnyObject);
      return uid === undefined ? none : [standingKey(uid, podStanding(pod))];
    },
  },
  PersistentVolume: {
    /** "namespace/name" of the claim that it is for. */
    claim: ({ spec }) => (spec?.claimRef === undefined ? none : [`${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}`]),
    /** Its class, while no claim has it. */
    free: ({ spec }) => (spec?.claimRef?.uid ? none : [spec?.storageClassName ?? '']),
    /** "yes" while it is being deleted. */
    leaving: ({ metadata }) => (metadata?.deletionTimestamp === undefined ? none : ['yes']),
    /** The node that shall remove its data. */
    reclaim: ({ metadata }) => {
      const node = metadata?.annotations[RECLAIM_NODE];
      return node === undefined || metadata?.deletionTimestamp === undefined || !metadata.finalizers.includes(DATA_PROTECTION)
        ? none
        : [node];
    },
  },
  PersistentVolumeClaim: {
    /** Its class, as long as it has no volume. */
    unbound: ({ spec }) => (spec?.volumeName ? none : [spec?.storageClassName ?? '']),
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
