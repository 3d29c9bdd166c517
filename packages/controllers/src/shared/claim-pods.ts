// Which pods belong to a workload: those that it controls and that still match; those that match and nobody controls are taken, those
// that match no more are let go.
import type { Kind, Obj } from '@podplane/api/kinds/kind-map';
import { controllerOf, isBeingDeleted, isPodTerminal } from '@podplane/api/pod-state';
import type { Change, ReadView } from '@podplane/store/types';
import type { ReconcileContext } from '../runtime/types.js';
import { controllerReference, keyOf, nameOf, namespaceOf, uidOf } from './objects.js';
import { selectorOf } from './selectors.js';

type Owner = 'DaemonSet' | 'StatefulSet' | 'Job';

/** Where claims are written, and said of each object. */
export type Claiming = Pick<ReconcileContext, 'tx' | 'becauseFor'>;

export function tellAdopted(context: Claiming, object: Obj, kind: Kind, owner: Obj): void {
  context.becauseFor(object, `matches the selector of ${kind} ${nameOf(owner)}: it is its own from now on`);
}

export function tellReleased(context: Claiming, object: Obj, kind: Kind, owner: Obj): void {
  context.becauseFor(object, `no longer matches the selector of ${kind} ${nameOf(owner)}: let go`);
}

/** Pods of an owner. fits: what a pod must be besides matching the selector. */
export function claimPods<K extends Owner>(
  context: Claiming,
  kind: K,
  owner: Obj<K>,
  fits: (pod: Obj<'Pod'>) => boolean = () => true,
): Obj<'Pod'>[] {
  const { tx } = context;
  const matches = selectorOf(owner);
  const uid = uidOf(owner);
  const mayWrite = !isBeingDeleted(owner);
  const claimed: Obj<'Pod'>[] = [];
  for (const pod of Array.from(tx.index('Pod', 'controller', uid))) {
    if (matches(pod.metadata?.labels ?? {}) && fits(pod)) claimed.push(pod);
    else if (mayWrite && pod.metadata !== undefined && !isBeingDeleted(pod)) {
      const ownerReferences = pod.metadata.ownerReferences.filter((reference) => reference.uid !== uid);
      tx.update('Pod', { ...pod, metadata: { ...pod.metadata, ownerReferences } }, 'any');
      tellReleased(context, pod, kind, owner);
    }
  }
  if (!mayWrite) return claimed;
  for (const pod of Array.from(tx.index('Pod', 'uncontrolled', namespaceOf(owner)))) {
    if (pod.metadata === undefined || isBeingDeleted(pod) || isPodTerminal(pod) || !matches(pod.metadata.labels) || !fits(pod)) continue;
    const ownerReferences = [...pod.metadata.ownerReferences.filter((one) => one.uid !== uid), controllerReference(kind as Kind, owner)];
    claimed.push(tx.update('Pod', { ...pod, metadata: { ...pod.metadata, ownerReferences } }, 'any'));
    tellAdopted(context, pod, kind, owner);
  }
  return claimed;
}

/** Keys of the workloads of a kind that a change of a pod, or of something else that they own, concerns. */
export function* ownerKeys(change: Change, view: ReadView, kind: Owner): Generator<string> {
  const { object, previous } = change;
  const owner = controllerOf(object);
  const before = previous && controllerOf(previous);
  if (owner?.kind === kind) yield `${namespaceOf(object)}/${owner.name}`;
  if (before?.kind === kind && before.uid !== owner?.uid) yield `${namespaceOf(object)}/${before.name}`;
  if (owner !== undefined || change.kind !== 'Pod' || change.type === 'deleted') return;
  const labels = object.metadata?.labels ?? {};
  for (const workload of view.list(kind, namespaceOf(object))) if (selectorOf(workload)(labels)) yield keyOf(workload);
}
