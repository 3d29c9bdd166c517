// What becomes of a volume: whose it is, and, when its claim is gone, whether its data stays. The data itself is removed by a node's
// agent, which is asked by an annotation and answers over its session; until then a finalizer keeps the volume.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isBeingDeleted } from '@podplane/api/pod-state';
import { isVolumeOf, reaches } from '@podplane/api/storage/matching';
import {
  BOUND_BY_CONTROLLER,
  DATA_PROTECTION,
  NODE_LOCAL_DRIVER,
  RECLAIM_NODE,
  SHARED_DIRECTORY_DRIVER,
  VOLUME_PROTECTION,
} from '@podplane/api/storage/words';
import type { ReadView, Tx } from '@podplane/store/types';
import type { ReconcileContext } from '../runtime/types.js';
import { nameOf, regarding } from '../shared/objects.js';
import { timeText } from '../shared/time.js';

type Volume = Obj<'PersistentVolume'>;

interface Whose {
  readonly phase: string;
  readonly message?: string | undefined;
}

export function reconcileVolume(context: ReconcileContext, name: string): void {
  const { tx } = context;
  const volume = tx.get('PersistentVolume', '', name);
  if (volume?.metadata === undefined || volume.spec === undefined) return;
  const whose = stateOf(tx, volume);
  if (isBeingDeleted(volume)) {
    leave(context, volume, whose);
    return;
  }
  if (!volume.metadata.finalizers.includes(VOLUME_PROTECTION)) {
    const metadata = { ...volume.metadata, finalizers: [...volume.metadata.finalizers, VOLUME_PROTECTION] };
    tx.update('PersistentVolume', { ...volume, metadata }, 'any');
    return; // the change brings us back
  }
  if (whose.phase === 'Available' && volume.metadata.annotations[BOUND_BY_CONTROLLER] !== undefined && volume.spec.claimRef !== undefined) {
    // Its claim took another one.
    const { [BOUND_BY_CONTROLLER]: _gone, ...annotations } = volume.metadata.annotations;
    const spec = { ...volume.spec, claimRef: undefined };
    tx.update('PersistentVolume', { ...volume, metadata: { ...volume.metadata, annotations }, spec }, 'any');
    return;
  }
  if (whose.phase !== 'Released' || volume.spec.persistentVolumeReclaimPolicy !== 'Delete') {
    setStatus(tx, volume, whose.phase, whose.message);
    return;
  }
  if (!reclaimable(volume)) {
    const message = `error getting deleter volume plugin for volume "${name}": no deletable volume plugin matched`;
    if (volume.status?.phase !== 'Failed')
      context.event({ regarding: regarding('PersistentVolume', volume), type: 'Warning', reason: 'VolumeFailedDelete', message });
    setStatus(tx, volume, 'Failed', message);
    return;
  }
  context.because(`the claim of volume ${name} is gone`);
  const released = setStatus(tx, volume, 'Released', undefined);
  const { metadata } = released;
  if (metadata === undefined) return;
  // Also one that was made by hand: whoever says Delete means its data.
  if (!metadata.finalizers.includes(DATA_PROTECTION))
    tx.update('PersistentVolume', { ...released, metadata: { ...metadata, finalizers: [...metadata.finalizers, DATA_PROTECTION] } }, 'any');
  tx.markDeleted('PersistentVolume', '', name, 0);
}

/** Whose it is, by its claimRef and the claim that is there. */
function stateOf(view: ReadView, volume: Volume): Whose {
  const ref = volume.spec?.claimRef;
  if (ref === undefined) return { phase: 'Available' };
  const claim = view.get('PersistentVolumeClaim', ref.namespace ?? '', ref.name ?? '');
  if (claim !== undefined && isVolumeOf(volume, claim)) {
    if (claim.spec?.volumeName === nameOf(volume)) return { phase: 'Bound' };
    if (claim.spec?.volumeName) return { phase: 'Available' };
    return { phase: volume.status?.phase === 'Bound' ? 'Bound' : 'Available' };
  }
  // Without a uid it is kept for a claim that is still to come.
  return { phase: ref.uid ? 'Released' : 'Available' };
}

