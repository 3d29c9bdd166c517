// What the sources of volumes may say: paths that stay inside, modes, keys, fields of the pod. Names and mounts are in volumes.ts.

import { type FieldError, forbidden, invalid, notSupported, type Path, required } from '../../errors.js';
import type {
  DownwardAPIVolumeFile,
  HostPathVolumeSource,
  KeyToPath,
  ProjectedVolumeSource,
  Volume,
} from '../../gen/podplane/core/v1/volume.js';
import type { EphemeralVolumeSource } from '../../gen/podplane/core/v1/volume_claim.js';
import { validateClaimSpec } from '../claim-spec.js';
import type { DeepReadonly } from '../kind-map.js';
import { validateAnnotations, validateLabels } from '../object-meta.js';
import { validateFieldRef, validateResourceRef } from './env.js';

const HOST_PATH_TYPES = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket'] as const;
/** Fields of a pod that a file may take its content from. */
const FILE_FIELDS = ['metadata.annotations', 'metadata.labels', 'metadata.name', 'metadata.namespace', 'metadata.uid'] as const;
const LEAST_TOKEN_SECONDS = 600;
const MOST_TOKEN_SECONDS = 2 ** 32;
const MODE_TEXT = 'must be a number between 0 and 0777 (octal), both inclusive';

function backstepFaults(value: string, at: Path): FieldError[] {
  return value.split('/').includes('..') ? [invalid(at, value, "must not contain '..'")] : [];
}

/** A path that leads down from where it starts. */
export function descendingPathFaults(value: string, at: Path): FieldError[] {
  const absolute = value.startsWith('/') ? [invalid(at, value, 'must be a relative path')] : [];
  return [...absolute, ...backstepFaults(value, at), ...(value.includes('\0') ? [invalid(at, value, 'must not contain NUL')] : [])];
}

/** The path of a file in a projected volume: names that begin with ".." are the volume's own. */
function filePathFaults(value: string, at: Path): FieldError[] {
  if (value === '') return [required(at)];
  const reserved = value.startsWith('..') && !value.startsWith('../') && value !== '..';
  return [...descendingPathFaults(value, at), ...(reserved ? [invalid(at, value, "must not start with '..'")] : [])];
}

function modeFaults(mode: number | undefined, at: Path): FieldError[] {
  return mode === undefined || (mode >= 0 && mode <= 0o777) ? [] : [invalid(at, mode, MODE_TEXT)];
}

function itemFaults(items: readonly DeepReadonly<KeyToPath>[], path: Path): FieldError[] {
  return items.flatMap((item, i) => {
    const at = path.index(i);
    const key = item.key === '' ? [required(at.child('key'))] : [];
    return [...key, ...filePathFaults(item.path, at.child('path')), ...modeFaults(item.mode, at.child('mode'))];
  });
}

