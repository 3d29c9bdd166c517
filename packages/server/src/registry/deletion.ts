// What deleting means, kind by kind, inside one transaction. What is done afterwards about dependents and containers is the
// controllers' and the agents' business.
import { badRequest, conflict, forbiddenCall, notFound } from '@podplane/api/errors';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { allKinds } from '@podplane/api/kinds/kind-names';
import { isPodTerminal } from '@podplane/api/pod-state';
import type { Tx } from '@podplane/store/types';
import type { Place } from './kinds.js';

export interface DeleteOptions {
  /** undefined: as the pod says. */
  readonly graceSeconds: number | undefined;
  /** "", "Background" or "Orphan". */
  readonly propagationPolicy: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

export interface Deleted {
  /** As it is now, or as it last was. */
  readonly object: Obj;
  readonly gone: boolean;
}

const DEFAULT_POD_GRACE_S = 30;
const LASTING_NAMESPACES = new Set(['default', 'kube-system']);
/** On a namespace that still holds objects; taken off by the namespace controller. */
export const NAMESPACE_FINALIZER = 'kubernetes';

/** Throws ApiError BadRequest for options that mean nothing. */
export function checkDeleteOptions(options: DeleteOptions): void {
  const { graceSeconds, propagationPolicy } = options;
  if (graceSeconds !== undefined && (!Number.isInteger(graceSeconds) || graceSeconds < 0)) {
    throw badRequest(`gracePeriodSeconds: Invalid value: ${graceSeconds}: must be greater than or equal to 0`);
  }
  if (!['', 'Background', 'Orphan'].includes(propagationPolicy)) {
    throw badRequest(
      `propagationPolicy: Unsupported value: ${JSON.stringify(propagationPolicy.slice(0, 50))}: supported values: "Background", "Orphan"`,
      {
        advice: propagationPolicy === 'Foreground' ? 'Foreground is not implemented yet; use Background, and wait for the dependents.' : '',
      },
    );
  }
}

/** Throws ApiError: NotFound, Conflict, Forbidden. */
export function deleteObject(tx: Tx, place: Place, options: DeleteOptions): Deleted {
  const { kind, namespace, name } = place;
  const object = tx.get(kind, namespace, name);
  if (object === undefined) throw notFound(kind, namespace, name);
  checkPreconditions(object, place, options);
  if (options.propagationPolicy === 'Orphan') orphan(tx, object);
  if (kind === 'Namespace') prepareNamespace(tx, name);
  const grace = kind === 'Pod' ? podGrace(object as Obj<'Pod'>, options.graceSeconds) : 0;
  const left = tx.markDeleted(kind, namespace, name, grace);
  return { object: left ?? object, gone: left === undefined };
}

function checkPreconditions(object: Obj, { kind, namespace, name }: Place, options: DeleteOptions): void {
  const { uid, resourceVersion } = object.metadata ?? {};
  if (options.uid !== '' && options.uid !== uid) {
    throw conflict(kind, namespace, name, `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${uid ?? ''}`);
  }
  if (options.resourceVersion !== '' && options.resourceVersion !== resourceVersion) {
    const why = `Precondition failed: ResourceVersion in precondition: ${options.resourceVersion}, ResourceVersion in object meta: ${resourceVersion ?? ''}`;
    throw conflict(kind, namespace, name, why);
  }
}

/** Seconds that a pod's containers get. Nothing runs of a pod without a node, nor of one that has ended. */
function podGrace(pod: Obj<'Pod'>, asked: number | undefined): number {
  if ((pod.spec?.nodeName ?? '') === '' || isPodTerminal(pod)) return 0;
  return asked ?? pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_POD_GRACE_S;
}

/** Dependents stay, without this owner. */
function orphan(tx: Tx, owner: Obj): void {
  const uid = owner.metadata?.uid ?? '';
  for (const kind of allKinds) {
    const dependents = [...tx.index(kind, 'owner', uid)];
    for (const { metadata } of dependents) {
      tx.edit(kind, metadata?.namespace ?? '', metadata?.name ?? '', (draft) => {
        if (draft.metadata !== undefined)
          draft.metadata.ownerReferences = draft.metadata.ownerReferences.filter((reference) => reference.uid !== uid);
      });
    }
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
    if (draft.metadata?.deletionTimestamp === undefined && !isEmptyNamespace(tx, name))
      draft.metadata?.finalizers.push(NAMESPACE_FINALIZER);
  });
}

/** Whether nothing lives in a namespace; events do not count. */
export function isEmptyNamespace(view: Pick<Tx, 'list'>, namespace: string): boolean {
  for (const kind of allKinds) {
    if (kind === 'Event') continue;
    for (const _ of view.list(kind, namespace)) return false;
  }
  return true;
}
