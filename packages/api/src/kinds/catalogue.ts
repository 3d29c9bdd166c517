// All kinds in one table, and the ways from a word or a message to a kind. What a kind means is in its own file.
import type { Object as AnyObject } from '../gen/podplane/api/v1/object.js';
import { nearest } from '../schema/nearest.js';
import { configMapKind } from './config-map.js';
import { controllerRevisionKind } from './controller-revision.js';
import { cronJobKind } from './cron-job.js';
import { daemonSetKind } from './daemon-set.js';
import { deploymentKind } from './deployment.js';
import { eventKind } from './event.js';
import { jobKind } from './job.js';
import type { KindInfo, Readable } from './kind-info.js';
import type { Kind, KindMap } from './kind-map.js';
import { allKinds, kindNames } from './kind-names.js';
import { leaseKind } from './lease.js';
import { namespaceKind } from './namespace.js';
import { nodeKind } from './node.js';
import { persistentVolumeKind } from './persistent-volume.js';
import { persistentVolumeClaimKind } from './persistent-volume-claim.js';
import { podKind } from './pod.js';
import { podDisruptionBudgetKind } from './pod-disruption-budget.js';
import { podTemplateKind } from './pod-template-kind.js';
import { replicaSetKind } from './replica-set.js';
import { replicationControllerKind } from './replication-controller.js';
import { secretKind } from './secret.js';
import { serviceKind } from './service.js';
import { serviceAccountKind } from './service-account.js';
import { statefulSetKind } from './stateful-set.js';
import { storageClassKind } from './storage-class.js';

export type { Column, KindInfo, Readable } from './kind-info.js';

export const catalogue: { readonly [K in Kind]: KindInfo<K> } = {
  Pod: podKind,
  Node: nodeKind,
  Namespace: namespaceKind,
  ConfigMap: configMapKind,
  Secret: secretKind,
  Service: serviceKind,
  ServiceAccount: serviceAccountKind,
  Event: eventKind,
  Lease: leaseKind,
  Deployment: deploymentKind,
  ReplicaSet: replicaSetKind,
  ControllerRevision: controllerRevisionKind,
  DaemonSet: daemonSetKind,
  StatefulSet: statefulSetKind,
  Job: jobKind,
  CronJob: cronJobKind,
  PodTemplate: podTemplateKind,
  ReplicationController: replicationControllerKind,
  PodDisruptionBudget: podDisruptionBudgetKind,
  PersistentVolume: persistentVolumeKind,
  PersistentVolumeClaim: persistentVolumeClaimKind,
  StorageClass: storageClassKind,
};

/** The entry of a kind that is known only at run time: pass it objects of that kind only. */
export function kindInfo<K extends Kind>(kind: K): KindInfo<K> {
  return catalogue[kind] as unknown as KindInfo<K>;
}

// ---------------------------------------------------------------------------------------------------------------- by name

function wordsOf(kind: Kind): string[] {
  const { plural, singular, shortNames, group, version } = kindNames[kind];
  const plain = [plural, singular, kind.toLowerCase(), ...shortNames];
  if (group === '') return [...plain, ...plain.map((word) => `${word}.${version}.`)];
  return plain.flatMap((word) => [word, `${word}.${group}`, `${word}.${version}.${group}`]);
}

const byWord: ReadonlyMap<string, Kind> = new Map(allKinds.flatMap((kind) => wordsOf(kind).map((word): [string, Kind] => [word, kind])));
const byApiVersion: ReadonlyMap<string, Kind> = new Map(allKinds.map((kind) => [`${kindNames[kind].apiVersion} ${kind}`, kind]));
const byCase: ReadonlyMap<string, Kind> = new Map(allKinds.map((kind) => [catalogue[kind].oneofCase, kind]));

/** The kind that a person means: "po", "pods", "Pod", "deploy", "deployments.apps". Else words that look like it. */
export function kindByName(word: string): Kind | { readonly suggestions: readonly string[] } {
  const wanted = word.toLowerCase();
  const kind = byWord.get(wanted);
  if (kind !== undefined) return kind;
  const likeliest = nearest(wanted, byWord.keys());
  return { suggestions: likeliest === undefined ? [] : [likeliest] };
}

/** The kind of a manifest. */
export function kindByApiVersion(apiVersion: string, kind: string): Kind | undefined {
  return byApiVersion.get(`${apiVersion} ${kind}`);
}

/** Kinds that a word like "all" stands for; empty where it is no such word. */
export function kindsOfCategory(word: string): Kind[] {
  return allKinds.filter((kind) => kindNames[kind].categories.includes(word.toLowerCase()));
}

// -------------------------------------------------------------------------------------------------------------- the union

/** An object with its kind beside it, so that TypeScript knows the one from the other. */
export type AnyKindObject = { [K in Kind]: { readonly kind: K; readonly object: KindMap[K] } }[Kind];

/** An object as the arm of podplane.api.v1.Object. Not copied: encode it at once, do not change it. */
export function toObject<K extends Kind>(kind: K, object: Readable<K>): AnyObject {
  return { kind: { $case: catalogue[kind].oneofCase, value: object } as NonNullable<AnyObject['kind']> };
}

/** What arm of podplane.api.v1.Object is set; undefined where none is (or one of a newer version). */
export function fromObject(any: AnyObject): AnyKindObject | undefined {
  const arm = any.kind;
  const kind = arm === undefined ? undefined : byCase.get(arm.$case);
  return arm === undefined || kind === undefined ? undefined : ({ kind, object: arm.value } as AnyKindObject);
}
