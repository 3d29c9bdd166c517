// What may be claimed of storage: the rules for the spec of a PersistentVolumeClaim, wherever it stands. The kind itself is in
// persistent-volume-claim.ts.
import { type FieldError, forbidden, invalid, notSupported, Path, required } from '../errors.js';
import type { PersistentVolumeClaimSpec } from '../gen/podplane/core/v1/volume_claim.js';
import { dnsSubdomainProblems } from '../names.js';
import { tryParseQuantity } from '../quantity.js';
import { deepEqual } from './equal.js';
import type { DeepReadonly } from './kind-map.js';
import { validateLabelSelector } from './selector-validation.js';

type Spec = DeepReadonly<PersistentVolumeClaimSpec>;

export const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'] as const;
export const VOLUME_MODES = ['Block', 'Filesystem'] as const;

/** Faults of access modes: unknown ones, none, and ReadWriteOncePod beside others. */
export function validateAccessModes(modes: readonly string[], path: Path): FieldError[] {
  const out: FieldError[] = [];
  if (modes.length === 0) out.push(required(path, 'at least 1 access mode is required'));
  for (const mode of modes) if (!ACCESS_MODES.some((one) => one === mode)) out.push(notSupported(path, mode, ACCESS_MODES));
  if (modes.includes('ReadWriteOncePod') && modes.length > 1)
    out.push(forbidden(path, 'may not use ReadWriteOncePod with other access modes'));
  return out;
}

/** Faults of an amount of storage, which must be there and more than nothing. */
export function validateAmount(text: string | undefined, path: Path): FieldError[] {
  if (text === undefined) return [required(path)];
  const quantity = tryParseQuantity(text);
  if (quantity === undefined) return [invalid(path, text, 'must be a valid resource quantity')];
  return quantity.nano > 0n ? [] : [invalid(path, text, 'must be greater than zero')];
}

/** What is left out. */
export function setClaimDefaults(spec: PersistentVolumeClaimSpec | undefined): void {
  if (spec !== undefined) spec.volumeMode ||= 'Filesystem';
}

/** Faults of a claim. */
export function validateClaimSpec(spec: Spec, path: Path): FieldError[] {
  const out = validateAccessModes(spec.accessModes, path.child('accessModes'));
  if (spec.selector !== undefined) out.push(...validateLabelSelector(spec.selector, path.child('selector')));
  out.push(...validateAmount(spec.resources?.requests['storage'], path.child('resources').key('storage')));
  for (const [field, name] of [
    ['volumeName', spec.volumeName],
    ['storageClassName', spec.storageClassName],
  ] as const) {
    if (name) for (const problem of dnsSubdomainProblems(name)) out.push(invalid(path.child(field), name, problem));
  }
  if (spec.volumeMode !== undefined && !VOLUME_MODES.some((one) => one === spec.volumeMode))
    out.push(notSupported(path.child('volumeMode'), spec.volumeMode, VOLUME_MODES));
  return out;
}

const IMMUTABLE = 'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims';
const REQUESTS = Path.of('spec', 'resources', 'requests', 'storage');

/** What must not change: everything but what the server fills in, and of a bound claim how much it asks for, which only grows. */
export function validateClaimChange(
  next: Spec,
  previous: Spec,
  bound: { readonly is: boolean; readonly capacity: string | undefined },
): FieldError[] {
  const out: FieldError[] = [];
  const masked: Spec = {
    ...next,
    ...(previous.volumeName ? {} : { volumeName: previous.volumeName }),
    ...(previous.storageClassName === undefined && !bound.is ? { storageClassName: undefined } : {}),
    ...(bound.is ? { resources: previous.resources } : {}),
  };
  const changed = Object.keys({ ...masked, ...previous })
    .filter((key) => !deepEqual(masked[key as keyof Spec], previous[key as keyof Spec]))
    .sort();
  if (changed.length > 0) out.push(forbidden(Path.of('spec'), `${IMMUTABLE}; changed here: ${changed.join(', ')}`));
  const now = tryParseQuantity(next.resources?.requests['storage'] ?? '');
  const has = tryParseQuantity(bound.capacity ?? '');
  if (bound.is && now !== undefined && has !== undefined) {
    const before = tryParseQuantity(previous.resources?.requests['storage'] ?? '');
    if (before !== undefined && now.nano < before.nano && now.nano < has.nano)
      out.push(forbidden(REQUESTS, 'field can not be less than status.capacity'));
  }
  return out;
}
