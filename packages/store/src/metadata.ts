// The rules for metadata that hold for every write, whoever makes it: what a new object gets, what an update may not change,
// when generation grows, what asking for deletion sets. Pure. Reading and keeping objects is in tx.ts.
import type { Kind } from '@podplane/api/kinds/kind-map';
import { conflict, invalid } from './errors.js';
import { type AnyObject, type Metadata, metadataOf } from './object.js';
import { equalPlain } from './plain.js';

// As in Kubernetes (pods since 1.33): the other kinds have no generation there.
const kindsWithGeneration: ReadonlySet<Kind> = new Set<Kind>([
  'Pod',
  'Deployment',
  'ReplicaSet',
  'DaemonSet',
  'StatefulSet',
  'Job',
  'CronJob',
  'PodTemplate',
  'ReplicationController',
  'PodDisruptionBudget',
]);

/** Of a name with a generated end: 63 characters, 5 of them generated. */
export const GENERATED_SUFFIX_LENGTH = 5;
const LONGEST_GENERATED_BASE = 63 - GENERATED_SUFFIX_LENGTH;

export function generatedName(base: string, suffix: string): string {
  return base.slice(0, LONGEST_GENERATED_BASE) + suffix;
}

/** The second that was last asked for, with its text: a thousand pods made in one second share it. */
let lastSecond = Number.NaN;
let lastText = '';

/** RFC 3339 in whole seconds, as Kubernetes writes times in metadata. Throws RangeError for what is no time. */
export function timeText(ms: number): string {
  const second = Math.floor(ms / 1000);
  if (second !== lastSecond) {
    lastText = `${new Date(second * 1000).toISOString().slice(0, 19)}Z`;
    lastSecond = second;
  }
  return lastText;
}

interface NewStamp {
  readonly name: string;
  readonly uid: string;
  readonly now: number;
  readonly resourceVersion: string;
}

/** The object as it is when it has just been created. */
export function stampNew(kind: Kind, object: AnyObject, stamp: NewStamp): AnyObject {
  const metadata: Metadata = {
    ...metadataOf(object),
    name: stamp.name,
    uid: stamp.uid,
    creationTimestamp: timeText(stamp.now),
    resourceVersion: stamp.resourceVersion,
    generation: kindsWithGeneration.has(kind) ? 1 : undefined,
    deletionTimestamp: undefined,
    deletionGracePeriodSeconds: undefined,
  };
  return { ...object, kind: object.kind === '' ? kind : object.kind, metadata };
}

/**
 * next with what an update cannot change taken from current: uid, creationTimestamp, deletion, generation, resourceVersion.
 * Throws "conflict" where next says another uid, "invalid" where it adds a finalizer to an object that is being deleted.
 */
export function keepIdentity(kind: Kind, current: AnyObject, next: AnyObject): AnyObject {
  const old = metadataOf(current);
  const given = metadataOf(next);
  const subject = { kind, namespace: old.namespace, name: old.name };
  if (given.uid !== undefined && given.uid !== '' && given.uid !== old.uid) {
    throw conflict(subject, `its uid is ${old.uid ?? ''}, not ${given.uid}`);
  }
  if (old.deletionTimestamp !== undefined && given.finalizers.some((finalizer) => !old.finalizers.includes(finalizer))) {
    throw invalid('metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted', subject);
  }
  const metadata: Metadata = {
    ...given,
    namespace: old.namespace,
    uid: old.uid,
    resourceVersion: old.resourceVersion,
    generation: old.generation,
    creationTimestamp: old.creationTimestamp,
    deletionTimestamp: old.deletionTimestamp,
    deletionGracePeriodSeconds: old.deletionGracePeriodSeconds,
  };
  return {
    ...next,
    apiVersion: next.apiVersion === '' ? current.apiVersion : next.apiVersion,
    kind: next.kind === '' ? current.kind : next.kind,
    metadata,
  };
}

/** Whether anything but metadata and status differs. */
function specChanged(before: AnyObject, after: AnyObject): boolean {
  const rest = { metadata: undefined, status: undefined };
  return !equalPlain({ ...before, ...rest }, { ...after, ...withoutBinding(before, after), ...rest });
}

/** That a pod was given a node is no change of what somebody wants: as in Kubernetes it leaves the generation alone. */
function withoutBinding(before: AnyObject, after: AnyObject): object {
  if (after.kind !== 'Pod' || !('spec' in before) || !('spec' in after) || before.spec === after.spec) return {};
  const { spec: old } = before as { readonly spec?: { readonly nodeName?: string } };
  const { spec } = after as { readonly spec?: { readonly nodeName?: string } };
  return old === undefined || spec === undefined || old.nodeName ? {} : { spec: { ...spec, nodeName: old.nodeName } };
}

/** The changed object with its new resourceVersion; generation is counted from what was committed, so it grows once a transaction. */
export function stampChanged(kind: Kind, committed: AnyObject | undefined, object: AnyObject, resourceVersion: string): AnyObject {
  const metadata = metadataOf(object);
  let generation = metadata.generation;
  if (kindsWithGeneration.has(kind)) {
    const before = committed === undefined ? undefined : metadataOf(committed);
    if (committed === undefined || before?.uid !== metadata.uid) {
      generation = 1; // created by this very transaction
    } else {
      const deletionAsked = metadata.deletionTimestamp !== undefined && before?.deletionTimestamp === undefined;
      generation = (before?.generation ?? 0) + (specChanged(committed, object) || deletionAsked ? 1 : 0);
    }
  }
  return { ...object, metadata: { ...metadata, generation, resourceVersion } };
}

/** The last state of an object that has been removed, with the revision of the removal. */
export function stampRemoved(object: AnyObject, resourceVersion: string): AnyObject {
  return { ...object, metadata: { ...metadataOf(object), resourceVersion } };
}

/**
 * The object with a deletion asked for, graceSeconds from now, or from the first time it was asked for: a shorter grace wins, the
 * same object comes back when a shorter or equal one stands already.
 * Throws "invalid" for a grace that is no whole number of seconds from 0 on.
 */
export function askDeletion(kind: Kind, object: AnyObject, graceSeconds: number, now: number): AnyObject {
  const metadata = metadataOf(object);
  if (!Number.isSafeInteger(graceSeconds) || graceSeconds < 0) {
    throw invalid(`a grace period of ${graceSeconds} is not a whole number of seconds from 0 on`, {
      kind,
      namespace: metadata.namespace,
      name: metadata.name,
    });
  }
  let from = now;
  if (metadata.deletionTimestamp !== undefined) {
    const grace = metadata.deletionGracePeriodSeconds ?? 0;
    if (graceSeconds >= grace) return object;
    from = Date.parse(metadata.deletionTimestamp) - grace * 1000; // when it was asked first, as Kubernetes counts
  }
  const deadline = timeText(from + graceSeconds * 1000);
  return { ...object, metadata: { ...metadata, deletionTimestamp: deadline, deletionGracePeriodSeconds: graceSeconds } };
}

/** Nothing keeps it any more: deletion was asked for, its grace is 0, and no finalizer is left. */
export function removable(object: AnyObject): boolean {
  const metadata = metadataOf(object);
  return metadata.deletionTimestamp !== undefined && (metadata.deletionGracePeriodSeconds ?? 0) === 0 && metadata.finalizers.length === 0;
}
