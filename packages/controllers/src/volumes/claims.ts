// What becomes of a claim: it is bound to a volume that fits, or gets a new one, or says why not; it stays while pods use it.
// Volumes themselves are in volumes.ts, how a new one looks is in provision.ts.
import { deepEqual } from '@podplane/api/kinds/equal';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted, isPodTerminal } from '@podplane/api/pod-state';
import { tryParseQuantity } from '@podplane/api/quantity';
import { bestVolume, isVolumeOf, mismatch } from '@podplane/api/storage/matching';
import { usesClaim } from '@podplane/api/storage/pod-claims';
import { provisionable } from '@podplane/api/storage/provisionable';
import {
  BIND_COMPLETED,
  BOUND_BY_CONTROLLER,
  CLAIM_PROTECTION,
  claimKey,
  SELECTED_NODE,
  STORAGE_PROVISIONER,
} from '@podplane/api/storage/words';
import type { ReadView, Tx } from '@podplane/store/types';
import type { ReconcileContext } from '../runtime/types.js';
import { nameOf, namespaceOf, regarding, uidOf } from '../shared/objects.js';
import { timeText } from '../shared/time.js';
import { classFor } from './default-class.js';
import { newVolume } from './provision.js';

type Claim = Obj<'PersistentVolumeClaim'>;
type Volume = Obj<'PersistentVolume'>;

/** Pods that hold a claim back from going: they have a node and may still run there. */
function inUse(view: ReadView, claim: Claim): boolean {
  for (const pod of view.index('Pod', 'claim', claimKey(namespaceOf(claim), nameOf(claim)))) {
    if (pod.spec?.nodeName && !isPodTerminal(pod) && usesClaim(pod, claim)) return true;
  }
  return false;
}

export function reconcileClaim(context: ReconcileContext, namespace: string, name: string): void {
  const { tx } = context;
  let claim = tx.get('PersistentVolumeClaim', namespace, name);
  if (claim?.metadata === undefined || claim.spec === undefined) return;
  const { finalizers } = claim.metadata;
  if (isBeingDeleted(claim)) {
    if (!finalizers.includes(CLAIM_PROTECTION) || inUse(tx, claim)) return;
    context.because(`no pod uses claim ${name} any more`);
    const rest = finalizers.filter((one) => one !== CLAIM_PROTECTION);
    tx.update('PersistentVolumeClaim', { ...claim, metadata: { ...claim.metadata, finalizers: rest } }, 'any');
    return;
  }
  if (!finalizers.includes(CLAIM_PROTECTION)) {
    const metadata = { ...claim.metadata, finalizers: [...finalizers, CLAIM_PROTECTION] };
    claim = tx.update('PersistentVolumeClaim', { ...claim, metadata }, 'any');
  }
  claim = withDefaultClass(tx, claim);
  if (claim.spec?.volumeName) reconcileNamed(context, claim, claim.spec.volumeName);
  else findVolume(context, claim);
}

/** The claim names its volume: bound to it already, or wishes to be. */
function reconcileNamed(context: ReconcileContext, claim: Claim, volumeName: string): void {
  const { tx } = context;
  const volume = tx.get('PersistentVolume', '', volumeName);
  const bound = claim.metadata?.annotations[BIND_COMPLETED] !== undefined;
  if (volume === undefined || (volume.spec?.claimRef !== undefined && !isVolumeOf(volume, claim))) {
    if (bound) {
      setPhase(tx, claim, 'Lost');
      if (claim.status?.phase === 'Lost') return;
      const message =
        volume === undefined
          ? 'Bound claim has lost its PersistentVolume. Data on the volume is lost!'
          : 'Bound claim has lost reference to PersistentVolume. Data on the volume is lost!';
      tell(context, claim, 'Warning', volume === undefined ? 'ClaimLost' : 'ClaimMisbound', message);
    } else if (volume === undefined) {
      setPhase(tx, claim, 'Pending');
      tell(context, claim, 'Warning', 'FailedBinding', `volume "${volumeName}" not found`);
    } else {
      setPhase(tx, claim, 'Pending');
      tell(context, claim, 'Warning', 'FailedBinding', `volume "${volumeName}" already bound to a different claim.`);
    }
    return;
  }
  if (bound) {
    grow(context, claim, volume);
    return;
  }
  const problem = mismatch(claim, volume);
  if (problem === undefined && !isBeingDeleted(volume)) bind(context, claim, volume, false);
  else {
    setPhase(tx, claim, 'Pending');
    const why = problem ?? 'it is being deleted';
    tell(context, claim, 'Warning', 'VolumeMismatch', `Cannot bind to requested volume "${volumeName}": ${why}`);
  }
}

