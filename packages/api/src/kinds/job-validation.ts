// Faults of jobs, alone or as the template of a CronJob. Nothing else of jobs.

import { duplicate, type FieldError, invalid, notSupported, Path, required, tooLong, tooMany } from '../errors.js';
import type { JobSpec, PodFailurePolicyRule } from '../gen/podplane/batch/v1/job.js';
import { ObjectMeta } from '../gen/podplane/meta/v1/meta.js';
import { qualifiedNameProblems } from '../names.js';
import { compileLabelSelector } from '../selectors.js';
import { deepEqual } from './equal.js';
import { IndexSet, indexesProblem } from './job-indexes.js';
import type { Readable } from './kind-info.js';
import type { DeepReadonly } from './kind-map.js';
import { mustNotChange } from './object-meta.js';
import { validateTemplate } from './pod-template.js';
import { validateLabelSelector } from './selector-validation.js';

type Spec = DeepReadonly<JobSpec>;

const SPEC = Path.of('spec');
const NOT_NEGATIVE = 'must be greater than or equal to 0';
const MOST_PARALLEL_INDEXES = 100_000;
const MOST_FAILED_INDEXES = 100_000;
/** Above so many completions a job that counts failures of each index has limits of its own, so that its status stays small. */
const MANY_COMPLETIONS = 100_000;
const MOST_WITH_MANY = 10_000;
const MOST_INDEXES_TEXT = 64 * 1024;
const MOST_RULES = 20;
const MOST_EXIT_CODES = 255;
const MOST_PATTERNS = 20;
const UID_LABEL = 'batch.kubernetes.io/controller-uid';

const COUNTS = [
  'parallelism',
  'completions',
  'activeDeadlineSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
] as const;

/** Faults of a job's spec. uid: the job's own, "" where it has none yet or is a template. */
export function validateJobSpec(spec: Spec, path: Path, uid: string): FieldError[] {
  const out: FieldError[] = [];
  for (const field of COUNTS) {
    const value = spec[field];
    if (value !== undefined && value < 0) out.push(invalid(path.child(field), value, NOT_NEGATIVE));
  }
  out.push(...validateIndexed(spec, path), ...validateSelector(spec, path, uid));
  const templatePath = path.child('template');
  if (spec.template === undefined) return [...out, required(templatePath)];
  out.push(...validateTemplate(spec.template, templatePath));
  const policyPath = templatePath.child('spec', 'restartPolicy');
  const policy = spec.template.spec?.restartPolicy;
  if (policy === undefined || policy === '' || policy === 'Always') out.push(required(policyPath, 'valid values: "OnFailure", "Never"'));
  else if (spec.podFailurePolicy !== undefined && policy === 'OnFailure') {
    out.push(invalid(policyPath, policy, 'only "Never" is supported when podFailurePolicy is specified'));
  }
  if (spec.podFailurePolicy !== undefined) out.push(...validateFailurePolicy(spec, path.child('podFailurePolicy')));
  out.push(...validateReplacement(spec, path), ...validateSuccessPolicy(spec, path.child('successPolicy')));
  return out;
}

function validateIndexed(spec: Spec, path: Path): FieldError[] {
  const { completionMode: mode, completions, parallelism = 1, backoffLimitPerIndex: perIndex, maxFailedIndexes } = spec;
  const out: FieldError[] = [];
  if (maxFailedIndexes !== undefined && perIndex === undefined) {
    out.push(required(path.child('backoffLimitPerIndex'), 'when maxFailedIndexes is specified'));
  }
  if (mode !== 'Indexed' && mode !== 'NonIndexed') {
    return [...out, notSupported(path.child('completionMode'), mode, ['NonIndexed', 'Indexed'])];
  }
  if (mode === 'NonIndexed') {
    const needs = 'requires indexed completion mode';
    if (perIndex !== undefined) out.push(invalid(path.child('backoffLimitPerIndex'), perIndex, needs));
    if (maxFailedIndexes !== undefined) out.push(invalid(path.child('maxFailedIndexes'), maxFailedIndexes, needs));
    return out;
  }
  if (completions === undefined) out.push(required(path.child('completions'), 'when completion mode is Indexed'));
  if (parallelism > MOST_PARALLEL_INDEXES) {
    const text = `must be less than or equal to ${MOST_PARALLEL_INDEXES} when completion mode is Indexed`;
    out.push(invalid(path.child('parallelism'), parallelism, text));
  }
  const most = path.child('maxFailedIndexes');
  if (maxFailedIndexes !== undefined) {
    if (completions !== undefined && maxFailedIndexes > completions) {
      out.push(invalid(most, maxFailedIndexes, 'must be less than or equal to completions'));
    }
    if (maxFailedIndexes > MOST_FAILED_INDEXES) {
      out.push(invalid(most, maxFailedIndexes, `must be less than or equal to ${MOST_FAILED_INDEXES}`));
    }
  }
  if (perIndex === undefined || (completions ?? 0) <= MANY_COMPLETIONS) return out;
  const limit = `must be less than or equal to ${MOST_WITH_MANY} when completions are above ${MANY_COMPLETIONS} and used with backoff limit per index`;
  if (maxFailedIndexes === undefined) out.push(required(most, `must be specified when completions is above ${MANY_COMPLETIONS}`));
  if (parallelism > MOST_WITH_MANY) out.push(invalid(path.child('parallelism'), parallelism, limit));
  if (maxFailedIndexes !== undefined && maxFailedIndexes > MOST_WITH_MANY) out.push(invalid(most, maxFailedIndexes, limit));
  return out;
}