/** Whether an agent can remove its data. */
function reclaimable(volume: Volume): boolean {
  const driver = volume.spec?.csi?.driver;
  return driver === NODE_LOCAL_DRIVER || driver === SHARED_DIRECTORY_DRIVER;
}

/** One that is being deleted: not while it is bound, and with its data where its policy says so. */
function leave(context: ReconcileContext, volume: Volume, whose: Whose): void {
  const { tx } = context;
  const { metadata } = volume;
  if (metadata === undefined) return;
  if (whose.phase === 'Bound') {
    setStatus(tx, volume, 'Bound', undefined);
    return;
  }
  const withData = volume.spec?.persistentVolumeReclaimPolicy === 'Delete' && reclaimable(volume);
  const finalizers = metadata.finalizers.filter((one) => one !== VOLUME_PROTECTION && (one !== DATA_PROTECTION || withData));
  if (finalizers.length !== metadata.finalizers.length) {
    tx.update('PersistentVolume', { ...volume, metadata: { ...metadata, finalizers } }, 'any');
    return; // the change brings us back where anything is left
  }
  if (!finalizers.includes(DATA_PROTECTION)) return;
  const asked = metadata.annotations[RECLAIM_NODE];
  const nodes = [...tx.list('Node')].filter((node) => reaches(volume, { name: nameOf(node), labels: node.metadata?.labels ?? {} }));
  const ready = nodes.filter(isReady).sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  // The one that was asked answers, unless it went away and another one can do it.
  const chosen = ready.find((node) => nameOf(node) === asked) ?? ready[0] ?? nodes.find((node) => nameOf(node) === asked) ?? nodes[0];
  const message = waitingFor(volume, chosen, ready.length > 0);
  let current = volume;
  if (chosen !== undefined && nameOf(chosen) !== asked) {
    context.because(`node ${nameOf(chosen)} shall remove the data of volume ${nameOf(volume)}`);
    const annotations = { ...metadata.annotations, [RECLAIM_NODE]: nameOf(chosen) };
    current = tx.update('PersistentVolume', { ...volume, metadata: { ...metadata, annotations } }, 'any');
  }
  if (message !== undefined) {
    if (volume.status?.message !== message)
      context.event({ regarding: regarding('PersistentVolume', volume), type: 'Warning', reason: 'VolumeDeleteWaits', message });
    setStatus(tx, current, 'Released', message);
  } else if (current.status?.phase !== 'Failed') setStatus(tx, current, 'Released', undefined);
}

/** Why the data cannot be removed now; undefined: it can. */
function waitingFor(volume: Volume, node: Obj<'Node'> | undefined, ready: boolean): string | undefined {
  if (ready) return undefined;
  const advice = `if it never comes back, remove the finalizer ${DATA_PROTECTION}`;
  if (node !== undefined) return `waits for node ${nameOf(node)}, which is not Ready, to remove the data; ${advice}`;
  return `waits for a node that reaches volume ${nameOf(volume)} to remove the data; there is none; ${advice}`;
}

export function isReady(node: Obj<'Node'>): boolean {
  return node.status?.conditions.find((one) => one.type === 'Ready')?.status === 'True';
}

function setStatus(tx: Tx, volume: Volume, phase: string, message: string | undefined): Volume {
  const before = volume.status;
  if (before?.phase === phase && before.message === message) return volume;
  const since = before?.phase === phase ? before.lastPhaseTransitionTime : timeText(tx.now);
  const reason = phase === 'Failed' ? 'VolumeFailedDelete' : undefined;
  return tx.update('PersistentVolume', { ...volume, status: { phase, message, reason, lastPhaseTransitionTime: since } }, 'any');
}
