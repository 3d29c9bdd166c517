// What deleting means, kind by kind, inside one transaction. What is done afterwards about dependents and containers is the
// controllers' and the agents' business.
import { ApiError, badRequest, conflict, fieldErrorText, forbiddenCall, notFound, notSupported } from '@podplane/api/errors';
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { deleteWithPropagation, type Propagation } from '@podplane/controllers/owner-gc/propagation';
import type { Tx } from '@podplane/store/types';
import type { Place } from './kinds.js';

export interface DeleteOptions {
  /** undefined: as the pod says. */
  readonly graceSeconds: number | undefined;
  /** "" (as the object's finalizers say, else Background), "Background", "Foreground" or "Orphan". */
  readonly propagationPolicy: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

export interface Deleted {
  /** As it is now, or as it last was. */
  readonly object: Obj;
  readonly gone: boolean;
}

const LASTING_NAMESPACES = new Set(['default', 'kube-system']);
const POLICIES: ReadonlySet<string> = new Set<Propagation>(['Foreground', 'Background', 'Orphan']);

/** Throws ApiError for options that mean nothing: BadRequest, Invalid. */
export function checkDeleteOptions(options: DeleteOptions): void {
  const { graceSeconds, propagationPolicy } = options;
  if (graceSeconds !== undefined && (!Number.isInteger(graceSeconds) || graceSeconds < 0)) {
    throw badRequest(`gracePeriodSeconds: Invalid value: ${graceSeconds}: must be greater than or equal to 0`);
  }
  if (propagationPolicy === '' || POLICIES.has(propagationPolicy)) return;
  const fault = notSupported('propagationPolicy', propagationPolicy.slice(0, 50), [...POLICIES, 'nil']);
  throw new ApiError('Invalid', `DeleteOptions.meta.k8s.io "" is invalid: ${fieldErrorText(fault)}`, { causes: [fault] });
}

/** Throws ApiError: NotFound, Conflict, Forbidden. */
export function deleteObject(tx: Tx, place: Place, options: DeleteOptions): Deleted {
  const { kind, namespace, name } = place;
  const object = tx.get(kind, namespace, name);
  if (object === undefined) throw notFound(kind, namespace, name);
  checkPreconditions(object, place, options);
  if (kind === 'Namespace') prepareNamespace(tx, name);
  const current = tx.get(kind, namespace, name) ?? object;
  const propagation = options.propagationPolicy === '' ? undefined : (options.propagationPolicy as Propagation); // checked before
  const left = deleteWithPropagation<Kind>(tx, kind, current, { propagation, graceSeconds: options.graceSeconds });
  return { object: left ?? current, gone: left === undefined };
}

/** Throws ApiError Conflict for an object that is not the one that was meant. */
export function checkPreconditions(
  object: Obj,
  { kind, namespace, name }: Place,
  options: Pick<DeleteOptions, 'uid' | 'resourceVersion'>,
): void {
  const { uid, resourceVersion } = object.metadata ?? {};
  if (options.uid !== '' && options.uid !== uid) {
    const why = `the UID in the precondition (${options.uid}) does not match the UID in record (${uid ?? ''}). The object might have been deleted and then recreated`;
    throw conflict(kind, namespace, name, why);
  }
  if (options.resourceVersion !== '' && options.resourceVersion !== resourceVersion) {
    const why = `the ResourceVersion in the precondition (${options.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion ?? ''}). The object might have been modified`;
    throw conflict(kind, namespace, name, why);
  }
}

/** A namespace goes when it is empty; until then nothing new comes into it. */
function prepareNamespace(tx: Tx, name: string): void {
  if (LASTING_NAMESPACES.has(name)) {
    throw forbiddenCall(`namespaces "${name}" is forbidden: this namespace may not be deleted`, {
      target: { kind: 'Namespace', namespace: '', name },
    });
  }
  tx.edit('Namespace', '', name, (draft) => {
    draft.status = { conditions: [], ...draft.status, phase: 'Terminating' };
  });
}
