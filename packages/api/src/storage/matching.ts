// Which volume a claim may have, and from which nodes a volume or a class can be used. Pure; who binds them is elsewhere.
import type { NodeSelector } from '../gen/podplane/core/v1/scheduling.js';
import type { Obj } from '../kinds/kind-map.js';
import { tryParseQuantity } from '../quantity.js';
import { compileLabelSelector, compileNodeSelector, type SelectableNode } from '../selectors.js';

type Claim = Obj<'PersistentVolumeClaim'>;
type Volume = Obj<'PersistentVolume'>;
type Class = Obj<'StorageClass'>;

/** Whether a volume is this claim's by its claimRef; a uid that is not given yet fits any claim of the name. */
export function isVolumeOf(volume: Volume, claim: Claim): boolean {
  const ref = volume.spec?.claimRef;
  return (
    ref !== undefined &&
    ref.namespace === claim.metadata?.namespace &&
    ref.name === claim.metadata?.name &&
    (!ref.uid || ref.uid === claim.metadata?.uid)
  );
}

const amount = (text: string | undefined): bigint => tryParseQuantity(text ?? '')?.nano ?? 0n;

/** Why a volume is not what a claim asks for, as Kubernetes words it; undefined: it is. Whose it is is not asked. */
export function mismatch(claim: Claim, volume: Volume): string | undefined {
  const wants = claim.spec;
  const has = volume.spec;
  if (wants === undefined || has === undefined) return 'it has no spec';
  if (amount(has.capacity['storage']) < amount(wants.resources?.requests['storage'])) return 'requested PV is too small';
  if ((has.storageClassName ?? '') !== (wants.storageClassName ?? '')) return 'storageClassName does not match';
  if ((has.volumeMode || 'Filesystem') !== (wants.volumeMode || 'Filesystem')) return 'incompatible volumeMode';
  if (!wants.accessModes.every((mode) => has.accessModes.includes(mode))) return 'incompatible accessMode';
  return undefined;
}

/** Whether pods on the node can use the volume. */
export function reaches(volume: Volume, node: SelectableNode): boolean {
  return volume.spec?.nodeAffinity === undefined || compileNodeSelector(volume.spec.nodeAffinity.required)(node);
}

/** Whether a class makes volumes for pods on the node. */
export function allowedOn(sc: Class, node: SelectableNode): boolean {
  if (sc.allowedTopologies.length === 0) return true;
  return sc.allowedTopologies.some((term) =>
    term.matchLabelExpressions.every(({ key, values }) => {
      const label = node.labels[key];
      return label !== undefined && values.includes(label);
    }),
  );
}

/**
 * The volume that an unbound claim should get: one that is meant for it, else the smallest that nobody has and that fits.
 * node: it must be usable from there; undefined: any.
 */
export function bestVolume(claim: Claim, volumes: Iterable<Volume>, node: SelectableNode | undefined): Volume | undefined {
  const chosen = compileLabelSelector(claim.spec?.selector);
  let best: Volume | undefined;
  for (const volume of volumes) {
    if (volume.metadata?.deletionTimestamp !== undefined || mismatch(claim, volume) !== undefined) continue;
    if (node !== undefined && !reaches(volume, node)) continue;
    if (isVolumeOf(volume, claim)) return volume;
    if (volume.spec?.claimRef !== undefined) continue;
    if (claim.spec?.selector !== undefined && !chosen(volume.metadata?.labels ?? {})) continue;
    if (best === undefined || smaller(volume, best)) best = volume;
  }
  return best;
}

function smaller(a: Volume, b: Volume): boolean {
  const left = amount(a.spec?.capacity['storage']);
  const right = amount(b.spec?.capacity['storage']);
  return left < right || (left === right && (a.metadata?.name ?? '') < (b.metadata?.name ?? ''));
}

/** The class that claims without one get: of several defaults the newest, then the first by name. */
export function defaultClass(classes: Iterable<Class>, annotation: string): Class | undefined {
  let found: Class | undefined;
  for (const one of classes) {
    if (one.metadata?.annotations[annotation] !== 'true' || one.metadata.deletionTimestamp !== undefined) continue;
    const made = one.metadata.creationTimestamp ?? '';
    const best = found?.metadata?.creationTimestamp ?? '';
    if (found === undefined || made > best || (made === best && (one.metadata.name ?? '') < (found.metadata?.name ?? ''))) found = one;
  }
  return found;
}

const HOSTNAME = 'kubernetes.io/hostname';

/** This node alone: by its host name as others do, by its name where it has no such label. */
export function onlyNode(node: SelectableNode): NodeSelector {
  const hostname = node.labels[HOSTNAME];
  const only = (key: string, value: string): { key: string; operator: string; values: string[] }[] => [
    { key, operator: 'In', values: [value] },
  ];
  const term =
    hostname === undefined
      ? { matchExpressions: [], matchFields: only('metadata.name', node.name) }
      : { matchExpressions: only(HOSTNAME, hostname), matchFields: [] };
  return { nodeSelectorTerms: [term] };
}
