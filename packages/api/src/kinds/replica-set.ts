// ReplicaSets: defaults, validation, columns.

import { type FieldError, invalid, Path } from '../errors.js';
import { ReplicaSetSpec, ReplicaSetStatus } from '../gen/podplane/apps/v1/replica_set.js';
import { age } from '../print.js';
import { defineKind, intColumn, nameColumn, textColumn } from './define.js';
import type { DeepReadonly } from './kind-map.js';
import { mustNotChange } from './object-meta.js';
import { setTemplateDefaults } from './pod-spec/defaults.js';
import { templateWarnings } from './pod-spec/warnings.js';
import { templateColumns, validateSelectorAndTemplate } from './pod-template.js';
import { validateReplicasStatus } from './workload-status.js';

const SPEC = Path.of('spec');

function validateSpec(spec: DeepReadonly<ReplicaSetSpec>): FieldError[] {
  const out: FieldError[] = [];
  for (const field of ['replicas', 'minReadySeconds'] as const) {
    const value = spec[field];
    if (value !== undefined && value < 0) out.push(invalid(SPEC.child(field), value, 'must be greater than or equal to 0'));
  }
  return [...out, ...validateSelectorAndTemplate(spec.selector, spec.template, SPEC)];
}

export const replicaSetKind = defineKind<'ReplicaSet'>({
  kind: 'ReplicaSet',
  oneofCase: 'replicaSet',
  hasGeneration: true,
  selectableFields: { 'status.replicas': (set) => String(set.status?.replicas ?? 0) },
  columns: [
    nameColumn(),
    intColumn('Desired', ({ spec }) => spec?.replicas),
    intColumn('Current', ({ status }) => status?.replicas),
    intColumn('Ready', ({ status }) => status?.readyReplicas),
    textColumn('Age', ({ metadata }, { now }) => age(metadata?.creationTimestamp, now)),
    ...templateColumns<'ReplicaSet'>(),
  ],
  names: 'pods',
  setDefaults(set) {
    const spec = (set.spec ??= ReplicaSetSpec.create());
    spec.replicas ??= 1;
    setTemplateDefaults(spec.template);
  },
  prepareForCreate(set) {
    set.status = ReplicaSetStatus.create();
  },
  validate: ({ spec }) => validateSpec(spec ?? ReplicaSetSpec.create()),
  warnings: ({ spec }) => templateWarnings(spec?.template, SPEC.child('template')),
  validateUpdate: (next, previous) => mustNotChange(next.spec?.selector, previous.spec?.selector, SPEC.child('selector')),
  validateStatusUpdate: ({ status }) => validateReplicasStatus(status),
});
