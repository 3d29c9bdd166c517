// Making a pod, for people (who were asked more before) and for all controllers: the one way by which a pod comes into the store, and so the
// one place where it is admitted. What it looks like is in pod-mould.ts and beside each controller.
import { ApiError, type FieldError, invalidObject, Path } from '@podplane/api/errors';
import { withEpoch } from '@podplane/api/fencing';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { validateMeta } from '@podplane/api/kinds/object-meta';
import { podKind } from '@podplane/api/kinds/pod';
import type { Tx } from '@podplane/store/types';
import { checkNamespace } from '../admission/namespace.js';
import { withAccount } from '../admission/service-account.js';

/**
 * called: what messages call it, as Kubernetes does: its name, or what its name begins with where that is made up. Throws ApiError where it
 * is not admitted (nothing is written then), AlreadyExists.
 */
export function createPod(tx: Tx, pod: Obj<'Pod'>, called = pod.metadata?.name || (pod.metadata?.generateName ?? '')): Obj<'Pod'> {
  return tx.create('Pod', withEpoch(withAccount(tx, pod, called), tx.epoch));
}

type Spec = NonNullable<Obj<'Pod'>['spec']>;

const METADATA = Path.of('metadata');

/** Containers of specs that have been found good: pods of one template share them, so a hundred thousand pods cost one look. */
const good = new WeakSet<Spec['containers']>();

function faultsOf(pod: Obj<'Pod'>): readonly FieldError[] {
  const { spec } = pod;
  // Names and labels that are made of a number can become too long.
  if (spec !== undefined && good.has(spec.containers))
    return validateMeta(pod.metadata, METADATA, { namespaced: true, nameRule: 'subdomain' });
  const faults = podKind.validateCreate(pod);
  if (faults.length === 0 && spec !== undefined) good.add(spec.containers);
  return faults;
}

/** Makes a pod for a controller, checked as one that somebody sends; or why it is refused. Throws AlreadyExists. */
export function makePod(tx: Tx, pod: Obj<'Pod'>, called: string): Obj<'Pod'> | ApiError {
  try {
    checkNamespace(tx, 'Pod', pod.metadata?.namespace ?? '', called);
    const faults = faultsOf(pod);
    if (faults.length > 0) return invalidObject('Pod', pod.metadata?.namespace ?? '', called, faults);
    return createPod(tx, pod, called);
  } catch (error) {
    if (error instanceof ApiError) return error;
    throw error;
  }
}
