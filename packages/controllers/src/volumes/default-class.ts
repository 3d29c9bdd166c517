// The class of a claim that names none: the cluster's default one. In Kubernetes admission gives it when the claim is made; claims that
// were made while there was no default get it later, from claims.ts.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { defaultClass } from '@podplane/api/storage/matching';
import { BIND_COMPLETED, DEFAULT_CLASS_ANNOTATION } from '@podplane/api/storage/words';
import type { ReadView } from '@podplane/store/types';

/**
 * The name of the class that a claim gets; undefined: it has one, wants none ("" is its word for that), or there is no default. Whoever
 * makes a claim together with its pod has to ask: the scheduler takes a claim without a class for one that must be bound before.
 */
export function classFor(view: ReadView, { spec, metadata }: Obj<'PersistentVolumeClaim'>): string | undefined {
  if (spec === undefined || spec.storageClassName !== undefined || metadata?.annotations[BIND_COMPLETED] !== undefined) return undefined;
  return defaultClass(view.list('StorageClass'), DEFAULT_CLASS_ANNOTATION)?.metadata?.name;
}
