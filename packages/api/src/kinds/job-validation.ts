// Faults of jobs, alone or as the template of a CronJob. What they do about failing pods is in job-policies.ts, their status in job-status.ts.

import { type FieldError, invalid, notSupported, Path, required, tooLong } from '../errors.js';
import type { JobSpec } from '../gen/podplane/batch/v1/job.js';
import { PodTemplateSpec } from '../gen/podplane/core/v1/pod.js';
import { dnsLabelProblems, dnsSubdomainProblems } from '../names.js';
import { compileLabelSelector } from '../selectors.js';
import { deepEqual } from './equal.js';
import { validateFailurePolicy, validateSuccessPolicy } from './job-policies.js';
import type { Readable } from './kind-info.js';
import type { DeepReadonly } from './kind-map.js';
import { mustNotChange } from './object-meta.js';
import { validateTemplate } from './pod-template.js';
import { validateLabelSelector } from './selector-validation.js';

type Spec = DeepReadonly<JobSpec>;
type Job = Readable<'Job'>;

const SPEC = Path.of('spec');
const NOT_NEGATIVE = 'must be greater than or equal to 0';
const DOMAIN_PATH = /^([^/]+)\/(.+)$/s;
const HTTP_PATH = /^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/;
const MOST_MANAGED_BY = 63;
const MOST_PARALLEL_INDEXES = 100_000;
const MOST_FAILED_INDEXES = 100_000;
/** With more completions than so many, a job that counts failures by index must be narrower. */
const MANY_COMPLETIONS = 100_000;
const PARALLEL_WITH_MANY = 10_000;
const FAILED_WITH_MANY = 10_000;

export const JOB_UID_LABEL = 'batch.kubernetes.io/controller-uid';
export const JOB_NAME_LABEL = 'batch.kubernetes.io/job-name';
export const OLD_UID_LABEL = 'controller-uid';
export const OLD_NAME_LABEL = 'job-name';

const COUNTS = [
  'parallelism',
  'completions',
  'activeDeadlineSeconds',
  'backoffLimit',
  'ttlSecondsAfterFinished',
  'backoffLimitPerIndex',
  'maxFailedIndexes',
] as const;

/** Faults of a Job, whether it is new (without uid) or changed. */
export function validateJob({ metadata, spec = {} as Spec }: Job): FieldError[] {
  const { name = '', uid = '' } = metadata ?? {};
  const out = [...validateGenerated(spec, name, uid), ...validateJobSpec(spec, SPEC), ...validateSelector(spec, uid)];
  if (spec.completionMode === 'Indexed' && spec.completions !== undefined && spec.completions > 0 && name !== '') {
    // Its pods are called so.
    const last = `${name}-${spec.completions - 1}`;
    if (dnsLabelProblems(last).length > 0)
      out.push(invalid(Path.of('metadata', 'name'), name, `will not able to create pod with invalid DNS label: ${last}`));
  }
  return out;
}

/** Labels that the server gives to the template: nobody else's may stand there. Before there is a uid, none can be right. */
function validateGenerated(spec: Spec, name: string, uid: string): FieldError[] {
  if (spec.manualSelector === true) return [];
  const at = SPEC.child('template', 'metadata', 'labels');
  const labels = spec.template?.metadata?.labels ?? {};
  const expected = { [OLD_UID_LABEL]: uid, [OLD_NAME_LABEL]: name, [JOB_UID_LABEL]: uid, [JOB_NAME_LABEL]: name };
  const out: FieldError[] = [];
  for (const [key, value] of Object.entries(expected)) {
    const given = labels[key];
    const text = value === '' ? 'must be left out: the server sets it' : `must be '${value}'`;
    if (given !== undefined && (given !== value || value === '')) out.push(invalid(at.key(key), labels, text));
    else if (given === undefined && uid !== '' && spec.selector !== undefined) out.push(required(at.key(key), text));
  }
  return out;
}

function validateSelector(spec: Spec, uid: string): FieldError[] {
  const at = SPEC.child('selector');
  const { selector } = spec;
  const labels = spec.template?.metadata?.labels ?? {};
  if (spec.manualSelector !== true) {
    if (selector === undefined) return [];
    const own = uid !== '' && selector.matchLabels[JOB_UID_LABEL] === uid && compileLabelSelector(selector)(labels);
    return own ? [] : [...validateLabelSelector(selector, at), invalid(at, selector, '`selector` not auto-generated')];
  }
  if (selector === undefined) return [required(at)];
  const out = validateLabelSelector(selector, at);
  if (out.length === 0 && !compileLabelSelector(selector)(labels)) {
    const shown = Object.keys(labels).length === 0 ? undefined : labels;
    out.push(invalid(SPEC.child('template', 'metadata', 'labels'), shown, '`selector` does not match template `labels`'));
  }
  return out;
}

/** Faults of a job's spec but for its selector, alone or in a template, where defaults are not set. */
export function validateJobSpec(spec: Spec, path: Path): FieldError[] {
  const out: FieldError[] = [];
  for (const field of COUNTS) {
    const value = spec[field];
    if (value !== undefined && value < 0) out.push(invalid(path.child(field), value, NOT_NEGATIVE));
  }
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined)
    out.push(required(path.child('backoffLimitPerIndex'), 'when maxFailedIndexes is specified'));
  out.push(...validateManagedBy(spec.managedBy, path.child('managedBy')), ...validateIndexed(spec, path));
  if (spec.podFailurePolicy !== undefined) out.push(...validateFailurePolicy(spec, path.child('podFailurePolicy')));
  out.push(...validateSuccessPolicy(spec, path.child('successPolicy')), ...validateReplacement(spec, path));
  const templatePath = path.child('template');
  out.push(...validateTemplate(spec.template ?? PodTemplateSpec.create(), templatePath));
  const policyPath = templatePath.child('spec', 'restartPolicy');
  const policy = spec.template?.spec?.restartPolicy;
  if (!policy || policy === 'Always') out.push(required(policyPath, 'valid values: "OnFailure", "Never"'));
  else if (policy !== 'OnFailure' && policy !== 'Never') out.push(notSupported(policyPath, policy, ['OnFailure', 'Never']));
  else if (spec.podFailurePolicy !== undefined && policy !== 'Never')
    out.push(invalid(policyPath, policy, 'only "Never" is supported when podFailurePolicy is specified'));
  return out;
}

