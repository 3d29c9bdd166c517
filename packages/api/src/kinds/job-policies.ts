// Faults of what Jobs do about pods that fail, and of when they have succeeded. The rest of a Job is in job-validation.ts.
import { duplicate, type FieldError, invalid, invalidAsWhole, notSupported, type Path, required, tooLong, tooMany } from '../errors.js';
import type { JobSpec, PodFailurePolicyRule, SuccessPolicyRule } from '../gen/podplane/batch/v1/job.js';
import { qualifiedNameProblems } from '../names.js';
import { IndexSet, indexesProblem } from './job-indexes.js';
import type { DeepReadonly } from './kind-map.js';

type Spec = DeepReadonly<JobSpec>;
type FailureRule = DeepReadonly<PodFailurePolicyRule>;

const NOT_NEGATIVE = 'must be greater than or equal to 0';
const MOST_RULES = 20;
const MOST_PATTERNS = 20;
const MOST_EXIT_CODES = 255;
const LONGEST_INDEXES = 64 * 1024;
const ACTIONS = ['Count', 'FailIndex', 'FailJob', 'Ignore'];
const OPERATORS = ['In', 'NotIn'];
const STATUSES = ['False', 'True', 'Unknown'];

/** One of some words, which must be said. */
function wordFaults(value: string, allowed: readonly string[], path: Path): FieldError[] {
  if (value === '') return [required(path, `valid values: [${allowed.map((one) => JSON.stringify(one)).join(' ')}]`)];
  return allowed.includes(value) ? [] : [notSupported(path, value, allowed)];
}

/** Faults of podFailurePolicy. */
export function validateFailurePolicy(spec: Spec, path: Path): FieldError[] {
  const out: FieldError[] = [];
  const rules = spec.podFailurePolicy?.rules ?? [];
  const at = path.child('rules');
  if (rules.length > MOST_RULES) out.push(tooMany(at, rules.length, MOST_RULES));
  const pods = spec.template?.spec;
  const containers = new Set([...(pods?.containers ?? []), ...(pods?.initContainers ?? [])].map(({ name }) => name));
  for (const [i, rule] of rules.entries()) out.push(...validateFailureRule(rule, spec, containers, at.index(i)));
  return out;
}

function validateFailureRule(rule: FailureRule, spec: Spec, containers: ReadonlySet<string>, path: Path): FieldError[] {
  const out = wordFaults(rule.action, ACTIONS, path.child('action'));
  if (rule.action === 'FailIndex' && spec.backoffLimitPerIndex === undefined)
    out.push(invalid(path.child('action'), rule.action, 'requires the backoffLimitPerIndex to be set'));
  const codes = rule.onExitCodes;
  const patterns = rule.onPodConditions;
  if (codes !== undefined) out.push(...validateExitCodes(codes, containers, path.child('onExitCodes')));
  const conditions = path.child('onPodConditions');
  if (patterns.length > MOST_PATTERNS) out.push(tooMany(conditions, patterns.length, MOST_PATTERNS));
  for (const [i, { type, status }] of patterns.entries()) {
    const at = conditions.index(i);
    for (const problem of qualifiedNameProblems(type)) out.push(invalid(at.child('type'), type, problem));
    out.push(...wordFaults(status, STATUSES, at.child('status')));
  }
  if (codes !== undefined && patterns.length > 0)
    out.push(invalidAsWhole(path, 'specifying both OnExitCodes and OnPodConditions is not supported'));
  if (codes === undefined && patterns.length === 0)
    out.push(invalidAsWhole(path, 'specifying one of OnExitCodes and OnPodConditions is required'));
  return out;
}

function validateExitCodes(codes: NonNullable<FailureRule['onExitCodes']>, containers: ReadonlySet<string>, path: Path): FieldError[] {
  const { containerName, operator, values } = codes;
  const out = wordFaults(operator, OPERATORS, path.child('operator'));
  if (containerName !== undefined && !containers.has(containerName)) {
    const text = 'must be one of the container or initContainer names in the pod template';
    out.push(invalid(path.child('containerName'), containerName, text));
  }
  const at = path.child('values');
  if (values.length === 0) out.push(invalid(at, values, 'at least one value is required'));
  else if (values.length > MOST_EXIT_CODES) out.push(tooMany(at, values.length, MOST_EXIT_CODES));
  const seen = new Set<number>();
  for (const [i, value] of values.entries()) {
    if (value === 0 && operator === 'In') out.push(invalid(at.index(i), value, 'must not be 0 for the In operator'));
    if (seen.has(value)) out.push(duplicate(at.index(i), value));
    seen.add(value);
  }
  if (values.some((value, i) => i > 0 && (values[i - 1] ?? 0) > value)) out.push(invalid(at, values, 'must be ordered'));
  return out;
}

/** Faults of successPolicy. */
export function validateSuccessPolicy(spec: Spec, path: Path): FieldError[] {
  const policy = spec.successPolicy;
  if (policy === undefined) return [];
  if (spec.completionMode !== 'Indexed') return [invalid(path, policy, 'requires indexed completion mode')];
  const { rules } = policy;
  const at = path.child('rules');
  if (rules.length === 0) return [required(at, 'at least one rules must be specified when the successPolicy is specified')];
  const out = rules.length > MOST_RULES ? [tooMany(at, rules.length, MOST_RULES)] : [];
  return [...out, ...rules.flatMap((rule, i) => validateSuccessRule(rule, spec.completions ?? 0, at.index(i)))];
}

function validateSuccessRule(rule: DeepReadonly<SuccessPolicyRule>, completions: number, path: Path): FieldError[] {
  const out: FieldError[] = [];
  const { succeededIndexes: indexes, succeededCount: count } = rule;
  if (count === undefined && indexes === undefined)
    out.push(required(path, 'at least one of succeededCount or succeededIndexes must be specified'));
  let total = 0;
  if (indexes !== undefined) {
    const at = path.child('succeededIndexes');
    if (Buffer.byteLength(indexes) > LONGEST_INDEXES) out.push(tooLong(at, LONGEST_INDEXES));
    const problem = indexesProblem(indexes, completions);
    if (problem === undefined) total = IndexSet.parse(indexes, completions)?.size ?? 0;
    else out.push(invalid(at, indexes, `error parsing succeededIndexes: ${problem}`));
  }
  if (count === undefined) return out;
  const at = path.child('succeededCount');
  const most = (limit: number, what: string): FieldError => invalid(at, count, `must be less than or equal to ${limit} (${what})`);
  if (count < 0) out.push(invalid(at, count, NOT_NEGATIVE));
  if (count > completions) out.push(most(completions, 'the number of specified completions'));
  if (indexes !== undefined && count > total) out.push(most(total, 'the number of indexes in the specified succeededIndexes field'));
  return out;
}
