// DaemonSets: defaults, validation, columns.

import { type FieldError, invalid, notSupported, Path, required } from '../errors.js';
import { DaemonSetSpec, DaemonSetStatus, DaemonSetUpdateStrategy, RollingUpdateDaemonSet } from '../gen/podplane/apps/v1/daemon_set.js';
import { age, NONE } from '../print.js';
import { defineKind, intColumn, nameColumn, textColumn } from './define.js';
import { intOrPercentValue, validateNonNegativeIntOrPercent, validateNotMoreThanHundredPercent } from './int-or-string.js';
import type { DeepReadonly } from './kind-map.js';
import { mustNotChange } from './object-meta.js';
import { setTemplateDefaults } from './pod-spec/defaults.js';
import { templateWarnings } from './pod-spec/warnings.js';
import { templateColumns, validateSelectorAndTemplate } from './pod-template.js';
import { validateCollisions, validateDaemonSetStatus } from './workload-status.js';

const SPEC = Path.of('spec');

function validateStrategy(strategy: DeepReadonly<DaemonSetUpdateStrategy> | undefined, path: Path): FieldError[] {
  if (strategy?.type === 'OnDelete') return [];
  if (strategy?.type !== 'RollingUpdate') return [notSupported(path, strategy, ['RollingUpdate', 'OnDelete'])];
  const rolling = strategy.rollingUpdate;
  const at = path.child('rollingUpdate');
  if (rolling === undefined) return [required(at)];
  const out: FieldError[] = [];
  const fields = ['maxUnavailable', 'maxSurge'] as const;
  for (const field of fields) out.push(...validateNonNegativeIntOrPercent(rolling[field], at.child(field)));
  for (const field of fields) out.push(...validateNotMoreThanHundredPercent(rolling[field], at.child(field)));
  const [unavailable, surge] = [intOrPercentValue(rolling.maxUnavailable) !== 0, intOrPercentValue(rolling.maxSurge) !== 0];
  if (unavailable && surge) out.push(invalid(at.child('maxSurge'), rolling.maxSurge, 'may not be set when maxUnavailable is non-zero'));
  if (!unavailable && !surge) out.push(required(at.child('maxUnavailable'), 'cannot be 0 when maxSurge is 0'));
  return out;
}

function validateSpec(spec: DeepReadonly<DaemonSetSpec>): FieldError[] {
  const out = validateSelectorAndTemplate(spec.selector, spec.template, SPEC, 'daemonset');
  const count = (field: 'minReadySeconds' | 'revisionHistoryLimit'): void => {
    const value = spec[field];
    if (value !== undefined && value < 0) out.push(invalid(SPEC.child(field), value, 'must be greater than or equal to 0'));
  };
  count('minReadySeconds');
  out.push(...validateStrategy(spec.updateStrategy, SPEC.child('updateStrategy')));
  count('revisionHistoryLimit');
  return out;
}

function selectorText(labels: Readonly<Record<string, string>> | undefined): string {
  const entries = Object.entries(labels ?? {});
  return entries.length === 0 ? NONE : entries.map(([key, value]) => `${key}=${value}`).join(',');
}

export const daemonSetKind = defineKind<'DaemonSet'>({
  kind: 'DaemonSet',
  oneofCase: 'daemonSet',
  hasGeneration: true,
  columns: [
    nameColumn(),
    intColumn('Desired', ({ status }) => status?.desiredNumberScheduled),
    intColumn('Current', ({ status }) => status?.currentNumberScheduled),
    intColumn('Ready', ({ status }) => status?.numberReady),
    intColumn('Up-to-date', ({ status }) => status?.updatedNumberScheduled),
    intColumn('Available', ({ status }) => status?.numberAvailable),
    textColumn('Node Selector', ({ spec }) => selectorText(spec?.template?.spec?.nodeSelector)),
    textColumn('Age', ({ metadata }, { now }) => age(metadata?.creationTimestamp, now)),
    ...templateColumns<'DaemonSet'>(),
  ],
  setDefaults(set) {
    const spec = (set.spec ??= DaemonSetSpec.create());
    const strategy = (spec.updateStrategy ??= DaemonSetUpdateStrategy.create());
    strategy.type ||= 'RollingUpdate';
    if (strategy.type === 'RollingUpdate') {
      const rolling = (strategy.rollingUpdate ??= RollingUpdateDaemonSet.create());
      rolling.maxUnavailable ??= 1;
      rolling.maxSurge ??= 0;
    }
    spec.revisionHistoryLimit ??= 10;
    setTemplateDefaults(spec.template);
  },
  prepareForCreate(set) {
    set.status = DaemonSetStatus.create();
  },
  validate: ({ spec }) => validateSpec(spec ?? DaemonSetSpec.create()),
  warnings: ({ spec }) => templateWarnings(spec?.template, SPEC.child('template')),
  validateUpdate: (next, previous) => mustNotChange(next.spec?.selector, previous.spec?.selector, SPEC.child('selector')),
  validateStatusUpdate: ({ status }, previous) => [...validateDaemonSetStatus(status), ...validateCollisions(status, previous.status)],
});
