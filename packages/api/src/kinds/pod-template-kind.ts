// PodTemplates, the kind: defaults, validation, columns. What templates inside workloads have in common is in pod-template.ts.

import { Path, required } from '../errors.js';
import { labelSelectorText } from '../selectors.js';
import { defineKind, nameColumn, textColumn } from './define.js';
import { setTemplateDefaults } from './pod-spec/defaults.js';
import { templateWarnings } from './pod-spec/warnings.js';
import { containerColumns, validateTemplate } from './pod-template.js';

const TEMPLATE = Path.of('template');

export const podTemplateKind = defineKind<'PodTemplate'>({
  kind: 'PodTemplate',
  oneofCase: 'podTemplate',
  hasGeneration: true,
  columns: [
    nameColumn(),
    ...containerColumns<'PodTemplate'>(({ template }) => template, false),
    textColumn('Pod Labels', ({ template }) => labelSelectorText({ matchLabels: template?.metadata?.labels ?? {}, matchExpressions: [] })),
  ],
  setDefaults: ({ template }) => setTemplateDefaults(template),
  validate: ({ template }) =>
    template === undefined ? [required(TEMPLATE.child('spec', 'containers'))] : validateTemplate(template, TEMPLATE),
  warnings: ({ template }) => templateWarnings(template, TEMPLATE),
});