function validateSelector(spec: Spec, path: Path, uid: string): FieldError[] {
  const at = path.child('selector');
  const { selector } = spec;
  if (spec.manualSelector !== true) {
    if (selector === undefined) return [];
    const own = uid !== '' && selector.matchLabels[UID_LABEL] === uid;
    return own ? [] : [invalid(at, selector, '`selector` not auto-generated')];
  }
  if (selector === undefined) return [required(at)];
  const out = validateLabelSelector(selector, at);
  const labels = spec.template?.metadata?.labels ?? {};
  if (out.length === 0 && !compileLabelSelector(selector)(labels)) {
    out.push(invalid(path.child('template', 'metadata', 'labels'), labels, '`selector` does not match template `labels`'));
  }
  return out;
}

function validateReplacement({ podReplacementPolicy: policy, podFailurePolicy }: Spec, path: Path): FieldError[] {
  const allowed = podFailurePolicy === undefined ? ['Failed', 'TerminatingOrFailed'] : ['Failed'];
  return policy !== undefined && allowed.includes(policy) ? [] : [notSupported(path.child('podReplacementPolicy'), policy, allowed)];
}

function validateFailurePolicy(spec: Spec, path: Path): FieldError[] {
  const out: FieldError[] = [];
  const rules = spec.podFailurePolicy?.rules ?? [];
  const at = path.child('rules');
  if (rules.length > MOST_RULES) out.push(tooMany(at, rules.length, MOST_RULES));
  const containers = new Set(
    [...(spec.template?.spec?.containers ?? []), ...(spec.template?.spec?.initContainers ?? [])].map((c) => c.name),
  );
  for (const [i, rule] of rules.entries()) out.push(...validateFailureRule(rule, spec, containers, at.index(i)));
  return out;
}

function validateFailureRule(
  rule: DeepReadonly<PodFailurePolicyRule>,
  spec: Spec,
  containers: ReadonlySet<string>,
  path: Path,
): FieldError[] {
  const out: FieldError[] = [];
  const actions = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
  if (rule.action === '') out.push(required(path.child('action'), 'valid values: ["Count" "FailIndex" "FailJob" "Ignore"]'));
  else if (!actions.includes(rule.action)) out.push(notSupported(path.child('action'), rule.action, actions));
  else if (rule.action === 'FailIndex' && spec.backoffLimitPerIndex === undefined) {
    out.push(invalid(path.child('action'), rule.action, 'requires the backoffLimitPerIndex to be set'));
  }
  const codes = rule.onExitCodes;
  if (codes !== undefined && rule.onPodConditions.length > 0) {
    out.push(invalid(path, rule, 'specifying both OnExitCodes and OnPodConditions is not supported'));
  }
  if (codes === undefined && rule.onPodConditions.length === 0) {
    out.push(invalid(path, rule, 'specifying one of OnExitCodes and OnPodConditions is required'));
  }
  if (codes !== undefined) {
    const at = path.child('onExitCodes');
    if (codes.containerName !== undefined && !containers.has(codes.containerName)) {
      out.push(
        invalid(at.child('containerName'), codes.containerName, 'must be one of the container or initContainer names in the pod template'),
      );
    }
    if (codes.operator === '') out.push(required(at.child('operator'), 'valid values: ["In" "NotIn"]'));
    else if (codes.operator !== 'In' && codes.operator !== 'NotIn')
      out.push(notSupported(at.child('operator'), codes.operator, ['In', 'NotIn']));
    const values = at.child('values');
    if (codes.values.length === 0) out.push(invalid(values, codes.values, 'at least one value is required'));
    else if (codes.values.length > MOST_EXIT_CODES) out.push(tooMany(values, codes.values.length, MOST_EXIT_CODES));
    const seen = new Set<number>();
    let isOrdered = true;
    for (const [i, value] of codes.values.entries()) {
      if (value === 0 && codes.operator === 'In') out.push(invalid(values.index(i), value, 'must not be 0 for the In operator'));
      if (seen.has(value)) out.push(duplicate(values.index(i), value));
      seen.add(value);
      if (i > 0 && value < (codes.values[i - 1] ?? 0)) isOrdered = false;
    }
    if (!isOrdered) out.push(invalid(values, codes.values, 'must be ordered'));
  }
  if (rule.onPodConditions.length > MOST_PATTERNS) {
    out.push(tooMany(path.child('onPodConditions'), rule.onPodConditions.length, MOST_PATTERNS));
  }
  for (const [i, { type, status }] of rule.onPodConditions.entries()) {
    const at = path.child('onPodConditions').index(i);
    for (const problem of qualifiedNameProblems(type)) out.push(invalid(at.child('type'), type, problem));
    if (!['True', 'False', 'Unknown'].includes(status)) out.push(notSupported(at.child('status'), status, ['False', 'True', 'Unknown']));
  }
  return out;
}

