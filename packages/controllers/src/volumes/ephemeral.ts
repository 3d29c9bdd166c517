// Claims of pods' own: for each generic ephemeral volume one that the pod owns, so that it goes with the pod. What the claim gets is claims.ts,
// where the pod may run is the scheduler's business.
import { ApiError } from '@podplane/api/errors';
import { PersistentVolumeClaim } from '@podplane/api/gen/podplane/core/v1/persistent_volume_claim';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { persistentVolumeClaimKind } from '@podplane/api/kinds/persistent-volume-claim';
import { isBeingDeleted, isPodTerminal } from '@podplane/api/pod-state';
import { claimOf, isClaimOfPod, notOwned } from '@podplane/api/storage/pod-claims';
import { claimKey } from '@podplane/api/storage/words';
import type { Change, ReadView } from '@podplane/store/types';
import { checkNamespace } from '../admission/namespace.js';
import type { ReconcileContext, ReconcileResult, Reconciler } from '../runtime/types.js';
import { controllerReference, keyOf, nameOf, namespaceOf, parseKey, regarding } from '../shared/objects.js';
import { classFor } from './default-class.js';

type Pod = Obj<'Pod'>;
type Volume = NonNullable<Pod['spec']>['volumes'][number];

const hasOwn = (pod: Pod): boolean => pod.spec?.volumes.some(({ ephemeral }) => ephemeral !== undefined) === true;

export class EphemeralVolumeController implements Reconciler {
  readonly name = 'ephemeral-volume';

  *keysFor(change: Change, view: ReadView): Iterable<string> {
    if (change.kind === 'Pod') {
      // A pod's volumes never change.
      if (change.type === 'added' && hasOwn(change.object as Pod)) yield keyOf(change.object);
    } else if (change.kind === 'PersistentVolumeClaim' && isAnotherClaim(change)) {
      const key = claimKey(namespaceOf(change.object), nameOf(change.object));
      for (const pod of view.index('Pod', 'claim', key)) if (hasOwn(pod)) yield keyOf(pod);
    }
  }

  *allKeys(view: ReadView): Iterable<string> {
    for (const pod of view.list('Pod')) if (hasOwn(pod)) yield keyOf(pod);
  }

  reconcile(key: string, context: ReconcileContext): ReconcileResult {
    const { namespace, name } = parseKey(key);
    const pod = context.tx.get('Pod', namespace, name);
    if (pod === undefined || isBeingDeleted(pod) || isPodTerminal(pod)) return undefined;
    for (const volume of pod.spec?.volumes ?? []) if (!provide(context, pod, volume)) break;
    return undefined;
  }
}

/** It is gone, or somebody else owns it now. */
function isAnotherClaim({ type, object, previous }: Change): boolean {
  return type !== 'modified' || object.metadata?.ownerReferences !== previous?.metadata?.ownerReferences;
}

/** False: nothing can be made in the namespace any more. */
function provide(context: ReconcileContext, pod: Pod, volume: Volume): boolean {
  const { tx } = context;
  const used = claimOf(pod, volume);
  const template = volume.ephemeral?.volumeClaimTemplate;
  if (used === undefined || template?.spec === undefined) return true;
  const namespace = namespaceOf(pod);
  const found = tx.get('PersistentVolumeClaim', namespace, used.name);
  if (found !== undefined) {
    if (isClaimOfPod(found, pod)) return true;
    const message = `ephemeral volume ${volume.name}: ${notOwned(pod, used.name)}`;
    context.event({ regarding: regarding('Pod', pod), type: 'Warning', reason: 'FailedBinding', message });
    return true;
  }
  try {
    checkNamespace(tx, 'PersistentVolumeClaim', namespace, used.name);
  } catch (error) {
    if (error instanceof ApiError) return false;
    throw error;
  }
  const claim = PersistentVolumeClaim.fromPartial({
    metadata: {
      name: used.name,
      namespace,
      labels: { ...template.metadata?.labels },
      annotations: { ...template.metadata?.annotations },
      ownerReferences: [controllerReference('Pod', pod)],
    },
    spec: structuredClone(template.spec) as NonNullable<PersistentVolumeClaim['spec']>,
  });
  persistentVolumeClaimKind.setDefaults(claim);
  persistentVolumeClaimKind.prepareForCreate(claim, tx.now);
  const storageClassName = classFor(tx, claim);
  if (claim.spec !== undefined && storageClassName !== undefined) claim.spec.storageClassName = storageClassName;
  context.because(`volume ${volume.name} of pod ${nameOf(pod)}`);
  tx.create('PersistentVolumeClaim', claim);
  return true;
}
