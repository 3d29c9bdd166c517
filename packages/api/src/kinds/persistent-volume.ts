// PersistentVolumes: defaults, validation, columns.
import { type FieldError, forbidden, invalid, notSupported, Path, required } from '../errors.js';
import { type PersistentVolumeSpec, PersistentVolumeStatus } from '../gen/podplane/core/v1/persistent_volume.js';
import { dnsSubdomainProblems } from '../names.js';
import { age, UNSET } from '../print.js';
import { CLASS_ANNOTATION, modesText, NODE_LOCAL_DRIVER, VOLUME_PROTECTION, volumeSourceOf } from '../storage/words.js';
import { VOLUME_MODES, validateAccessModes, validateAmount } from './claim-spec.js';
import { defineKind, nameColumn, textColumn } from './define.js';
import { deepEqual } from './equal.js';
import type { DeepReadonly } from './kind-map.js';
import { mustNotChange } from './object-meta.js';
import { validateNodeSelector } from './pod-spec/scheduling.js';
import { hostPathFaults } from './pod-spec/volume-sources.js';

type Spec = DeepReadonly<PersistentVolumeSpec>;

const SPEC = Path.of('spec');
const POLICIES = ['Delete', 'Recycle', 'Retain'] as const;

function validateSource(spec: Spec): FieldError[] {
  const out: FieldError[] = [];
  const [first, ...more] = volumeSourceOf(spec);
  if (first === undefined) out.push(required(SPEC, 'must specify a volume type'));
  for (const source of more) out.push(forbidden(SPEC.child(source), 'may not specify more than 1 volume type'));
  if (spec.hostPath !== undefined) out.push(...hostPathFaults(spec.hostPath, SPEC.child('hostPath')));
  if (spec.local !== undefined) {
    const at = SPEC.child('local', 'path');
    if (spec.local.path === '') out.push(required(at));
    else if (!spec.local.path.startsWith('/')) out.push(invalid(at, spec.local.path, 'must be an absolute path'));
    if (spec.local.path.split('/').includes('..')) out.push(invalid(at, spec.local.path, "must not contain '..'"));
    if (spec.nodeAffinity === undefined) out.push(required(Path.of('metadata', 'annotations'), 'Local volume requires node affinity'));
  }
  if (spec.csi !== undefined) {
    const at = SPEC.child('csi');
    if (spec.csi.driver === '') out.push(required(at.child('driver')));
    else for (const problem of dnsSubdomainProblems(spec.csi.driver)) out.push(invalid(at.child('driver'), spec.csi.driver, problem));
    if (spec.csi.volumeHandle === '') out.push(required(at.child('volumeHandle')));
    if (spec.csi.driver === NODE_LOCAL_DRIVER && spec.nodeAffinity === undefined)
      out.push(required(SPEC.child('nodeAffinity'), `a volume of ${NODE_LOCAL_DRIVER} is on one node`));
  }
  return out;
}

function validateSpec(spec: Spec): FieldError[] {
  const out = validateAccessModes(spec.accessModes, SPEC.child('accessModes'));
  const capacity = SPEC.child('capacity');
  const names = Object.keys(spec.capacity);
  if (names.length === 0) out.push(required(capacity));
  else if (names.length > 1 || names[0] !== 'storage') out.push(notSupported(capacity, names.join(', '), ['storage']));
  for (const name of names) out.push(...validateAmount(spec.capacity[name], capacity.key(name)));
  const policy = spec.persistentVolumeReclaimPolicy;
  if (!POLICIES.some((one) => one === policy)) out.push(notSupported(SPEC.child('persistentVolumeReclaimPolicy'), policy, POLICIES));
  if (spec.nodeAffinity !== undefined) {
    const at = SPEC.child('nodeAffinity', 'required');
    if (spec.nodeAffinity.required === undefined) out.push(required(at, 'must specify required node constraints'));
    else out.push(...validateNodeSelector(spec.nodeAffinity.required, at));
  }
  out.push(...validateSource(spec));
  if (spec.storageClassName)
    for (const problem of dnsSubdomainProblems(spec.storageClassName))
      out.push(invalid(SPEC.child('storageClassName'), spec.storageClassName, problem));
  if (spec.volumeMode !== undefined && !VOLUME_MODES.some((one) => one === spec.volumeMode))
    out.push(notSupported(SPEC.child('volumeMode'), spec.volumeMode, VOLUME_MODES));
  return out;
}

function validateChange(next: Spec | undefined, previous: Spec | undefined): FieldError[] {
  if (next === undefined || previous === undefined) return [];
  const out: FieldError[] = [];
  const sources = new Set([...volumeSourceOf(next), ...volumeSourceOf(previous)]);
  if ([...sources].some((field) => !deepEqual(next[field], previous[field])))
    out.push(forbidden(SPEC.child('persistentvolumesource'), 'spec.persistentvolumesource is immutable after creation'));
  out.push(...mustNotChange(next.volumeMode, previous.volumeMode, Path.of('volumeMode')));
  if (previous.nodeAffinity !== undefined) out.push(...mustNotChange(next.nodeAffinity, previous.nodeAffinity, Path.of('nodeAffinity')));
  return out;
}

export const persistentVolumeKind = defineKind<'PersistentVolume'>({
  kind: 'PersistentVolume',
  oneofCase: 'persistentVolume',
  columns: [
    nameColumn(),
    textColumn('Capacity', ({ spec }) => spec?.capacity['storage'] ?? ''),
    textColumn('Access Modes', ({ spec }) => modesText(spec?.accessModes ?? [])),
    textColumn('Reclaim Policy', ({ spec }) => spec?.persistentVolumeReclaimPolicy ?? ''),
    textColumn('Status', ({ metadata, status }) => (metadata?.deletionTimestamp === undefined ? (status?.phase ?? '') : 'Terminating')),
    textColumn('Claim', ({ spec }) => (spec?.claimRef === undefined ? '' : `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}`)),
    textColumn('StorageClass', ({ metadata, spec }) => metadata?.annotations[CLASS_ANNOTATION] ?? spec?.storageClassName ?? ''),
    textColumn('VolumeAttributesClass', ({ spec }) => spec?.volumeAttributesClassName || UNSET),
    textColumn('Reason', ({ status }) => status?.reason ?? ''),
    textColumn('Age', ({ metadata }, { now }) => age(metadata?.creationTimestamp, now)),
    textColumn('VolumeMode', ({ spec }) => spec?.volumeMode || UNSET, true),
  ],
  setDefaults({ spec }) {
    if (spec === undefined) return;
    spec.persistentVolumeReclaimPolicy ||= 'Retain';
    spec.volumeMode ||= 'Filesystem';
    if (spec.hostPath !== undefined) spec.hostPath.type ??= '';
  },
  prepareForCreate(volume) {
    volume.status = PersistentVolumeStatus.create({ phase: 'Pending' });
    const { metadata } = volume;
    if (metadata !== undefined && !metadata.finalizers.includes(VOLUME_PROTECTION)) metadata.finalizers.push(VOLUME_PROTECTION);
  },
  validate: ({ spec }) => (spec === undefined ? [required(SPEC.child('capacity'))] : validateSpec(spec)),
  validateUpdate: (next, previous) => validateChange(next.spec, previous.spec),
});