function validateSuccessPolicy(spec: Spec, path: Path): FieldError[] {
  const policy = spec.successPolicy;
  if (policy === undefined) return [];
  const out: FieldError[] = [];
  const at = path.child('rules');
  if (spec.completionMode !== 'Indexed') return [invalid(path, policy, 'requires indexed completion mode')];
  if (policy.rules.length === 0) return [required(at, 'at least one rules must be specified when the successPolicy is specified')];
  if (policy.rules.length > MOST_RULES) out.push(tooMany(at, policy.rules.length, MOST_RULES));
  const completions = spec.completions ?? 0;
  for (const [i, { succeededIndexes, succeededCount }] of policy.rules.entries()) {
    const rule = at.index(i);
    if (succeededCount === undefined && succeededIndexes === undefined) {
      out.push(required(rule, 'at least one of succeededCount or succeededIndexes must be specified'));
    }
    let most = completions;
    if (succeededIndexes !== undefined) {
      const at = rule.child('succeededIndexes');
      if (succeededIndexes.length > MOST_INDEXES_TEXT) out.push(tooLong(at, MOST_INDEXES_TEXT));
      const problem = indexesProblem(succeededIndexes, completions);
      if (problem !== undefined) out.push(invalid(at, succeededIndexes, `error parsing succeededIndexes: ${problem}`));
      most = IndexSet.parse(succeededIndexes, completions)?.size ?? 0;
    }
    if (succeededCount === undefined) continue;
    const count = rule.child('succeededCount');
    if (succeededCount < 0) out.push(invalid(count, succeededCount, NOT_NEGATIVE));
    if (succeededCount > completions) {
      out.push(invalid(count, succeededCount, `must be less than or equal to ${completions} (the number of specified completions)`));
    }
    if (succeededIndexes !== undefined && succeededCount > most) {
      const text = `must be less than or equal to ${most} (the number of indexes in the specified succeededIndexes field)`;
      out.push(invalid(count, succeededCount, text));
    }
  }
  return out;
}

/** What must not change of a job. */
export function validateJobUpdate(next: Readable<'Job'>, previous: Readable<'Job'>): FieldError[] {
  const [a, b] = [next.spec, previous.spec];
  if (a === undefined || b === undefined) return [];
  const out: FieldError[] = [];
  const at = SPEC.child('completions');
  if (a.completionMode !== 'Indexed') out.push(...mustNotChange(a.completions, b.completions, at));
  else if (a.completions !== b.completions && a.completions !== undefined && a.completions !== a.parallelism) {
    // It may grow and shrink when both numbers do.
    out.push(invalid(at, a.completions, 'can only be modified in tandem with spec.parallelism'));
  }
  out.push(...mustNotChange(a.selector, b.selector, SPEC.child('selector')));
  if (!sameTemplate(a, b, previous)) out.push(...mustNotChange(a.template, b.template, SPEC.child('template')));
  for (const field of ['completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy'] as const) {
    out.push(...mustNotChange(a[field], b[field], SPEC.child(field)));
  }
  return out;
}

/** What a queue needs to say of a suspended job's pods may still change as long as it was never started: where they go, their labels and annotations. */
function sameTemplate(a: Spec, b: Spec, previous: Readable<'Job'>): boolean {
  if (deepEqual(a.template, b.template)) return true;
  const open = b.suspend === true && previous.status?.startTime === undefined;
  if (!open || a.template?.spec === undefined || b.template?.spec === undefined) return false;
  const fixed = ({ metadata, spec }: NonNullable<Spec['template']>): unknown => {
    const { podAffinity, podAntiAffinity } = spec?.affinity ?? {};
    const affinity = podAffinity === undefined && podAntiAffinity === undefined ? undefined : { podAffinity, podAntiAffinity };
    return {
      metadata: { ...ObjectMeta.create(), ...metadata, labels: {}, annotations: {} },
      spec: { ...spec, nodeSelector: {}, tolerations: [], affinity, schedulingGates: [] },
    };
  };
  return deepEqual(fixed(a.template), fixed(b.template));
}
