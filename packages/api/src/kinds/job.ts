// Jobs: defaults, what the server sets, columns. Validation is in job-validation.ts.

import { type FieldError, invalid, Path, required } from '../errors.js';
import { type Job, type JobSpec, JobStatus } from '../gen/podplane/batch/v1/job.js';
import { LabelSelector, ObjectMeta } from '../gen/podplane/meta/v1/meta.js';
import { dnsLabelProblems } from '../names.js';
import { age, humanDuration } from '../print.js';
import { defineKind, nameColumn, textColumn } from './define.js';
import { validateJobSpec, validateJobUpdate } from './job-validation.js';
import type { Readable } from './kind-info.js';
import { setTemplateDefaults } from './pod-spec/defaults.js';
import { podSpecWarnings } from './pod-spec/warnings.js';
import { templateColumns } from './pod-template.js';

const SPEC = Path.of('spec');

export const JOB_UID_LABEL = 'batch.kubernetes.io/controller-uid';
export const JOB_NAME_LABEL = 'batch.kubernetes.io/job-name';
const OLD_UID_LABEL = 'controller-uid';
const OLD_NAME_LABEL = 'job-name';

/** Sets what may be left out of a job's spec, alone or in a CronJob. */
export function setJobSpecDefaults(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.completionMode ||= 'NonIndexed';
  // With a limit for each index the one for all does not count.
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1;
  spec.suspend ??= false;
  spec.podReplacementPolicy ||= spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed';
  for (const rule of spec.podFailurePolicy?.rules ?? []) for (const pattern of rule.onPodConditions) pattern.status ||= 'True';
  setTemplateDefaults(spec.template);
}

/** The selector and the labels that make a job's pods its own; only once it has a uid. Without effect where a selector stands already. */
export function setJobSelector(job: Job): void {
  const { spec, metadata } = job;
  const uid = metadata?.uid;
  if (spec?.template === undefined || uid === undefined || uid === '' || spec.manualSelector === true || spec.selector !== undefined)
    return;
  const name = metadata?.name ?? '';
  const labels = { [JOB_UID_LABEL]: uid, [JOB_NAME_LABEL]: name, [OLD_UID_LABEL]: uid, [OLD_NAME_LABEL]: name };
  const template = (spec.template.metadata ??= ObjectMeta.create());
  template.labels = { ...template.labels, ...labels };
  spec.selector = LabelSelector.create({ matchLabels: { [JOB_UID_LABEL]: uid } });
}

/** Complete, Failed, Suspended, Terminating, Running: as `get` shows a job. */
function statusText({ metadata, status }: Readable<'Job'>): string {
  const holds = (type: string): boolean => status?.conditions.some((one) => one.type === type && one.status === 'True') === true;
  if (holds('Complete')) return 'Complete';
  if (holds('Failed')) return 'Failed';
  if (metadata?.deletionTimestamp !== undefined) return 'Terminating';
  if (holds('Suspended')) return 'Suspended';
  if (holds('FailureTarget')) return 'FailureTarget';
  if (holds('SuccessCriteriaMet')) return 'SuccessCriteriaMet';
  return 'Running';
}

function completionsText({ spec, status }: Readable<'Job'>): string {
  const done = status?.succeeded ?? 0;
  if (spec?.completions !== undefined) return `${done}/${spec.completions}`;
  const parallelism = spec?.parallelism ?? 0;
  return parallelism > 1 ? `${done}/1 of ${parallelism}` : `${done}/1`;
}

/** The pods of an Indexed job are named after it and their index on the network. */
function validateHostNames({ metadata, spec }: Readable<'Job'>): FieldError[] {
  const { completionMode, completions = 0 } = spec ?? {};
  if (completionMode !== 'Indexed' || completions <= 0 || !metadata?.name) return [];
  const longest = `${metadata.name}-${completions - 1}`;
  if (dnsLabelProblems(longest).length === 0) return [];
  return [invalid(Path.of('metadata').child('name'), metadata.name, `will not able to create pod with invalid DNS label: ${longest}`)];
}

export const jobKind = defineKind<'Job'>({
  kind: 'Job',
  oneofCase: 'job',
  hasGeneration: true,
  selectableFields: { 'status.successful': ({ status }) => String(status?.succeeded ?? 0) },
  columns: [
    nameColumn(),
    textColumn('Status', statusText),
    textColumn('Completions', completionsText),
    textColumn('Duration', ({ status }, { now }) => {
      if (status?.startTime === undefined) return '';
      const end = status.completionTime === undefined ? now : Date.parse(status.completionTime);
      return humanDuration(end - Date.parse(status.startTime));
    }),
    textColumn('Age', ({ metadata }, { now }) => age(metadata?.creationTimestamp, now)),
    ...templateColumns<'Job'>(),
  ],
  setDefaults({ spec }) {
    if (spec !== undefined) setJobSpecDefaults(spec);
  },
  prepareForCreate(job) {
    job.status = JobStatus.create();
  },
  prepareForUpdate(next, previous) {
    if (next.metadata === undefined) return;
    next.metadata.uid ||= previous.metadata?.uid;
    // What the server has set is not unset by sending the manifest again.
    if (previous.spec?.selector !== undefined) setJobSelector(next);
  },
  validate: (job) =>
    job.spec === undefined
      ? [required(SPEC.child('template'))]
      : [...validateJobSpec(job.spec, SPEC, job.metadata?.uid ?? ''), ...validateHostNames(job)],
  warnings: ({ spec }) => podSpecWarnings(spec?.template?.spec, SPEC.child('template', 'spec')),
  validateUpdate: validateJobUpdate,
});
