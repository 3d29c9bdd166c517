// The ReplicaSets of a Deployment: which are its own, which one has the newest template, how that one is made, how old ones are cleared.

import { deepEqual } from '@podplane/api/kinds/equal';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted } from '@podplane/api/pod-state';
import type { Tx } from '@podplane/store/types';
import { type Claiming, tellAdopted, tellReleased } from '../shared/claim-pods.js';
import { canonicalJson, nameHash } from '../shared/hash.js';
import { controllerReference, nameOf, namespaceOf, uidOf } from '../shared/objects.js';
import { selectorOf } from '../shared/selectors.js';
import { HASH_LABEL, newSetAnnotations, revisionOf, sized } from './annotations.js';

type ReplicaSet = Obj<'ReplicaSet'>;
type Deployment = Obj<'Deployment'>;
type Template = NonNullable<NonNullable<Deployment['spec']>['template']>;

export const isActive = (set: ReplicaSet): boolean => (set.spec?.replicas ?? 1) > 0;

/** Older first; by name where the second is the same. */
export function byCreation(a: ReplicaSet, b: ReplicaSet): number {
  const [x, y] = [a.metadata?.creationTimestamp ?? '', b.metadata?.creationTimestamp ?? ''];
  // Creation times have whole seconds only; revisions tell the order within one.
  return x < y ? -1 : x > y ? 1 : revisionOf(a) - revisionOf(b) || (nameOf(a) < nameOf(b) ? -1 : 1);
}

/** Sets that the Deployment controls, after adopting matching ones that nobody controls and releasing those that match no more. Older first. */
export function claimSets(context: Claiming, deployment: Deployment): ReplicaSet[] {
  const { tx } = context;
  const matches = selectorOf(deployment);
  const uid = uidOf(deployment);
  const mayWrite = !isBeingDeleted(deployment);
  const claimed: ReplicaSet[] = [];
  for (const set of Array.from(tx.index('ReplicaSet', 'controller', uid))) {
    if (matches(set.metadata?.labels ?? {})) claimed.push(set);
    else if (mayWrite && set.metadata !== undefined && !isBeingDeleted(set)) {
      const ownerReferences = set.metadata.ownerReferences.filter((owner) => owner.uid !== uid);
      tx.update('ReplicaSet', { ...set, metadata: { ...set.metadata, ownerReferences } }, 'any');
      tellReleased(context, set, 'Deployment', deployment);
    }
  }
  if (mayWrite) {
    for (const set of Array.from(tx.index('ReplicaSet', 'uncontrolled', namespaceOf(deployment)))) {
      if (set.metadata === undefined || isBeingDeleted(set) || !matches(set.metadata.labels)) continue;
      const ownerReferences = [
        ...set.metadata.ownerReferences.filter((owner) => owner.uid !== uid),
        controllerReference('Deployment', deployment),
      ];
      claimed.push(tx.update('ReplicaSet', { ...set, metadata: { ...set.metadata, ownerReferences } }, 'any'));
      tellAdopted(context, set, 'Deployment', deployment);
    }
  }
  return claimed.sort(byCreation);
}

/** The template without the label that its set has added. */
export function withoutHash(template: Template): Template {
  if (template.metadata?.labels[HASH_LABEL] === undefined) return template;
  const { [HASH_LABEL]: _, ...labels } = template.metadata.labels;
  return { ...template, metadata: { ...template.metadata, labels } };
}

/** Whether two templates make the same pods; the hash label does not count, an absent metadata is an empty one. */
export function sameTemplate(a: Template | undefined, b: Template | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.spec === b.spec && a.metadata === b.metadata) return true;
  return deepEqual(withoutHash(filled(a)), withoutHash(filled(b)));
}

const NO_METADATA = { labels: {}, annotations: {}, ownerReferences: [], finalizers: [], managedFields: [] };
const filled = (template: Template): Template => (template.metadata === undefined ? { ...template, metadata: NO_METADATA } : template);

/** The set of the Deployment's present template; of several the oldest. */
export function findNewSet(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  return sets.find((set) => sameTemplate(set.spec?.template, deployment.spec?.template));
}

