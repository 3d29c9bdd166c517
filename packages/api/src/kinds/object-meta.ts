// Metadata of every object: names, labels, annotations, owners, finalizers. What kinds add to it is in their files.

import { type FieldError, forbidden, invalid, type Path, required, tooLong } from '../errors.js';
import type { ObjectMeta } from '../gen/podplane/meta/v1/meta.js';
import {
  ANNOTATIONS_MAX_BYTES,
  dns1035LabelProblems,
  dnsLabelProblems,
  dnsSubdomainProblems,
  labelValueProblems,
  qualifiedNameProblems,
} from '../names.js';
import { deepEqual } from './equal.js';
import type { DeepReadonly } from './kind-map.js';

export type NameRule = 'subdomain' | 'label' | 'label1035';

const NAME_RULES: Readonly<Record<NameRule, (value: string) => readonly string[]>> = {
  subdomain: dnsSubdomainProblems,
  label: dnsLabelProblems,
  label1035: dns1035LabelProblems,
};

type Meta = DeepReadonly<ObjectMeta>;

/** Takes out of a new object's metadata what only the server may say. Creates metadata where there is none. */
export function cleanNewMeta(object: { metadata?: ObjectMeta | undefined }, namespaced: boolean): void {
  const meta = object.metadata;
  if (meta === undefined) return;
  delete meta.uid;
  delete meta.selfLink;
  delete meta.generation;
  delete meta.creationTimestamp;
  delete meta.deletionTimestamp;
  delete meta.deletionGracePeriodSeconds;
  meta.managedFields = []; // nobody manages fields by manager yet
  if (!namespaced && meta.namespace === '') delete meta.namespace;
}

/** Faults of metadata, as far as they can be seen without an older state. nameRule: undefined where the name stands already. */
export function validateMeta(
  meta: Meta | undefined,
  path: Path,
  rules: { readonly namespaced: boolean; readonly nameRule: NameRule | undefined },
): FieldError[] {
  if (meta === undefined) return [required(path.child('name'), 'name or generateName is required')];
  const out: FieldError[] = [];
  const rule = rules.nameRule === undefined ? () => [] : NAME_RULES[rules.nameRule];
  if (meta.generateName) {
    for (const problem of rule(maskTrailingDash(meta.generateName)))
      out.push(invalid(path.child('generateName'), meta.generateName, problem));
  }
  if (!meta.name) {
    if (!meta.generateName) out.push(required(path.child('name'), 'name or generateName is required'));
  } else {
    for (const problem of rule(meta.name)) out.push(invalid(path.child('name'), meta.name, problem));
  }
  if (rules.namespaced) {
    if (!meta.namespace) out.push(required(path.child('namespace')));
    else for (const problem of dnsLabelProblems(meta.namespace)) out.push(invalid(path.child('namespace'), meta.namespace, problem));
  } else if (meta.namespace) {
    out.push(forbidden(path.child('namespace'), 'not allowed on this type'));
  }
  if ((meta.generation ?? 0) < 0) out.push(invalid(path.child('generation'), meta.generation, 'must be greater than or equal to 0'));
  out.push(...validateLabels(meta.labels, path.child('labels')));
  out.push(...validateAnnotations(meta.annotations, path.child('annotations')));
  out.push(...validateOwners(meta.ownerReferences, path.child('ownerReferences')));
  out.push(...validateFinalizers(meta.finalizers, path.child('finalizers')));
  return out;
}

// generateName may end in a dash, as something follows it.
function maskTrailingDash(name: string): string {
  return name.length > 1 && name.endsWith('-') ? `${name.slice(0, -1)}a` : name;
}

export function validateLabels(labels: Readonly<Record<string, string>>, path: Path): FieldError[] {
  const out: FieldError[] = [];
  for (const [key, value] of Object.entries(labels)) {
    for (const problem of qualifiedNameProblems(key)) out.push(invalid(path, key, problem));
    for (const problem of labelValueProblems(value)) out.push(invalid(path, value, problem));
  }
  return out;
}