function withDefaultClass(tx: Tx, claim: Claim): Claim {
  const storageClassName = classFor(tx, claim);
  if (storageClassName === undefined || claim.spec === undefined) return claim;
  return tx.update('PersistentVolumeClaim', { ...claim, spec: { ...claim.spec, storageClassName } }, 'any');
}

/** Where its first pod runs: as the scheduler said, or where somebody put a pod by hand. */
function nodeOf(view: ReadView, claim: Claim): string | undefined {
  for (const pod of view.index('Pod', 'claim', claimKey(namespaceOf(claim), nameOf(claim)))) {
    if (pod.spec?.nodeName && !isPodTerminal(pod) && usesClaim(pod, claim)) return pod.spec.nodeName;
  }
  return claim.metadata?.annotations[SELECTED_NODE];
}

function findVolume(context: ReconcileContext, claim: Claim): void {
  const { tx } = context;
  const className = claim.spec?.storageClassName ?? '';
  const sc = className === '' ? undefined : tx.get('StorageClass', '', className);
  const own = claimKey(namespaceOf(claim), nameOf(claim));
  const free = [...tx.index('PersistentVolume', 'claim', own), ...tx.index('PersistentVolume', 'free', className)];
  const selected = nodeOf(tx, claim);
  if (sc?.volumeBindingMode === 'WaitForFirstConsumer' && selected === undefined) {
    // One that was made for this very claim is taken all the same.
    const meant = free.find((volume) => volume.spec?.claimRef !== undefined && isVolumeOf(volume, claim) && !mismatch(claim, volume));
    if (meant !== undefined) bind(context, claim, meant, true);
    else tell(context, claim, 'Normal', 'WaitForFirstConsumer', 'waiting for first consumer to be created before binding');
    return;
  }
  const node = selected === undefined ? undefined : tx.get('Node', '', selected);
  const labels = node?.metadata?.labels ?? {};
  const best = bestVolume(claim, free, selected === undefined ? undefined : { name: selected, labels });
  if (best !== undefined) {
    bind(context, claim, best, true);
    return;
  }
  if (className === '') {
    const message = 'no persistent volumes available for this claim and no storage class is set';
    tell(context, claim, 'Normal', 'FailedBinding', message);
    return;
  }
  if (sc === undefined) {
    tell(context, claim, 'Warning', 'ProvisioningFailed', `storageclass.storage.k8s.io "${className}" not found`);
    return;
  }
  const possible = provisionable(claim, sc);
  if (!possible.ok) {
    tell(context, claim, possible.type, possible.reason, possible.message);
    return;
  }
  if (selected !== undefined && node === undefined) return; // gone meanwhile; the pod's end gives the claim back
  const volume = tx.create('PersistentVolume', newVolume(claim, sc, node));
  bind(context, claim, volume, true);
  tell(context, claim, 'Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${nameOf(volume)}`);
}

/** Both sides at once, in one transaction: there is no state in which only one of them knows. */
function bind(context: ReconcileContext, claim: Claim, volume: Volume, byController: boolean): void {
  const { tx } = context;
  context.because(`bind claim ${nameOf(claim)} to volume ${nameOf(volume)}`);
  const { metadata, spec } = volume;
  const own = claim.metadata;
  if (metadata === undefined || spec === undefined || own === undefined || claim.spec === undefined) return;
  const mark: Record<string, string> = byController ? { [BOUND_BY_CONTROLLER]: 'yes' } : {};
  tx.update(
    'PersistentVolume',
    {
      ...volume,
      metadata: { ...metadata, annotations: { ...metadata.annotations, ...(spec.claimRef === undefined ? mark : {}) } },
      spec: { ...spec, claimRef: referenceTo(claim) },
      status: { ...volume.status, phase: 'Bound', message: undefined, reason: undefined, lastPhaseTransitionTime: timeText(tx.now) },
    },
    'any',
  );
  const sc = claim.spec.storageClassName ? tx.get('StorageClass', '', claim.spec.storageClassName) : undefined;
  const provisioner: Record<string, string> = sc === undefined ? {} : { [STORAGE_PROVISIONER]: sc.provisioner };
  tx.update(
    'PersistentVolumeClaim',
    {
      ...claim,
      metadata: { ...own, annotations: { ...own.annotations, ...provisioner, [BIND_COMPLETED]: 'yes', ...mark } },
      spec: { ...claim.spec, volumeName: nameOf(volume) },
      status: { ...emptyStatus, ...claim.status, phase: 'Bound', accessModes: spec.accessModes, capacity: spec.capacity },
    },
    'any',
  );
}

function referenceTo(claim: Claim): NonNullable<NonNullable<Volume['spec']>['claimRef']> {
  return {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    namespace: namespaceOf(claim),
    name: nameOf(claim),
    uid: uidOf(claim),
    resourceVersion: claim.metadata?.resourceVersion,
  };
}

/** A bound claim that asks for more gets it: nothing has to be done about the data, as nothing there holds it to its size. */
function grow(context: ReconcileContext, claim: Claim, volume: Volume): void {
  const { tx } = context;
  let current = volume;
  const wants = tryParseQuantity(claim.spec?.resources?.requests['storage'] ?? '');
  const has = tryParseQuantity(volume.spec?.capacity['storage'] ?? '');
  const text = claim.spec?.resources?.requests['storage'];
  if (volume.spec !== undefined && wants !== undefined && has !== undefined && text !== undefined && wants.nano > has.nano) {
    context.because(`claim ${nameOf(claim)} asks for ${text}`);
    current = tx.update('PersistentVolume', { ...volume, spec: { ...volume.spec, capacity: { storage: text } } }, 'any');
    tell(context, claim, 'Normal', 'VolumeResizeSuccessful', `volume ${nameOf(volume)} has ${text} now`);
  }
  const capacity = current.spec?.capacity ?? {};
  const accessModes = current.spec?.accessModes ?? [];
  const { status } = claim;
  if (status?.phase === 'Bound' && deepEqual(status.capacity, capacity) && deepEqual(status.accessModes, accessModes)) return;
  tx.update('PersistentVolumeClaim', { ...claim, status: { ...emptyStatus, ...status, phase: 'Bound', capacity, accessModes } }, 'any');
}

const emptyStatus: NonNullable<Claim['status']> = {
  accessModes: [],
  capacity: {},
  conditions: [],
  allocatedResources: {},
  allocatedResourceStatuses: {},
};

function setPhase(tx: Tx, claim: Claim, phase: string): void {
  if (claim.status?.phase === phase) return;
  tx.update('PersistentVolumeClaim', { ...claim, status: { ...emptyStatus, ...claim.status, phase } }, 'any');
}

function tell(context: ReconcileContext, claim: Claim, type: 'Normal' | 'Warning', reason: string, message: string): void {
  context.event({ regarding: regarding('PersistentVolumeClaim', claim), type, reason, message });
}