function validateManagedBy(value: string | undefined, path: Path): FieldError[] {
  if (value === undefined) return [];
  if (value === '') return [required(path)];
  const [, domain = '', rest = ''] = DOMAIN_PATH.exec(value) ?? [];
  if (domain === '') return [invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')];
  const out = dnsSubdomainProblems(domain).map((problem) => invalid(path, domain, problem));
  if (!HTTP_PATH.test(rest))
    out.push(invalid(path, rest, `Invalid path (regex used for validation is '${HTTP_PATH.source.slice(1, -1)}')`));
  if (value.length > MOST_MANAGED_BY) out.push(tooLong(path, MOST_MANAGED_BY));
  return out;
}

function validateIndexed(spec: Spec, path: Path): FieldError[] {
  const { completionMode: mode, completions, parallelism, backoffLimitPerIndex: perIndex, maxFailedIndexes: failed } = spec;
  const out: FieldError[] = [];
  const atMost = (field: string, value: number, limit: number, when = ''): void => {
    if (value > limit) out.push(invalid(path.child(field), value, `must be less than or equal to ${limit}${when}`));
  };
  if (mode === undefined || mode === 'NonIndexed') {
    const needs = 'requires indexed completion mode';
    if (perIndex !== undefined) out.push(invalid(path.child('backoffLimitPerIndex'), perIndex, needs));
    if (failed !== undefined) out.push(invalid(path.child('maxFailedIndexes'), failed, needs));
    return out;
  }
  if (mode !== 'Indexed') return [notSupported(path.child('completionMode'), mode, ['NonIndexed', 'Indexed'])];
  if (completions === undefined) out.push(required(path.child('completions'), 'when completion mode is Indexed'));
  atMost('parallelism', parallelism ?? 0, MOST_PARALLEL_INDEXES, ' when completion mode is Indexed');
  if (completions !== undefined && failed !== undefined && failed > completions)
    out.push(invalid(path.child('maxFailedIndexes'), failed, 'must be less than or equal to completions'));
  atMost('maxFailedIndexes', failed ?? 0, MOST_FAILED_INDEXES);
  if (perIndex === undefined || (completions ?? 0) <= MANY_COMPLETIONS) return out;
  const narrow = ` when completions are above ${MANY_COMPLETIONS} and used with backoff limit per index`;
  if (failed === undefined)
    out.push(required(path.child('maxFailedIndexes'), `must be specified when completions is above ${MANY_COMPLETIONS}`));
  atMost('parallelism', parallelism ?? 0, PARALLEL_WITH_MANY, narrow);
  atMost('maxFailedIndexes', failed ?? 0, FAILED_WITH_MANY, narrow);
  return out;
}

function validateReplacement({ podReplacementPolicy: policy, podFailurePolicy }: Spec, path: Path): FieldError[] {
  const allowed = podFailurePolicy === undefined ? ['Failed', 'TerminatingOrFailed'] : ['Failed'];
  return policy === undefined || allowed.includes(policy) ? [] : [notSupported(path.child('podReplacementPolicy'), policy, allowed)];
}

/** What must not change of a job. */
export function validateJobUpdate(next: Job, previous: Job): FieldError[] {
  const [a, b] = [next.spec, previous.spec];
  if (a === undefined || b === undefined) return [];
  const out: FieldError[] = [];
  const at = SPEC.child('completions');
  if (a.completionMode !== 'Indexed') out.push(...mustNotChange(a.completions, b.completions, at));
  // An Indexed job may grow and shrink when both numbers do.
  else if (a.completions !== undefined && a.completions !== b.completions && a.completions !== a.parallelism)
    out.push(invalid(at, a.completions, 'can only be modified in tandem with spec.parallelism'));
  out.push(...mustNotChange(a.selector, b.selector, SPEC.child('selector')));
  const open = b.suspend === true && previous.status?.startTime === undefined;
  if (!deepEqual(a.template, open ? movable(b.template, a.template) : b.template))
    out.push(...mustNotChange(a.template, b.template, SPEC.child('template')));
  for (const field of ['completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy'] as const) {
    out.push(...mustNotChange(a[field], b[field], SPEC.child(field)));
  }
  return out;
}

type Template = Spec['template'];

/** The old template with what may still change of a suspended job that was never started: where its pods go, labels and annotations. */
function movable(old: Template, now: Template): Template {
  if (old?.spec === undefined || now?.spec === undefined) return old;
  const { nodeSelector, tolerations, schedulingGates, affinity } = now.spec;
  const between = { podAffinity: old.spec.affinity?.podAffinity, podAntiAffinity: old.spec.affinity?.podAntiAffinity };
  const alone = between.podAffinity === undefined && between.podAntiAffinity === undefined;
  const moved = affinity === undefined && alone ? undefined : { ...between, nodeAffinity: affinity?.nodeAffinity };
  const { labels, annotations } = now.metadata ?? { labels: {}, annotations: {} };
  const metadata = old.metadata === undefined ? now.metadata : { ...old.metadata, labels, annotations };
  return { ...old, metadata, spec: { ...old.spec, nodeSelector, tolerations, schedulingGates, affinity: moved } };
}
