// ReplicationControllers: defaults, validation, columns.

import { type FieldError, invalid, Path, required } from '../errors.js';
import { ReplicationControllerSpec, ReplicationControllerStatus } from '../gen/podplane/core/v1/replication_controller.js';
import { age } from '../print.js';
import { compileLabelMap, labelSelectorText } from '../selectors.js';
import { defineKind, intColumn, nameColumn, textColumn } from './define.js';
import type { DeepReadonly } from './kind-map.js';
import { setTemplateDefaults } from './pod-spec/defaults.js';
import { templateWarnings } from './pod-spec/warnings.js';
import { containerColumns, validateLastingTemplate } from './pod-template.js';
import { validateReplicasStatus } from './workload-status.js';

const SPEC = Path.of('spec');

function validateSpec(spec: DeepReadonly<ReplicationControllerSpec>): FieldError[] {
  const out: FieldError[] = [];
  const count = (field: 'minReadySeconds' | 'replicas'): void => {
    const value = spec[field];
    if (value !== undefined && value < 0) out.push(invalid(SPEC.child(field), value, 'must be greater than or equal to 0'));
  };
  count('minReadySeconds');
  const hasSelector = Object.keys(spec.selector).length > 0;
  if (!hasSelector) out.push(required(SPEC.child('selector')));
  count('replicas');
  const path = SPEC.child('template');
  if (spec.template === undefined) return [...out, required(path)];
  const labels = spec.template.metadata?.labels ?? {};
  if (hasSelector && !compileLabelMap(spec.selector)(labels)) {
    const shown = Object.keys(labels).length === 0 ? undefined : labels;
    out.push(invalid(path.child('metadata', 'labels'), shown, '`selector` does not match template `labels`'));
  }
  return [...out, ...validateLastingTemplate(spec.template, path, 'ReplicationController')];
}

export const replicationControllerKind = defineKind<'ReplicationController'>({
  kind: 'ReplicationController',
  oneofCase: 'replicationController',
  hasGeneration: true,
  selectableFields: { 'status.replicas': ({ status }) => String(status?.replicas ?? 0) },
  columns: [
    nameColumn(),
    intColumn('Desired', ({ spec }) => spec?.replicas),
    intColumn('Current', ({ status }) => status?.replicas),
    intColumn('Ready', ({ status }) => status?.readyReplicas),
    textColumn('Age', ({ metadata }, { now }) => age(metadata?.creationTimestamp, now)),
    ...containerColumns<'ReplicationController'>(({ spec }) => spec?.template, true),
    textColumn('Selector', ({ spec }) => labelSelectorText({ matchLabels: spec?.selector ?? {}, matchExpressions: [] }), true),
  ],
  names: 'pods',
  setDefaults(controller) {
    const { metadata } = controller;
    const spec = (controller.spec ??= ReplicationControllerSpec.create());
    spec.replicas ??= 1;
    setTemplateDefaults(spec.template);
    // What is not said is as in the template.
    const labels = spec.template?.metadata?.labels ?? {};
    if (Object.keys(spec.selector).length === 0) spec.selector = { ...labels };
    if (metadata !== undefined && Object.keys(metadata.labels).length === 0) metadata.labels = { ...labels };
  },
  prepareForCreate(controller) {
    controller.status = ReplicationControllerStatus.create();
  },
  validate: ({ spec }) => validateSpec(spec ?? ReplicationControllerSpec.create()),
  warnings: ({ spec }) => templateWarnings(spec?.template, SPEC.child('template')),
  validateStatusUpdate: ({ status }) => validateReplicasStatus(status),
});
