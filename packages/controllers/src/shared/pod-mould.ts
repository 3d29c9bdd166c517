// What pods of one template have in common: made once, shared by all of them. Names, owners and nodes are the controllers' business.
import type { Pod, PodSpec } from '@podplane/api/gen/podplane/core/v1/pod';
import { ObjectMeta } from '@podplane/api/gen/podplane/meta/v1/meta';
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { podKind } from '@podplane/api/kinds/pod';
import { controllerReference, nameOf, namespaceOf, uidOf } from './objects.js';

export type Template = NonNullable<NonNullable<Obj<'ReplicaSet'>['spec']>['template']>;

export interface Mould {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly finalizers: readonly string[];
  readonly spec: Obj<'Pod'>['spec'];
  readonly status: Obj<'Pod'>['status'];
}

// All pods of a template share one frozen spec: 100,000 replicas cost one, and whoever caches by spec finds them all.
const moulds = new WeakMap<Template, Mould>();

/** What a template makes, with all defaults. now: wall clock, ms. */
export function mouldOf(template: Template, now: number): Mould {
  const known = moulds.get(template);
  if (known !== undefined) return known;
  const metadata = ObjectMeta.fromPartial({ labels: { ...template.metadata?.labels }, annotations: { ...template.metadata?.annotations } });
  const spec = structuredClone(template.spec) as PodSpec | undefined;
  const pod: Pod = { apiVersion: 'v1', kind: 'Pod', metadata, spec };
  podKind.setDefaults(pod);
  podKind.prepareForCreate(pod, now);
  const mould: Mould = {
    labels: metadata.labels,
    annotations: metadata.annotations,
    finalizers: [...(template.metadata?.finalizers ?? [])],
    spec: pod.spec,
    status: pod.status,
  };
  moulds.set(template, mould);
  return mould;
}

/** What all pods of an owner say of it. */
interface Belonging {
  readonly kind: Kind;
  readonly name: string;
  readonly generateName: string;
  readonly ownerReferences: NonNullable<Obj<'Pod'>['metadata']>['ownerReferences'];
}

/** By uid of the owner; when so many are known it begins anew. */
const MOST_OWNERS = 10_000;
const belongings = new Map<string, Belonging>();
const NO_FIELDS: NonNullable<Obj<'Pod'>['metadata']>['managedFields'] = Object.freeze([]);

function belongingOf(kind: Kind, owner: Obj): Belonging {
  const uid = uidOf(owner);
  const name = nameOf(owner);
  const known = belongings.get(uid);
  if (known?.kind === kind && known.name === name) return known;
  if (belongings.size >= MOST_OWNERS) belongings.clear();
  const ownerReferences = Object.freeze([Object.freeze(controllerReference(kind, owner))]);
  const made = { kind, name, generateName: `${name}-`, ownerReferences };
  belongings.set(uid, made);
  return made;
}

/** A new pod of an owner from a mould, without a node. */
export function podFrom(kind: Kind, owner: Obj, mould: Mould, name: string, generateName?: string): Obj<'Pod'> {
  const belonging = belongingOf(kind, owner);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      generateName: generateName ?? belonging.generateName,
      namespace: namespaceOf(owner),
      labels: mould.labels,
      annotations: mould.annotations,
      ownerReferences: belonging.ownerReferences,
      finalizers: mould.finalizers,
      managedFields: NO_FIELDS,
    },
    spec: mould.spec,
    status: mould.status,
  };
}
