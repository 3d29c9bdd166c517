// What pods of one template have in common: made once, shared by all of them. Names, owners and nodes are the controllers' business.
import type { Pod, PodSpec } from '@podplane/api/gen/podplane/core/v1/pod';
import { ObjectMeta } from '@podplane/api/gen/podplane/meta/v1/meta';
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { podKind } from '@podplane/api/kinds/pod';
import { controllerReference, nameOf, namespaceOf } from './objects.js';

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

/** A new pod of an owner from a mould, without a node. */
export function podFrom(kind: Kind, owner: Obj, mould: Mould, name: string, generateName?: string): Obj<'Pod'> {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      generateName: generateName ?? `${nameOf(owner)}-`,
      namespace: namespaceOf(owner),
      labels: mould.labels,
      annotations: mould.annotations,
      ownerReferences: [controllerReference(kind, owner)],
      finalizers: mould.finalizers,
      managedFields: [],
    },
    spec: mould.spec,
    status: mould.status,
  };
}