/** pod-template-hash: the same for the same template and number of collisions, in every process. */
export function templateHash(template: Template, collisions: number): string {
  return nameHash(`${canonicalJson(withoutHash(filled(template)))}${collisions === 0 ? '' : `#${collisions}`}`);
}

export interface Sizes {
  readonly desired: number;
  readonly max: number;
}

const LONGEST_DEPLOYMENT_NAME = 253 - 11;

/** The name that the set of a template has. */
export const setName = (deployment: Deployment, hash: string): string => `${nameOf(deployment).slice(0, LONGEST_DEPLOYMENT_NAME)}-${hash}`;

/** Makes the set of the present template. The name must be free. */
export function createNewSet(tx: Tx, deployment: Deployment, hash: string, replicas: number, revision: number, sizes: Sizes): ReplicaSet {
  const { selector, template, minReadySeconds } = deployment.spec ?? {};
  if (selector === undefined || template === undefined) throw new TypeError('a Deployment without selector or template');
  const metadata = template.metadata ?? NO_METADATA;
  const labels = { ...metadata.labels, [HASH_LABEL]: hash };
  return tx.create('ReplicaSet', {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: setName(deployment, hash),
      namespace: namespaceOf(deployment),
      labels,
      annotations: newSetAnnotations(deployment, {}, revision, sizes),
      ownerReferences: [controllerReference('Deployment', deployment)],
      finalizers: [],
      managedFields: [],
    },
    spec: {
      replicas,
      minReadySeconds,
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...metadata, labels } },
    },
    status: { replicas: 0, conditions: [] },
  });
}

/** Carries the Deployment's annotations, revision and minReadySeconds over to its newest set. */
export function refreshNewSet(tx: Tx, deployment: Deployment, set: ReplicaSet, revision: number, sizes: Sizes): ReplicaSet {
  if (set.metadata === undefined || set.spec === undefined) return set;
  const annotations = newSetAnnotations(deployment, set.metadata.annotations, revision, sizes);
  const spec = { ...set.spec, minReadySeconds: deployment.spec?.minReadySeconds };
  return tx.update('ReplicaSet', { ...set, metadata: { ...set.metadata, annotations }, spec }, 'any');
}

/** Sets annotations; undefined takes one away. */
export function annotateSet(tx: Tx, set: ReplicaSet, changes: Readonly<Record<string, string | undefined>>): ReplicaSet {
  if (set.metadata === undefined) return set;
  const annotations: Record<string, string> = { ...set.metadata.annotations };
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) delete annotations[key];
    else annotations[key] = value;
  }
  return tx.update('ReplicaSet', { ...set, metadata: { ...set.metadata, annotations } }, 'any');
}

/** Sets a size, and writes down for which size of the Deployment. */
export function resizeSet(tx: Tx, set: ReplicaSet, replicas: number, sizes: Sizes): ReplicaSet {
  if (set.metadata === undefined || set.spec === undefined) return set;
  const annotations = sized(set.metadata.annotations, sizes);
  return tx.update('ReplicaSet', { ...set, metadata: { ...set.metadata, annotations }, spec: { ...set.spec, replicas } }, 'any');
}

/** Deletes old sets without pods beyond the history limit, the oldest revisions first. kept: one that stays. Returns those deleted. */
export function clearHistory(tx: Tx, deployment: Deployment, old: readonly ReplicaSet[], kept?: ReplicaSet): ReplicaSet[] {
  const limit = deployment.spec?.revisionHistoryLimit;
  if (limit === undefined) return [];
  const idle = old.filter(
    (set) =>
      set !== kept &&
      !isBeingDeleted(set) &&
      !isActive(set) &&
      (set.status?.replicas ?? 0) === 0 &&
      (set.status?.observedGeneration ?? 0) >= (set.metadata?.generation ?? 0),
  );
  const excess = idle.sort((a, b) => revisionOf(a) - revisionOf(b)).slice(0, Math.max(0, idle.length - limit));
  for (const set of excess) tx.markDeleted('ReplicaSet', namespaceOf(set), nameOf(set), 0);
  return excess;
}
