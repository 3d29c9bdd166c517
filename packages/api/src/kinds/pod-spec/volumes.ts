// Volumes of a pod and where containers mount them. Kinds of volumes that nothing implements are refused by ../support.ts.

import { duplicate, type FieldError, forbidden, invalid, notFoundField, notSupported, type Path, required } from '../../errors.js';
import type { VolumeMount } from '../../gen/podplane/core/v1/container.js';
import type { Volume } from '../../gen/podplane/core/v1/volume.js';
import { dnsLabelProblems } from '../../names.js';
import { tryParseQuantity } from '../../quantity.js';
import type { DeepReadonly } from '../kind-map.js';
import { volumeSources } from './defaults.js';
import { descendingPathFaults, validateVolumeSource } from './volume-sources.js';

const PROPAGATIONS = ['Bidirectional', 'HostToContainer', 'None'] as const;

/** Faults of volumes. */
export function validateVolumes(volumes: readonly DeepReadonly<Volume>[], path: Path): FieldError[] {
  const out: FieldError[] = [];
  const names = new Set<string>();
  for (const [i, volume] of volumes.entries()) {
    const at = path.index(i);
    const [first, ...more] = volumeSources(volume);
    if (first === undefined) out.push(required(at, 'must specify a volume type'));
    for (const source of more) out.push(forbidden(at.child(source), 'may not specify more than 1 volume type'));
    out.push(...validateVolumeSource(volume, at));
    const limit = volume.emptyDir?.sizeLimit;
    if (limit !== undefined) {
      const quantity = tryParseQuantity(limit);
      if (quantity === undefined || quantity.nano < 0n)
        out.push(forbidden(at.child('emptyDir', 'sizeLimit'), 'SizeLimit field must be a valid resource quantity'));
    }
    if (volume.name === '') out.push(required(at.child('name')));
    else for (const problem of dnsLabelProblems(volume.name)) out.push(invalid(at.child('name'), volume.name, problem));
    if (volume.name !== '' && names.has(volume.name)) out.push(duplicate(at.child('name'), volume.name));
    names.add(volume.name);
  }
  return out;
}

/** Faults of the mounts of one container. volumes: the names that the pod has. */
export function validateMounts(
  mounts: readonly DeepReadonly<VolumeMount>[],
  volumes: ReadonlySet<string>,
  path: Path,
  privileged: boolean,
): FieldError[] {
  const out: FieldError[] = [];
  const taken = new Set<string>();
  for (const [i, mount] of mounts.entries()) {
    const at = path.index(i);
    if (mount.name === '') out.push(required(at.child('name')));
    if (!volumes.has(mount.name)) out.push(notFoundField(at.child('name'), mount.name));
    if (mount.mountPath === '') out.push(required(at.child('mountPath')));
    else if (!mount.mountPath.startsWith('/')) out.push(invalid(at.child('mountPath'), mount.mountPath, 'must be an absolute path'));
    if (mount.mountPath.includes(':') || mount.mountPath.includes('\0'))
      out.push(invalid(at.child('mountPath'), mount.mountPath, "must not contain ':'"));
    if (taken.has(mount.mountPath)) out.push(invalid(at.child('mountPath'), mount.mountPath, 'must be unique'));
    taken.add(mount.mountPath);
    const propagation = mount.mountPropagation;
    if (propagation !== undefined && !PROPAGATIONS.some((one) => one === propagation)) {
      out.push(notSupported(at.child('mountPropagation'), propagation, PROPAGATIONS));
    }
    if (propagation === 'Bidirectional' && !privileged)
      out.push(forbidden(at.child('mountPropagation'), 'Bidirectional mount propagation is available only to privileged containers'));
    if (mount.subPath) out.push(...descendingPathFaults(mount.subPath, at.child('subPath')));
    if (mount.subPathExpr) {
      if (mount.subPath) out.push(invalid(at.child('subPathExpr'), mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive'));
      out.push(...descendingPathFaults(mount.subPathExpr, at.child('subPathExpr')));
    }
  }
  return out;
}
