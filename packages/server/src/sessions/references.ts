// Which ConfigMaps, Secrets and claims a pod names. Nothing of how they reach a node.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { claimHandle, claimOf } from '@podplane/api/storage/pod-claims';

export type ReferenceKind = 'ConfigMap' | 'Secret' | 'PersistentVolumeClaim';

/** "ConfigMap/<namespace>/<name>", and so for the other kinds; of a claim that is a pod's own, what claimHandle says in place of its name. */
export type Reference = string;

export function referenceTo(kind: ReferenceKind, namespace: string, name: string): Reference {
  return `${kind}/${namespace}/${name}`;
}

export function parseReference(reference: Reference): { readonly kind: ReferenceKind; readonly namespace: string; readonly name: string } {
  const [kind = '', namespace = '', name = ''] = reference.split('/');
  return { kind: kind === 'Secret' || kind === 'PersistentVolumeClaim' ? kind : 'ConfigMap', namespace, name };
}

type PodSpec = NonNullable<Obj<'Pod'>['spec']>;
type EnvOwner = Pick<PodSpec['containers'][number], 'env' | 'envFrom'>;

/** Sets that pods have in common; when so many are known it begins anew. */
const MOST_KNOWN = 8192;
const known = new Map<string, ReadonlySet<Reference>>();

/** An equal set, the same for all that ask: what is told to a node is remembered for each of its pods, and most of them name the same. */
function shared(found: ReadonlySet<Reference>): ReadonlySet<Reference> {
  const key = [...found].join(' ');
  const one = known.get(key);
  if (one !== undefined && one.size === found.size && [...found].every((reference) => one.has(reference))) return one;
  if (known.size >= MOST_KNOWN) known.clear();
  known.set(key, found);
  return found;
}

/** All that a pod's volumes, environments and image pulls name; each once. Pure; equal answers are mostly one object. */
export function referencesOf(pod: Obj<'Pod'>): ReadonlySet<Reference> {
  return shared(namedBy(pod));
}

function namedBy(pod: Obj<'Pod'>): ReadonlySet<Reference> {
  const found = new Set<Reference>();
  const namespace = pod.metadata?.namespace ?? '';
  const { spec } = pod;
  if (spec === undefined) return found;
  const add = (kind: ReferenceKind, name: string | undefined): void => {
    if (name !== undefined && name !== '') found.add(referenceTo(kind, namespace, name));
  };
  const addEnv = (owner: EnvOwner): void => {
    for (const { configMapRef, secretRef } of owner.envFrom) {
      add('ConfigMap', configMapRef?.name);
      add('Secret', secretRef?.name);
    }
    for (const { valueFrom } of owner.env) {
      add('ConfigMap', valueFrom?.configMapKeyRef?.name);
      add('Secret', valueFrom?.secretKeyRef?.name);
    }
  };
  for (const volume of spec.volumes) {
    add('ConfigMap', volume.configMap?.name);
    add('Secret', volume.secret?.secretName);
    const claim = claimOf(pod, volume);
    if (claim !== undefined) add('PersistentVolumeClaim', claimHandle(pod, claim));
    for (const source of volume.projected?.sources ?? []) {
      add('ConfigMap', source.configMap?.name);
      add('Secret', source.secret?.name);
    }
  }
  for (const container of spec.containers) addEnv(container);
  for (const container of spec.initContainers) addEnv(container);
  for (const container of spec.ephemeralContainers) addEnv(container);
  for (const secret of spec.imagePullSecrets) add('Secret', secret.name);
  return found;
}
