// The history of a workload's template as ControllerRevisions: found, made, counted on, cleared. What a rollout does with them is the
// workload's own business.
import { PodTemplateSpec } from '@podplane/api/gen/podplane/core/v1/pod';
import { deepEqual } from '@podplane/api/kinds/equal';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted } from '@podplane/api/pod-state';
import type { Tx } from '@podplane/store/types';
import { canonicalJson, nameHash } from './hash.js';
import { controllerReference, nameOf, namespaceOf, uidOf } from './objects.js';
import type { Template } from './pod-mould.js';
import { selectorOf } from './selectors.js';

/** On pods: of which revision they are, in a DaemonSet's by its hash, in a StatefulSet's by its name. On revisions of DaemonSets: the hash. */
export const REVISION_LABEL = 'controller-revision-hash';
/** On revisions of StatefulSets: the hash. */
const HASH_LABEL = 'controller.kubernetes.io/hash';

export type Revision = Obj<'ControllerRevision'>;
type Owner = Obj<'DaemonSet' | 'StatefulSet'>;
type OwnerKind = 'DaemonSet' | 'StatefulSet';

const COLLISIONS_MAX = 16;
const LONGEST_NAME = 253 - 11;

interface Written {
  readonly data: Readonly<Record<string, unknown>>;
  readonly text: string;
}

const written = new WeakMap<Template, Written>();

/** A template as a revision holds it. */
function writtenOf(template: Template): Written {
  let known = written.get(template);
  if (known === undefined) {
    const json = PodTemplateSpec.toJSON(template as PodTemplateSpec) as Record<string, unknown>;
    known = { data: { spec: { template: { ...json, $patch: 'replace' } } }, text: canonicalJson(json) };
    written.set(template, known);
  }
  return known;
}

const templates = new WeakMap<object, Template>();

/** The template that a revision holds; undefined where it is none of ours. */
export function templateOf(revision: Revision): Template | undefined {
  const { data } = revision;
  if (data === undefined) return undefined;
  let known = templates.get(data);
  if (known === undefined) {
    const spec = (data as { readonly spec?: { readonly template?: Record<string, unknown> } }).spec?.template;
    if (spec === undefined) return undefined;
    const { $patch: _, ...json } = spec;
    known = PodTemplateSpec.fromJSON(structuredClone(json));
    templates.set(data, known);
  }
  return known;
}

/** The owner's revisions, oldest first. Those that lost their owner and match are taken again. */
export function revisionsOf(tx: Tx, kind: OwnerKind, owner: Owner): Revision[] {
  const uid = uidOf(owner);
  const found = [...tx.index('ControllerRevision', 'controller', uid)].filter((revision) => !isBeingDeleted(revision));
  if (!isBeingDeleted(owner)) {
    const matches = selectorOf(owner);
    for (const revision of Array.from(tx.index('ControllerRevision', 'uncontrolled', namespaceOf(owner)))) {
      if (revision.metadata === undefined || isBeingDeleted(revision) || !matches(revision.metadata.labels)) continue;
      const metadata = { ...revision.metadata, ownerReferences: [...revision.metadata.ownerReferences, controllerReference(kind, owner)] };
      found.push(tx.update('ControllerRevision', { ...revision, metadata }, 'any'));
    }
  }
  return found.sort(byNumber);
}

const byNumber = (a: Revision, b: Revision): number => a.revision - b.revision || (nameOf(a) < nameOf(b) ? -1 : 1);

export interface Newest {
  readonly revision: Revision;
  /** All, oldest first, the newest last. */
  readonly all: readonly Revision[];
  readonly collisionCount: number;
}

/** The revision of the owner's present template: found (and made the newest again) or made. */
export function newestRevision(tx: Tx, kind: OwnerKind, owner: Owner, template: Template): Newest {
  const all = revisionsOf(tx, kind, owner);
  const { data, text } = writtenOf(template);
  const highest = all.at(-1)?.revision ?? 0;
  let collisionCount = owner.status?.collisionCount ?? 0;
  const known = all.findLast((revision) => deepEqual(revision.data, data));
  if (known !== undefined) {
    if (known.revision === highest) return { revision: known, all, collisionCount };
    const revision = tx.update('ControllerRevision', { ...known, revision: highest + 1 }, 'any');
    return { revision, all: [...all.filter((one) => one !== known), revision], collisionCount };
  }
  for (let tries = 0; tries < COLLISIONS_MAX; tries++, collisionCount++) {
    const hash = nameHash(`${text}${collisionCount === 0 ? '' : `#${collisionCount}`}`);
    const name = `${nameOf(owner).slice(0, LONGEST_NAME)}-${hash}`;
    if (tx.get('ControllerRevision', namespaceOf(owner), name) !== undefined) continue;
    const revision = tx.create('ControllerRevision', {
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      metadata: {
        name,
        namespace: namespaceOf(owner),
        labels: { ...template.metadata?.labels, [kind === 'DaemonSet' ? REVISION_LABEL : HASH_LABEL]: hash },
        annotations: { ...owner.metadata?.annotations },
        ownerReferences: [controllerReference(kind, owner)],
        finalizers: [],
        managedFields: [],
      },
      data,
      revision: highest + 1,
    });
    return { revision, all: [...all, revision], collisionCount };
  }
  throw new Error(`no free name for a ControllerRevision of ${kind} ${nameOf(owner)} after ${COLLISIONS_MAX} tries`);
}

/** Deletes the oldest revisions beyond the limit that nothing is of. */
export function clearRevisions(tx: Tx, owner: Owner, all: readonly Revision[], isLive: (revision: Revision) => boolean): void {
  const idle = all.filter((revision) => !isLive(revision));
  const limit = owner.spec?.revisionHistoryLimit ?? 10;
  if (limit < 0) return; // all are kept
  const excess = idle.length - limit;
  for (const revision of idle.slice(0, Math.max(0, excess)))
    tx.markDeleted('ControllerRevision', namespaceOf(revision), nameOf(revision), 0);
}
