// StorageClasses: defaults, validation, columns.
import { type FieldError, forbidden, invalid, notSupported, Path, required } from '../errors.js';
import type { StorageClass } from '../gen/podplane/storage/v1/storage_class.js';
import { labelValueProblems, qualifiedNameProblems } from '../names.js';
import { age, UNSET } from '../print.js';
import { DEFAULT_CLASS_ANNOTATION, NODE_LOCAL, SHARED_DIRECTORY } from '../storage/words.js';
import { defineKind, textColumn } from './define.js';
import { deepEqual } from './equal.js';
import type { DeepReadonly } from './kind-map.js';
import { mustNotChange } from './object-meta.js';

type Class = DeepReadonly<StorageClass>;

const PROVISIONER = Path.of('provisioner');
const PARAMETERS = Path.of('parameters');
const MODE = Path.of('volumeBindingMode');
const TOPOLOGIES = Path.of('allowedTopologies');
const POLICIES = ['Delete', 'Retain'] as const;
const MODES = ['Immediate', 'WaitForFirstConsumer'] as const;

/** The parameters of our own provisioners; what they do not know would have no effect. */
function parameterFaults({ provisioner, parameters }: Class): FieldError[] {
  const out: FieldError[] = [];
  const known = provisioner === SHARED_DIRECTORY ? ['path', 'requireMount'] : provisioner === NODE_LOCAL ? [] : undefined;
  for (const key of Object.keys(parameters)) {
    if (key === '') out.push(invalid(PARAMETERS, key, 'field can not be empty.'));
    else if (known?.includes(key) === false) out.push(invalid(PARAMETERS.key(key), parameters[key], `is no parameter of ${provisioner}`));
  }
  if (provisioner !== SHARED_DIRECTORY) return out;
  const { path, requireMount } = parameters;
  if (!path) out.push(required(PARAMETERS.key('path'), 'the directory that all nodes mount'));
  else if (!path.startsWith('/') || path === '/') out.push(invalid(PARAMETERS.key('path'), path, 'must be an absolute path below /'));
  else if (path.split('/').includes('..')) out.push(invalid(PARAMETERS.key('path'), path, "must not contain '..'"));
  if (requireMount !== undefined && requireMount !== 'true' && requireMount !== 'false')
    out.push(notSupported(PARAMETERS.key('requireMount'), requireMount, ['false', 'true']));
  return out;
}

function topologyFaults({ allowedTopologies }: Class): FieldError[] {
  const out: FieldError[] = [];
  for (const [i, { matchLabelExpressions }] of allowedTopologies.entries()) {
    for (const [k, { key, values }] of matchLabelExpressions.entries()) {
      const at = TOPOLOGIES.index(i).child('matchLabelExpressions').index(k);
      for (const problem of qualifiedNameProblems(key)) out.push(invalid(at.child('key'), key, problem));
      if (values.length === 0) out.push(required(at.child('values')));
      for (const [v, value] of values.entries())
        for (const problem of labelValueProblems(value)) out.push(invalid(at.child('values').index(v), value, problem));
    }
  }
  return out;
}

function validate(sc: Class): FieldError[] {
  const out: FieldError[] = [];
  if (sc.provisioner === '') out.push(required(PROVISIONER));
  else for (const problem of qualifiedNameProblems(sc.provisioner.toLowerCase())) out.push(invalid(PROVISIONER, sc.provisioner, problem));
  out.push(...parameterFaults(sc));
  if (!POLICIES.some((one) => one === sc.reclaimPolicy)) out.push(notSupported(Path.of('reclaimPolicy'), sc.reclaimPolicy, POLICIES));
  if (!MODES.some((one) => one === sc.volumeBindingMode)) out.push(notSupported(MODE, sc.volumeBindingMode, MODES));
  else if (sc.provisioner === NODE_LOCAL && sc.volumeBindingMode === 'Immediate')
    out.push(invalid(MODE, 'Immediate', `volumes of ${NODE_LOCAL} are made where the first pod runs: must be WaitForFirstConsumer`));
  return [...out, ...topologyFaults(sc)];
}

function validateChange(next: Class, previous: Class): FieldError[] {
  const out: FieldError[] = [];
  for (const field of ['parameters', 'provisioner', 'reclaimPolicy'] as const) {
    if (!deepEqual(next[field], previous[field])) out.push(forbidden(Path.of(field), `updates to ${field} are forbidden.`));
  }
  return [...out, ...mustNotChange(next.volumeBindingMode, previous.volumeBindingMode, MODE)];
}

export const storageClassKind = defineKind<'StorageClass'>({
  kind: 'StorageClass',
  oneofCase: 'storageClass',
  columns: [
    textColumn('Name', ({ metadata }) =>
      metadata?.annotations[DEFAULT_CLASS_ANNOTATION] === 'true' ? `${metadata.name ?? ''} (default)` : (metadata?.name ?? ''),
    ),
    textColumn('Provisioner', ({ provisioner }) => provisioner),
    textColumn('ReclaimPolicy', ({ reclaimPolicy }) => reclaimPolicy || UNSET),
    textColumn('VolumeBindingMode', ({ volumeBindingMode }) => volumeBindingMode || UNSET),
    textColumn('AllowVolumeExpansion', ({ allowVolumeExpansion }) => String(allowVolumeExpansion ?? false)),
    textColumn('Age', ({ metadata }, { now }) => age(metadata?.creationTimestamp, now)),
  ],
  setDefaults(sc) {
    sc.reclaimPolicy ||= 'Delete';
    sc.volumeBindingMode ||= sc.provisioner === NODE_LOCAL ? 'WaitForFirstConsumer' : 'Immediate';
  },
  validate,
  validateUpdate: validateChange,
});
