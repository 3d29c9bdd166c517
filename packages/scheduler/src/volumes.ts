// What a pod's claims ask of its node, read from claims, volumes, classes and the pods that use them; and, when the node is chosen, that
// it still is so, with what is written about it. Pure but for the transaction.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isPodTerminal } from '@podplane/api/pod-state';
import { compileNodeSelector, type SelectableNode } from '@podplane/api/selectors';
import { allowedOn, bestVolume, mismatch } from '@podplane/api/storage/matching';
import { claimsOf, isClaimOfPod, notOwned, usesClaim } from '@podplane/api/storage/pod-claims';
import { provisionable } from '@podplane/api/storage/provisionable';
import { BIND_COMPLETED, claimKey, SELECTED_NODE } from '@podplane/api/storage/words';
import type { ReadView, Tx } from '@podplane/store/types';
import type { VolumeModel, VolumeNeed } from './model.js';

type Pod = Obj<'Pod'>;
type Claim = Obj<'PersistentVolumeClaim'>;
type Volume = Obj<'PersistentVolume'>;

const CONFLICT = 'node(s) had volume node affinity conflict';
const NOTHING = "node(s) didn't find available persistent volumes to bind";
const GONE = 'node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)';
const IN_USE = 'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode';
const COMING = 'waiting for ephemeral volume controller to create the persistentvolumeclaim';
const UNBOUND = 'pod has unbound immediate PersistentVolumeClaims';

/** undefined: the pod has no claims. */
export function volumeModel(pod: Pod, view: ReadView): VolumeModel | undefined {
  const claims = claimsOf(pod);
  if (claims.length === 0) return undefined;
  const needs: VolumeNeed[] = [];
  const keys: unknown[] = [];
  const blocked = (why: string): VolumeModel => ({ key: JSON.stringify(why), blocked: why, needs: [] });
  for (const { name, own } of claims) {
    const claim = view.get('PersistentVolumeClaim', pod.metadata?.namespace ?? '', name);
    if (claim?.metadata === undefined || claim.spec === undefined)
      return blocked(own ? `${COMING} "${name}"` : `persistentvolumeclaim "${name}" not found`);
    if (own && !isClaimOfPod(claim, pod)) return blocked(notOwned(pod, name));
    if (claim.metadata.deletionTimestamp !== undefined) return blocked(`persistentvolumeclaim "${name}" is being deleted`);
    const users = usersOf(claim, pod, view);
    if (claim.spec.accessModes.includes('ReadWriteOncePod') && users.length > 0) return blocked(IN_USE);
    if (claim.spec.volumeName && claim.metadata.annotations[BIND_COMPLETED] !== undefined) {
      const volume = view.get('PersistentVolume', '', claim.spec.volumeName);
      if (volume === undefined) return blocked(GONE);
      needs.push(...boundNeeds(volume, users));
      keys.push(claim.spec.volumeName, volume.spec?.nodeAffinity ?? null, singleNode(volume) ? (users[0]?.spec?.nodeName ?? '') : '');
      continue;
    }
    const sc = claim.spec.storageClassName ? view.get('StorageClass', '', claim.spec.storageClassName) : undefined;
    if (sc?.volumeBindingMode !== 'WaitForFirstConsumer' || claim.spec.volumeName) return blocked(UNBOUND);
    const candidates = candidatesFor(claim, view);
    const makes = provisionable(claim, sc).ok;
    needs.push({
      summary: NOTHING,
      detail: `claim "${name}"`,
      holds: (node) => (makes && allowedOn(sc, node)) || bestVolume(claim, candidates, node) !== undefined,
    });
    keys.push(
      claim.metadata.uid,
      makes,
      sc.allowedTopologies,
      candidates.map((volume) => volume.metadata?.resourceVersion),
    );
  }
  return { key: JSON.stringify(keys), blocked: undefined, needs };
}

/** Other pods that have a node, may still run, and use the claim. */
function usersOf(claim: Claim, pod: Pod, view: ReadView): readonly Pod[] {
  const key = claimKey(claim.metadata?.namespace ?? '', claim.metadata?.name ?? '');
  return [...view.index('Pod', 'claim', key)].filter(
    (other) => other.metadata?.uid !== pod.metadata?.uid && other.spec?.nodeName && !isPodTerminal(other) && usesClaim(other, claim),
  );
}

/** Whether it may be used on one node at a time only, though several reach it. */
function singleNode({ spec }: Volume): boolean {
  return spec?.accessModes.every((mode) => mode === 'ReadWriteOnce' || mode === 'ReadWriteOncePod') ?? false;
}

function boundNeeds(volume: Volume, users: readonly Pod[]): VolumeNeed[] {
  const name = volume.metadata?.name ?? '';
  const needs: VolumeNeed[] = [];
  const affinity = volume.spec?.nodeAffinity?.required;
  if (affinity !== undefined) needs.push({ summary: CONFLICT, detail: `volume "${name}"`, holds: compileNodeSelector(affinity) });
  const used = users[0]?.spec?.nodeName;
  if (used && singleNode(volume))
    needs.push({
      summary: CONFLICT,
      detail: `volume "${name}" is ReadWriteOnce and in use on ${used}`,
      holds: (node) => node.name === used,
    });
  return needs;
}

function candidatesFor(claim: Claim, view: ReadView): readonly Volume[] {
  const own = claimKey(claim.metadata?.namespace ?? '', claim.metadata?.name ?? '');
  const all = [
    ...view.index('PersistentVolume', 'claim', own),
    ...view.index('PersistentVolume', 'free', claim.spec?.storageClassName ?? ''),
  ];
  return all.filter((volume) => mismatch(claim, volume) === undefined);
}

/**
 * The node is chosen: claims that waited for it are told, and volumes that are there are set aside for them. False: the node does not do
 * any more, because a claim or a volume changed after the decision.
 */
export function reserveVolumes(tx: Tx, pod: Pod, nodeName: string): boolean {
  const claims = claimsOf(pod);
  if (claims.length === 0) return true;
  const node: SelectableNode = { name: nodeName, labels: tx.get('Node', '', nodeName)?.metadata?.labels ?? {} };
  const model = volumeModel(pod, tx);
  if (model?.blocked !== undefined || model?.needs.some((need) => !need.holds(node)) === true) return false;
  for (const { name } of claims) {
    const claim = tx.get('PersistentVolumeClaim', pod.metadata?.namespace ?? '', name);
    if (claim?.metadata === undefined || claim.spec === undefined || claim.spec.volumeName) continue;
    const volume = bestVolume(claim, candidatesFor(claim, tx), node);
    if (volume !== undefined) setAside(tx, volume, claim);
    else {
      const sc = claim.spec.storageClassName ? tx.get('StorageClass', '', claim.spec.storageClassName) : undefined;
      // Two claims of one pod may have counted on the same volume.
      if (sc === undefined || !provisionable(claim, sc).ok || !allowedOn(sc, node)) return false;
    }
    const annotations = { ...claim.metadata.annotations, [SELECTED_NODE]: nodeName };
    tx.update('PersistentVolumeClaim', { ...claim, metadata: { ...claim.metadata, annotations } }, 'any');
  }
  return true;
}

function setAside(tx: Tx, volume: Volume, claim: Claim): void {
  if (volume.spec === undefined) return;
  const { namespace, name, uid } = claim.metadata ?? {};
  const claimRef = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name, uid };
  tx.update('PersistentVolume', { ...volume, spec: { ...volume.spec, claimRef } }, 'any');
}
