// PersistentVolumeClaims: defaults, validation, columns. Which volume a claim gets is the business of ../storage and of the controllers.
import { Path, required } from '../errors.js';
import { PersistentVolumeClaimStatus } from '../gen/podplane/core/v1/persistent_volume_claim.js';
import { age, UNSET } from '../print.js';
import { CLAIM_PROTECTION, modesText } from '../storage/words.js';
import { setClaimDefaults, validateClaimChange, validateClaimSpec } from './claim-spec.js';
import { defineKind, nameColumn, textColumn } from './define.js';

const SPEC = Path.of('spec');

export const persistentVolumeClaimKind = defineKind<'PersistentVolumeClaim'>({
  kind: 'PersistentVolumeClaim',
  oneofCase: 'persistentVolumeClaim',
  columns: [
    nameColumn(),
    textColumn('Status', ({ metadata, status }) => (metadata?.deletionTimestamp === undefined ? (status?.phase ?? '') : 'Terminating')),
    textColumn('Volume', ({ spec }) => spec?.volumeName ?? ''),
    textColumn('Capacity', ({ spec, status }) => (spec?.volumeName ? (status?.capacity['storage'] ?? '') : '')),
    textColumn('Access Modes', ({ spec, status }) => (spec?.volumeName ? modesText(status?.accessModes ?? []) : '')),
    textColumn('StorageClass', ({ spec }) => spec?.storageClassName ?? ''),
    textColumn('VolumeAttributesClass', ({ spec }) => spec?.volumeAttributesClassName || UNSET),
    textColumn('Age', ({ metadata }, { now }) => age(metadata?.creationTimestamp, now)),
    textColumn('VolumeMode', ({ spec }) => spec?.volumeMode || UNSET, true),
  ],
  setDefaults: ({ spec }) => setClaimDefaults(spec),
  prepareForCreate(claim) {
    claim.status = PersistentVolumeClaimStatus.create({ phase: 'Pending' });
    const { metadata } = claim;
    if (metadata !== undefined && !metadata.finalizers.includes(CLAIM_PROTECTION)) metadata.finalizers.push(CLAIM_PROTECTION);
  },
  prepareForUpdate({ spec }, { spec: previous }) {
    if (spec === undefined || previous === undefined) return;
    // What the server has set is not unset by sending the manifest again.
    spec.volumeName ||= previous.volumeName;
    spec.storageClassName ??= previous.storageClassName;
  },
  validate: ({ spec }) =>
    spec === undefined ? [required(SPEC.child('accessModes')), required(SPEC.child('resources'))] : validateClaimSpec(spec, SPEC),
  validateUpdate: (next, previous) =>
    next.spec === undefined || previous.spec === undefined
      ? []
      : validateClaimChange(next.spec, previous.spec, {
          is: previous.status?.phase === 'Bound',
          capacity: previous.status?.capacity['storage'],
        }),
});
