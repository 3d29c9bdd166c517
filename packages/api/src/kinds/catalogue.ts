// All kinds in one table, and the ways from a word or a message to a kind. What a kind means is in its own file.
import type { Object as AnyObject } from '../gen/podplane/api/v1/object.js';
import { configMapKind } from './config-map.js';
import { controllerRevisionKind } from './controller-revision.js';
import { deploymentKind } from './deployment.js';
import { eventKind } from './event.js';
import type { KindInfo } from './kind-info.js';
import type { Kind, KindMap, Obj } from './kind-map.js';
import { allKinds, kindNames } from './kind-names.js';
import { leaseKind } from './lease.js';
import { namespaceKind } from './namespace.js';
import { nodeKind } from './node.js';
import { podKind } from './pod.js';
import { replicaSetKind } from './replica-set.js';
import { secretKind } from './secret.js';
import { serviceAccountKind } from './service-account.js';
import { serviceKind } from './service.js';

export type { Column, KindInfo } from './kind-info.js';

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

/** The kind that a person means: "po", "pods", "Pod", "deploy", "deployments.apps". Else words that look like it, the likeliest first. */
export function kindByName(word: string): Kind | { readonly suggestions: readonly string[] } {
  const wanted = word.toLowerCase();
  const kind = byWord.get(wanted);
  if (kind !== undefined) return kind;
  const candidates = allKinds.flatMap((one) => [kindNames[one].plural, kindNames[one].singular]);
  return { suggestions: similarWords(wanted, candidates) };
}

/** The kind of a manifest. */
export function kindByApiVersion(apiVersion: string, kind: string): Kind | undefined {
  return byApiVersion.get(`${apiVersion} ${kind}`);
}

/** Kinds that a word like "all" stands for; empty where it is no such word. */
export function kindsOfCategory(word: string): Kind[] {
  return allKinds.filter((kind) => kindNames[kind].categories.includes(word.toLowerCase()));
}

/** Those of candidates that differ from word by few letters, the nearest first. For "did you mean". */
export function similarWords(word: string, candidates: readonly string[]): string[] {
  const limit = Math.max(1, Math.floor(word.length / 3));
  const short = word.slice(0, 64);
  return candidates
    .map((candidate) => ({ candidate, distance: editDistance(short, candidate) }))
    .filter(({ distance }) => distance <= limit)
    .sort((a, b) => a.distance - b.distance)
    .map(({ candidate }) => candidate)
    .slice(0, 3);
}

/** How many letters must be put in, taken out, replaced or swapped with their neighbour to make b of a. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (beforeLast[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

// -------------------------------------------------------------------------------------------------------------- the union

/** An object with its kind beside it, so that TypeScript knows the one from the other. */
export type AnyKindObject = { [K in Kind]: { readonly kind: K; readonly object: KindMap[K] } }[Kind];

/** An object as the arm of podplane.api.v1.Object. Not copied: encode it at once, do not change it. */
export function toObject<K extends Kind>(kind: K, object: KindMap[K] | Obj<K>): AnyObject {
  return { kind: { $case: catalogue[kind].oneofCase, value: object } as NonNullable<AnyObject['kind']> };
}

/** What arm of podplane.api.v1.Object is set; undefined where none is (or one of a newer version). */
export function fromObject(any: AnyObject): AnyKindObject | undefined {
  const arm = any.kind;
  const kind = arm === undefined ? undefined : byCase.get(arm.$case);
  return arm === undefined || kind === undefined ? undefined : ({ kind, object: arm.value } as AnyKindObject);
}
