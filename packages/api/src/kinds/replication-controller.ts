// ReplicationControllers: defaults, validation, columns.

import { type FieldError, invalid, Path, required } from '../errors.js';
import { type ReplicationControllerSpec, ReplicationControllerStatus } from '../gen/podplane/core/v1/replication_controller.js';
import { age } from '../print.js';
import { compileLabelMap, labelSelectorText } from '../selectors.js';
import { defineKind, intColumn, nameColumn, textColumn } from './define.js';
import type { DeepReadonly } from './kind-map.js';
import { setTemplateDefaults } from './pod-spec/defaults.js';
import { podSpecWarnings } from './pod-spec/warnings.js';
import { containerColumns, validateLastingTemplate } from './pod-template.js';

const SPEC = Path.of('spec');

function validateSpec(spec: DeepReadonly<ReplicationControllerSpec>): FieldError[] {
  const out: FieldError[] = [];
  for (const field of ['minReadySeconds', 'replicas'] as const) {
    const value = spec[field];
    if (value !== undefined && value < 0) out.push(invalid(SPEC.child(field), value, 'must be greater than or equal to 0'));
  }
  const hasSelector = Object.keys(spec.selector).length > 0;
  if (!hasSelector) out.push(required(SPEC.child('selector')));
  const path = SPEC.child('template');
  if (spec.template === undefined) return [...out, required(path)];
  const labels = spec.template.metadata?.labels ?? {};
  if (hasSelector && !compileLabelMap(spec.selector)(labels)) {
    out.push(invalid(path.child('metadata', 'labels'), labels, '`selector` does not match template `labels`'));
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
  setDefaults({ metadata, spec }) {
    if (spec === undefined) return;
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
  validate: ({ spec }) => (spec === undefined ? [required(SPEC.child('selector')), required(SPEC.child('template'))] : validateSpec(spec)),
  warnings: ({ spec }) => podSpecWarnings(spec?.template?.spec, SPEC.child('template', 'spec')),
});
