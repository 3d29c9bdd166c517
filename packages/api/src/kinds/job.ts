// Jobs: defaults, what the server sets, columns. Validation is in job-validation.ts.

import { Path } from '../errors.js';
import { type Job, JobSpec, JobStatus } from '../gen/podplane/batch/v1/job.js';
import { LabelSelector, ObjectMeta } from '../gen/podplane/meta/v1/meta.js';
import { age, humanDuration } from '../print.js';
import { defineKind, nameColumn, textColumn } from './define.js';
import { validateJobStatus } from './job-status.js';
import { JOB_NAME_LABEL, JOB_UID_LABEL, OLD_NAME_LABEL, OLD_UID_LABEL, validateJob, validateJobUpdate } from './job-validation.js';
import type { Readable } from './kind-info.js';
import type { DeepReadonly } from './kind-map.js';
import { setTemplateDefaults } from './pod-spec/defaults.js';
import { templateWarnings } from './pod-spec/warnings.js';
import { templateColumns } from './pod-template.js';

const SPEC = Path.of('spec');

/** Sets what may be left out of a job's spec in a CronJob: the rest is set in the jobs made of it. */
export function setJobTemplateDefaults(spec: JobSpec): void {
  for (const rule of spec.podFailurePolicy?.rules ?? []) for (const pattern of rule.onPodConditions) pattern.status ||= 'True';
  setTemplateDefaults(spec.template);
}

function setJobSpecDefaults(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.completionMode ||= 'NonIndexed';
  // With a limit for each index the one for all does not count.
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1;
  spec.suspend ??= false;
  spec.manualSelector ??= false;
  spec.podReplacementPolicy ||= spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed';
  setJobTemplateDefaults(spec);
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
  setJobLabels(job);
}

/** A job without labels has those of its template, the server's included. */
function setJobLabels({ metadata, spec }: Job): void {
  const labels = spec?.template?.metadata?.labels ?? {};
  if (metadata !== undefined && Object.keys(metadata.labels).length === 0) metadata.labels = { ...labels };
}

/** What slows a cluster down, or is most likely a slip. */
export function jobWarnings(spec: DeepReadonly<JobSpec> | undefined, path: Path): string[] {
  const many = spec?.completionMode === 'Indexed' && (spec.completions ?? 0) > 100_000 && (spec.parallelism ?? 0) > 10_000;
  const text =
    'In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail';
  return [...(many ? [`${path.toString()}: ${text}`] : []), ...templateWarnings(spec?.template, path.child('template'))];
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
  names: 'pods',
  setDefaults(job) {
    setJobSpecDefaults((job.spec ??= JobSpec.create()));
    setJobLabels(job);
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
  validate: validateJob,
  warnings: ({ spec }) => jobWarnings(spec, SPEC),
  validateUpdate: validateJobUpdate,
  validateStatusUpdate: validateJobStatus,
});
