// The claims of a StatefulSet's pods: each pod has its own, by its number, which outlive it; and who owns them, so that they go when the
// set's policy says so. What a claim gets is the volumes' controller's business.
import { PersistentVolumeClaim } from '@podplane/api/gen/podplane/core/v1/persistent_volume_claim';
import { deepEqual } from '@podplane/api/kinds/equal';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { persistentVolumeClaimKind } from '@podplane/api/kinds/persistent-volume-claim';
import { isBeingDeleted } from '@podplane/api/pod-state';
import type { ReadView, Tx } from '@podplane/store/types';
import { controllerReference, nameOf, namespaceOf, uidOf } from '../shared/objects.js';
import { classFor } from '../volumes/default-class.js';
import { ordinalOf, podName } from './names.js';

type StatefulSet = Obj<'StatefulSet'>;
type Claim = Obj<'PersistentVolumeClaim'>;
type Volumes = NonNullable<Obj<'Pod'>['spec']>['volumes'];
type Owners = NonNullable<Claim['metadata']>['ownerReferences'];

const templatesOf = (set: StatefulSet): NonNullable<StatefulSet['spec']>['volumeClaimTemplates'] => set.spec?.volumeClaimTemplates ?? [];

/** template-set-number, as in Kubernetes. */
export const claimName = (set: StatefulSet, template: string, ordinal: number): string => `${template}-${podName(set, ordinal)}`;

/** The volumes of a pod of one number: those of the template, and its claims in place of what has their names. */
export function volumesOf(set: StatefulSet, ordinal: number, volumes: Volumes): Volumes {
  const templates = templatesOf(set);
  if (templates.length === 0) return volumes;
  const names = new Set(templates.map(({ metadata }) => metadata?.name ?? ''));
  const claims = [...names].map((name) => ({ name, persistentVolumeClaim: { claimName: claimName(set, name, ordinal), readOnly: false } }));
  return [...claims, ...volumes.filter(({ name }) => !names.has(name))];
}

/** Makes the claims of a number that are missing; returns their names. */
export function createClaims(tx: Tx, set: StatefulSet, ordinal: number): string[] {
  const made: string[] = [];
  for (const template of templatesOf(set)) {
    const name = claimName(set, template.metadata?.name ?? '', ordinal);
    if (tx.get('PersistentVolumeClaim', namespaceOf(set), name) !== undefined) continue;
    const claim = PersistentVolumeClaim.fromPartial({
      metadata: {
        name,
        namespace: namespaceOf(set),
        labels: { ...template.metadata?.labels, ...set.spec?.selector?.matchLabels },
        annotations: { ...template.metadata?.annotations },
      },
      spec: structuredClone(template.spec) as NonNullable<PersistentVolumeClaim['spec']>,
    });
    persistentVolumeClaimKind.setDefaults(claim);
    persistentVolumeClaimKind.prepareForCreate(claim, tx.now);
    const storageClassName = classFor(tx, claim);
    if (claim.spec !== undefined && storageClassName !== undefined) claim.spec.storageClassName = storageClassName;
    tx.create('PersistentVolumeClaim', claim);
    made.push(name);
  }
  return made;
}

/** Whether a claim of a number, which has no pod now, goes with the pod that it had: the next pod must wait for a new one. */
export function hasStaleClaim(tx: Tx, set: StatefulSet, ordinal: number): boolean {
  if (set.spec?.persistentVolumeClaimRetentionPolicy?.whenScaled !== 'Delete') return false;
  const pod = podName(set, ordinal);
  return templatesOf(set).some(({ metadata }) =>
    tx
      .get('PersistentVolumeClaim', namespaceOf(set), claimName(set, metadata?.name ?? '', ordinal))
      ?.metadata?.ownerReferences.some(({ kind, name }) => kind === 'Pod' && name === pod),
  );
}

export interface NewClaim {
  readonly pod: string;
  readonly claim: string;
}

/**
 * Claims go with what owns them: with the set where they shall go when it is deleted, with the pod where that one goes because there are
 * fewer replicas. wanted: whether a number belongs to the set as it shall be. Claims of numbers without a pod are not touched. Returns
 * those that were missing and are made.
 */
export function syncClaims(tx: Tx, set: StatefulSet, pods: Iterable<Obj<'Pod'>>, wanted: (ordinal: number) => boolean): NewClaim[] {
  const templates = templatesOf(set);
  const made: NewClaim[] = [];
  if (templates.length === 0) return made;
  for (const pod of pods) {
    const ordinal = ordinalOf(set, nameOf(pod));
    if (ordinal === undefined) continue;
    // A claim that went while its number was not wanted is made anew for the pod that came back.
    if (wanted(ordinal) && !isBeingDeleted(pod)) for (const claim of createClaims(tx, set, ordinal)) made.push({ pod: nameOf(pod), claim });
    for (const template of templates) {
      const claim = tx.get('PersistentVolumeClaim', namespaceOf(set), claimName(set, template.metadata?.name ?? '', ordinal));
      if (claim?.metadata !== undefined) own(tx, claim, ownersOf(set, pod, claim.metadata.ownerReferences, wanted(ordinal)));
    }
  }
  return made;
}

/** Owners as Kubernetes 1.34 sets them: the set or the pod, as the one that controls the claim; never beside somebody else who does. */
function ownersOf(set: StatefulSet, pod: Obj<'Pod'>, before: Owners, wanted: boolean): Owners {
  const policy = set.spec?.persistentVolumeClaimRetentionPolicy;
  const isSet = ({ apiVersion, kind, name }: Owners[number]): boolean =>
    apiVersion === 'apps/v1' && kind === 'StatefulSet' && name === nameOf(set);
  const isPod = ({ apiVersion, kind, name }: Owners[number]): boolean => apiVersion === 'v1' && kind === 'Pod' && name === nameOf(pod);
  // An earlier set or pod of the name still has it: the garbage collector's to deal with.
  if (before.some((one) => (isSet(one) && one.uid !== uidOf(set)) || (isPod(one) && one.uid !== uidOf(pod)))) return before;
  const others = before.filter((one) => !isSet(one) && !isPod(one));
  if (others.some(({ controller }) => controller === true)) return others;
  if (!wanted && policy?.whenScaled === 'Delete') return [...others, controllerReference('Pod', pod)];
  if (policy?.whenDeleted === 'Delete') return [...others, controllerReference('StatefulSet', set)];
  return others;
}

function own(tx: Tx, claim: Claim, ownerReferences: Owners): void {
  if (claim.metadata === undefined || deepEqual(claim.metadata.ownerReferences, ownerReferences)) return;
  tx.update('PersistentVolumeClaim', { ...claim, metadata: { ...claim.metadata, ownerReferences } }, 'any');
}

/** The sets that a claim is of, by its name. */
export function* setsOfClaim(claim: Claim, view: ReadView): Generator<StatefulSet> {
  for (const set of view.list('StatefulSet', namespaceOf(claim))) {
    for (const { metadata } of templatesOf(set)) {
      const prefix = `${metadata?.name ?? ''}-`;
      if (nameOf(claim).startsWith(prefix) && ordinalOf(set, nameOf(claim).slice(prefix.length)) !== undefined) yield set;
    }
  }
}