function downwardFaults(files: readonly DeepReadonly<DownwardAPIVolumeFile>[], path: Path): FieldError[] {
  return files.flatMap((file, i) => {
    const at = path.index(i);
    const out = filePathFaults(file.path, at.child('path'));
    if (file.fieldRef !== undefined) {
      out.push(...validateFieldRef(file.fieldRef, at.child('fieldRef'), FILE_FIELDS));
      if (file.resourceFieldRef !== undefined)
        out.push(invalid(at, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'));
    } else if (file.resourceFieldRef !== undefined) {
      if (!file.resourceFieldRef.containerName) out.push(required(at.child('resourceFieldRef', 'containerName')));
      out.push(...validateResourceRef(file.resourceFieldRef, at.child('resourceFieldRef')));
    } else out.push(required(at, 'one of fieldRef and resourceFieldRef is required'));
    return [...out, ...modeFaults(file.mode, at.child('mode'))];
  });
}

/** Faults of a file or folder of a node. */
export function hostPathFaults(source: DeepReadonly<HostPathVolumeSource>, path: Path): FieldError[] {
  const out: FieldError[] = [];
  const at = path.child('path');
  if (source.path === '') out.push(required(at));
  else {
    out.push(...backstepFaults(source.path, at));
    if (!source.path.startsWith('/')) out.push(invalid(at, source.path, 'must be an absolute path'));
    if (source.path.includes('\0')) out.push(invalid(at, source.path, 'must not contain NUL'));
  }
  const type = source.type ?? '';
  if (!HOST_PATH_TYPES.some((one) => one === type)) out.push(notSupported(path.child('type'), type, HOST_PATH_TYPES));
  return out;
}

function projectedFaults(source: DeepReadonly<ProjectedVolumeSource>, path: Path): FieldError[] {
  const out = modeFaults(source.defaultMode, path.child('defaultMode'));
  const taken = new Set<string>();
  const once = (file: string, at: Path): void => {
    if (taken.has(file)) out.push(invalid(at, file, 'conflicting duplicate paths'));
    taken.add(file);
  };
  for (const [i, { secret, configMap, downwardAPI, serviceAccountToken, clusterTrustBundle }] of source.sources.entries()) {
    const at = path.child('sources').index(i);
    const given = [secret, configMap, downwardAPI, serviceAccountToken, clusterTrustBundle].filter((one) => one !== undefined).length;
    if (given === 0) out.push(required(at, 'must specify a volume source'));
    if (given > 1) out.push(forbidden(at, 'may not specify more than 1 volume type per source'));
    for (const [field, keyed] of [
      ['secret', secret],
      ['configMap', configMap],
    ] as const) {
      if (keyed === undefined) continue;
      const items = at.child(field, 'items');
      if (!keyed.name) out.push(required(at.child(field, 'name')));
      out.push(...itemFaults(keyed.items, items));
      for (const [k, item] of keyed.items.entries()) once(item.path, items.index(k).child('path'));
    }
    if (serviceAccountToken !== undefined) {
      const token = at.child('serviceAccountToken');
      const seconds = Number(serviceAccountToken.expirationSeconds ?? 3600);
      if (seconds < LEAST_TOKEN_SECONDS)
        out.push(invalid(token.child('expirationSeconds'), seconds, 'may not specify a duration less than 10 minutes'));
      if (seconds > MOST_TOKEN_SECONDS)
        out.push(invalid(token.child('expirationSeconds'), seconds, 'may not specify a duration larger than 2^32 seconds'));
      if (serviceAccountToken.path === '') out.push(required(token.child('path')));
      else {
        out.push(...filePathFaults(serviceAccountToken.path, token.child('path')));
        once(serviceAccountToken.path, token.child('path'));
      }
    }
    if (downwardAPI === undefined) continue;
    const items = at.child('downwardAPI', 'items');
    out.push(...downwardFaults(downwardAPI.items, items));
    for (const [k, item] of downwardAPI.items.entries()) once(item.path, items.index(k).child('path'));
  }
  return out;
}

/** Faults of the source of one volume. Which of several counts is not decided here. */
export function validateVolumeSource(
  { hostPath, configMap, secret, downwardAPI, projected, persistentVolumeClaim, ephemeral }: DeepReadonly<Volume>,
  path: Path,
): FieldError[] {
  const out: FieldError[] = [];
  if (hostPath !== undefined) out.push(...hostPathFaults(hostPath, path.child('hostPath')));
  if (configMap !== undefined) {
    const at = path.child('configMap');
    if (!configMap.name) out.push(required(at.child('name')));
    out.push(...modeFaults(configMap.defaultMode, at.child('defaultMode')), ...itemFaults(configMap.items, at.child('items')));
  }
  if (secret !== undefined) {
    const at = path.child('secret');
    if (!secret.secretName) out.push(required(at.child('secretName')));
    out.push(...modeFaults(secret.defaultMode, at.child('defaultMode')), ...itemFaults(secret.items, at.child('items')));
  }
  if (downwardAPI !== undefined) {
    const at = path.child('downwardAPI');
    out.push(...modeFaults(downwardAPI.defaultMode, at.child('defaultMode')), ...downwardFaults(downwardAPI.items, at.child('items')));
  }
  if (persistentVolumeClaim?.claimName === '') out.push(required(path.child('persistentVolumeClaim', 'claimName')));
  if (projected !== undefined) out.push(...projectedFaults(projected, path.child('projected')));
  if (ephemeral !== undefined) out.push(...ephemeralFaults(ephemeral, path.child('ephemeral', 'volumeClaimTemplate')));
  return out;
}

/** Of metadata only labels and annotations reach the claim. path: of the template. */
function ephemeralFaults({ volumeClaimTemplate: template }: DeepReadonly<EphemeralVolumeSource>, path: Path): FieldError[] {
  if (template === undefined) return [required(path)];
  const { labels = {}, annotations = {}, ...others } = template.metadata ?? {};
  const at = path.child('metadata');
  const out = [...validateAnnotations(annotations, at.child('annotations')), ...validateLabels(labels, at.child('labels'))];
  for (const [field, value] of Object.entries(others)) {
    const empty = value === undefined || value === '' || value === 0 || (Array.isArray(value) && value.length === 0);
    if (!empty) out.push(forbidden(at.child(field), 'cannot be set for an ephemeral volume'));
  }
  return [...out, ...(template.spec === undefined ? [required(path.child('spec'))] : validateClaimSpec(template.spec, path.child('spec')))];
}
