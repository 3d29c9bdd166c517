// PodDisruptionBudgets: defaults, validation, columns. What a budget allows is counted by its controller and kept by the eviction call.

import { type FieldError, invalid, notSupported, Path } from '../errors.js';
import { type PodDisruptionBudgetSpec, PodDisruptionBudgetStatus } from '../gen/podplane/policy/v1/pod_disruption_budget.js';
import { age } from '../print.js';
import { validateConditions } from './conditions.js';
import { defineKind, intColumn, nameColumn, textColumn } from './define.js';
import { validateNonNegativeIntOrPercent, validateNotMoreThanHundredPercent } from './int-or-string.js';
import type { DeepReadonly } from './kind-map.js';
import { validateLabelSelector } from './selector-validation.js';
import { validateCounts } from './workload-status.js';

const SPEC = Path.of('spec');
const STATUS = Path.of('status');
const POLICIES = ['AlwaysAllow', 'IfHealthyBudget'];
const COUNTS = ['disruptionsAllowed', 'currentHealthy', 'desiredHealthy', 'expectedPods'] as const;

function validateSpec(spec: DeepReadonly<PodDisruptionBudgetSpec>): FieldError[] {
  const out: FieldError[] = [];
  if (spec.minAvailable !== undefined && spec.maxUnavailable !== undefined)
    out.push(invalid(SPEC, spec, 'minAvailable and maxUnavailable cannot be both set'));
  for (const field of ['minAvailable', 'maxUnavailable'] as const) {
    const value = spec[field];
    if (value === undefined) continue;
    out.push(...validateNonNegativeIntOrPercent(value, SPEC.child(field)));
    out.push(...validateNotMoreThanHundredPercent(value, SPEC.child(field)));
  }
  if (spec.selector !== undefined) out.push(...validateLabelSelector(spec.selector, SPEC.child('selector')));
  const policy = spec.unhealthyPodEvictionPolicy;
  if (policy !== undefined && !POLICIES.includes(policy))
    out.push(notSupported(SPEC.child('unhealthyPodEvictionPolicy'), policy, POLICIES));
  return out;
}

const countText = (value: unknown): string => (typeof value === 'number' || typeof value === 'string' ? String(value) : 'N/A');

export const podDisruptionBudgetKind = defineKind<'PodDisruptionBudget'>({
  kind: 'PodDisruptionBudget',
  oneofCase: 'podDisruptionBudget',
  hasGeneration: true,
  columns: [
    nameColumn(),
    textColumn('Min Available', ({ spec }) => countText(spec?.minAvailable)),
    textColumn('Max Unavailable', ({ spec }) => countText(spec?.maxUnavailable)),
    intColumn('Allowed Disruptions', ({ status }) => status?.disruptionsAllowed),
    textColumn('Age', ({ metadata }, { now }) => age(metadata?.creationTimestamp, now)),
  ],
  prepareForCreate(budget) {
    budget.status = PodDisruptionBudgetStatus.create();
  },
  validate: ({ spec }) => (spec === undefined ? [] : validateSpec(spec)),
  validateStatusUpdate: ({ status }) => [
    ...validateConditions(status?.conditions ?? [], STATUS.child('conditions')),
    ...validateCounts(status, COUNTS),
  ],
});