export function validateAnnotations(annotations: Readonly<Record<string, string>>, path: Path): FieldError[] {
  const out: FieldError[] = [];
  let total = 0;
  for (const [key, value] of Object.entries(annotations)) {
    // Keys of annotations may have capitals in their prefix.
    for (const problem of qualifiedNameProblems(key.toLowerCase())) out.push(invalid(path, key, problem));
    total += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (total > ANNOTATIONS_MAX_BYTES) out.push(tooLong(path, ANNOTATIONS_MAX_BYTES));
  return out;
}

function validateOwners(owners: Meta['ownerReferences'], path: Path): FieldError[] {
  const out: FieldError[] = [];
  let controller: string | undefined;
  for (const [i, owner] of owners.entries()) {
    const at = path.index(i);
    if (!/^([^/]*\/)?[^/]+$/.test(owner.apiVersion))
      out.push(invalid(at.child('apiVersion'), owner.apiVersion, 'version must not be empty'));
    if (owner.kind === '') out.push(invalid(at.child('kind'), owner.kind, 'must not be empty'));
    if (owner.name === '') out.push(invalid(at.child('name'), owner.name, 'must not be empty'));
    if (owner.uid === '') out.push(invalid(at.child('uid'), owner.uid, 'must not be empty'));
    // Events come and go by themselves.
    if (owner.apiVersion === 'v1' && owner.kind === 'Event')
      out.push(invalid(at, owner, '/v1, Kind=Event is disallowed from being an owner'));
    if (owner.controller !== true) continue;
    const name = `${owner.kind}/${owner.name}`;
    if (controller === undefined) {
      controller = name;
      continue;
    }
    const text = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`;
    out.push(invalid(path, owners, text));
  }
  return out;
}

const STANDARD_FINALIZERS = new Set(['foregroundDeletion', 'orphan', 'kubernetes']);

function validateFinalizers(finalizers: readonly string[], path: Path): FieldError[] {
  const out: FieldError[] = [];
  for (const [i, name] of finalizers.entries()) {
    const at = path.index(i);
    for (const problem of qualifiedNameProblems(name)) out.push(invalid(at, name, problem));
    if (!name.includes('/') && !STANDARD_FINALIZERS.has(name)) {
      out.push(invalid(at, name, 'name is neither a standard finalizer name nor is it fully qualified'));
    }
  }
  if (finalizers.includes('foregroundDeletion') && finalizers.includes('orphan')) {
    out.push(invalid(path, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'));
  }
  return out;
}

export const IMMUTABLE = 'field is immutable';

/** An error where a field is not what it was. */
export function mustNotChange(next: unknown, previous: unknown, path: Path, detail = IMMUTABLE): FieldError[] {
  return deepEqual(next, previous) ? [] : [invalid(path, next, detail)];
}

/** Faults of a change of metadata. A timestamp or uid that the client left out is no change. */
export function validateMetaUpdate(next: Meta | undefined, previous: Meta | undefined, path: Path): FieldError[] {
  if (next === undefined || previous === undefined) return [];
  const out: FieldError[] = [];
  out.push(...mustNotChange(next.name, previous.name, path.child('name')));
  out.push(...mustNotChange(next.namespace || undefined, previous.namespace || undefined, path.child('namespace')));
  for (const field of ['uid', 'creationTimestamp', 'deletionTimestamp', 'deletionGracePeriodSeconds'] as const) {
    if (next[field] !== undefined) out.push(...mustNotChange(next[field], previous[field], path.child(field)));
  }
  if (next.generation !== undefined && previous.generation !== undefined && next.generation < previous.generation) {
    out.push(invalid(path.child('generation'), next.generation, 'must not be decremented'));
  }
  if (previous.deletionTimestamp !== undefined) {
    const added = [...new Set(next.finalizers.filter((one) => !previous.finalizers.includes(one)))].sort();
    if (added.length > 0) {
      const list = added.map((one) => JSON.stringify(one)).join(', ');
      const text = `no new finalizers can be added if the object is being deleted, found new finalizers []string{${list}}`;
      out.push(forbidden(path.child('finalizers'), text));
    }
  }
  return out;
}
