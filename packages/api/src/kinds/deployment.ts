// Deployments: defaults, validation, columns.

import { type FieldError, forbidden, invalid, notSupported, Path, required } from '../errors.js';
import { DeploymentSpec, DeploymentStatus, DeploymentStrategy, RollingUpdateDeployment } from '../gen/podplane/apps/v1/deployment.js';
import { age } from '../print.js';
import { defineKind, intColumn, nameColumn, textColumn } from './define.js';
import { intOrPercentValue, validateNonNegativeIntOrPercent, validateNotMoreThanHundredPercent } from './int-or-string.js';
import type { DeepReadonly } from './kind-map.js';
import { mustNotChange } from './object-meta.js';
import { validateOnFailure } from './on-failure.js';
import { setTemplateDefaults } from './pod-spec/defaults.js';
import { templateWarnings } from './pod-spec/warnings.js';
import { templateColumns, validateSelectorAndTemplate } from './pod-template.js';
import { validateCollisions, validateDeploymentStatus } from './workload-status.js';

const SPEC = Path.of('spec');
const NOT_NEGATIVE = 'must be greater than or equal to 0';

function setSpecDefaults(spec: DeploymentSpec): void {
  spec.replicas ??= 1;
  const strategy = (spec.strategy ??= DeploymentStrategy.create());
  strategy.type ||= 'RollingUpdate';
  if (strategy.type === 'RollingUpdate') {
    const rolling = (strategy.rollingUpdate ??= RollingUpdateDeployment.create());
    rolling.maxUnavailable ??= '25%';
    rolling.maxSurge ??= '25%';
  }
  spec.revisionHistoryLimit ??= 10;
  spec.progressDeadlineSeconds ??= 600;
  setTemplateDefaults(spec.template);
}

function validateStrategy(strategy: DeepReadonly<DeploymentStrategy> | undefined, path: Path): FieldError[] {
  const out: FieldError[] = [];
  switch (strategy?.type) {
    case 'Recreate':
      if (strategy.rollingUpdate !== undefined) {
        out.push(forbidden(path.child('rollingUpdate'), "may not be specified when strategy `type` is 'Recreate'"));
      }
      break;
    case 'RollingUpdate': {
      const at = path.child('rollingUpdate');
      const rolling = strategy.rollingUpdate;
      if (rolling === undefined) return [required(at, 'this should be defaulted and never be nil')];
      out.push(...validateNonNegativeIntOrPercent(rolling.maxUnavailable, at.child('maxUnavailable')));
      out.push(...validateNonNegativeIntOrPercent(rolling.maxSurge, at.child('maxSurge')));
      if (intOrPercentValue(rolling.maxUnavailable) === 0 && intOrPercentValue(rolling.maxSurge) === 0) {
        out.push(invalid(at.child('maxUnavailable'), rolling.maxUnavailable, 'may not be 0 when `maxSurge` is 0'));
      }
      out.push(...validateNotMoreThanHundredPercent(rolling.maxUnavailable, at.child('maxUnavailable')));
      break;
    }
    default:
      out.push(notSupported(path, strategy, ['Recreate', 'RollingUpdate']));
  }
  return out;
}

function validateSpec(spec: DeepReadonly<DeploymentSpec>): FieldError[] {
  const out: FieldError[] = [];
  if ((spec.replicas ?? 1) < 0) out.push(invalid(SPEC.child('replicas'), spec.replicas, NOT_NEGATIVE));
  out.push(...validateSelectorAndTemplate(spec.selector, spec.template, SPEC));
  out.push(...validateStrategy(spec.strategy, SPEC.child('strategy')));
  for (const field of ['minReadySeconds', 'revisionHistoryLimit', 'progressDeadlineSeconds'] as const) {
    const value = spec[field];
    if (value !== undefined && value < 0) out.push(invalid(SPEC.child(field), value, NOT_NEGATIVE));
  }
  if (spec.progressDeadlineSeconds !== undefined && spec.progressDeadlineSeconds <= (spec.minReadySeconds ?? 0)) {
    out.push(invalid(SPEC.child('progressDeadlineSeconds'), spec.progressDeadlineSeconds, 'must be greater than minReadySeconds'));
  }
  return out;
}

export const deploymentKind = defineKind<'Deployment'>({
  kind: 'Deployment',
  oneofCase: 'deployment',
  hasGeneration: true,
  columns: [
    nameColumn(),
    textColumn('Ready', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 1}`),
    intColumn('Up-to-date', ({ status }) => status?.updatedReplicas),
    intColumn('Available', ({ status }) => status?.availableReplicas),
    textColumn('Age', ({ metadata }, { now }) => age(metadata?.creationTimestamp, now)),
    ...templateColumns<'Deployment'>(),
  ],
  names: 'pods',
  keepsLabels: true,
  setDefaults(deployment) {
    deployment.spec ??= DeploymentSpec.create();
    setSpecDefaults(deployment.spec);
  },
  prepareForCreate(deployment) {
    deployment.status = DeploymentStatus.create();
  },
  validate: (deployment) => [...validateSpec(deployment.spec ?? DeploymentSpec.create()), ...validateOnFailure(deployment)],
  warnings: ({ spec }) => templateWarnings(spec?.template, SPEC.child('template')),
  validateUpdate: (next, previous) => mustNotChange(next.spec?.selector, previous.spec?.selector, SPEC.child('selector')),
  validateStatusUpdate: ({ status }, previous) => [...validateDeploymentStatus(status), ...validateCollisions(status, previous.status)],
});
