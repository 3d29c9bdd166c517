// The revisions of a workload that can be gone back to: ReplicaSets of a Deployment, ControllerRevisions of the others.
import { toManifest } from '@podplane/api/decode/manifest';
import { isObject, type JsonObject } from '@podplane/api/decode/tree';
import type { KindMap } from '@podplane/api/kinds/kind-map';
import type { Cluster } from './cluster.js';
import { selectorText } from './workloads.js';

export const ROLLOUT_KINDS = ['Deployment', 'DaemonSet', 'StatefulSet'] as const;
export type RolloutKind = (typeof ROLLOUT_KINDS)[number];

export const REVISION = 'deployment.kubernetes.io/revision';
export const CHANGE_CAUSE = 'kubernetes.io/change-cause';
/** Set by the controller on the pods of each ReplicaSet; no part of the wish. */
const TEMPLATE_HASH = 'pod-template-hash';

export interface Revision {
  readonly number: number;
  readonly cause: string;
  readonly images: readonly string[];
  /** The template as JSON, without what the controller added. */
  readonly template: JsonObject;
}

function imagesOf(template: JsonObject): string[] {
  const spec = template['spec'];
  const containers = isObject(spec) ? spec['containers'] : undefined;
  return Array.isArray(containers)
    ? containers.flatMap((one) => (isObject(one) && typeof one['image'] === 'string' ? [one['image']] : []))
    : [];
}

function ofSet(set: KindMap['ReplicaSet']): Revision {
  const spec = toManifest('ReplicaSet', set)['spec'];
  const held = isObject(spec) ? structuredClone(spec['template']) : undefined;
  const template = isObject(held) ? held : {};
  if (isObject(template['metadata']) && isObject(template['metadata']['labels'])) delete template['metadata']['labels'][TEMPLATE_HASH];
  const annotations = set.metadata?.annotations ?? {};
  return { number: Number(annotations[REVISION] ?? 0), cause: annotations[CHANGE_CAUSE] ?? '', images: imagesOf(template), template };
}

function ofRevision(revision: KindMap['ControllerRevision']): Revision {
  const data = toManifest('ControllerRevision', revision)['data'];
  const spec = isObject(data) ? data['spec'] : undefined;
  const held = isObject(spec) ? structuredClone(spec['template']) : undefined;
  const template = isObject(held) ? held : {};
  delete template['$patch'];
  return { number: revision.revision, cause: revision.metadata?.annotations[CHANGE_CAUSE] ?? '', images: imagesOf(template), template };
}

/** Oldest first. Throws ApiError NotFound where there is no such workload. */
export async function revisionsOf(cluster: Cluster, namespace: string, kind: RolloutKind, name: string): Promise<readonly Revision[]> {
  const workload = await cluster.get(kind, namespace, name);
  const uid = workload.metadata?.uid;
  const owned = ({ metadata }: { readonly metadata?: KindMap['Pod']['metadata'] }): boolean =>
    metadata?.ownerReferences.some((owner) => owner.uid === uid) === true;
  const found: Revision[] = [];
  if (kind === 'Deployment') {
    const { items } = await cluster.list('ReplicaSet', { namespace, labelSelector: selectorText(workload.spec?.selector) });
    found.push(...items.filter(owned).map(ofSet));
  } else {
    const { items } = await cluster.list('ControllerRevision', { namespace });
    found.push(...items.filter(owned).map(ofRevision));
  }
  return found.filter(({ number }) => number > 0).sort((a, b) => a.number - b.number);
}
