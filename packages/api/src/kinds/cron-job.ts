// CronJobs: defaults, validation, columns. What an expression means is in ../cron.ts.

import { isTimeZone, parseCron } from '../cron.js';
import { type FieldError, invalid, notSupported, Path, required } from '../errors.js';
import { CronJobSpec, CronJobStatus } from '../gen/podplane/batch/v1/cron_job.js';
import { JobSpec } from '../gen/podplane/batch/v1/job.js';
import { age, NONE, orNone } from '../print.js';
import { defineKind, intColumn, nameColumn, textColumn } from './define.js';
import { jobWarnings, setJobTemplateDefaults } from './job.js';
import { validateJobSpec } from './job-validation.js';
import type { DeepReadonly } from './kind-map.js';
import { validateAnnotations, validateLabels } from './object-meta.js';

const SPEC = Path.of('spec');
/** Jobs get eleven characters more. */
const LONGEST_NAME = 52;
const POLICIES = ['Allow', 'Forbid', 'Replace'];
const NOT_NEGATIVE = 'must be greater than or equal to 0';
/** Understood, so that what follows is looked at; refused all the same. */
const ZONE_PREFIX = /^(?:CRON_)?TZ=\S+\s+/;

type Spec = DeepReadonly<CronJobSpec>;

function validateSchedule(spec: Spec): FieldError[] {
  const { schedule, timeZone } = spec;
  const out: FieldError[] = [];
  const at = SPEC.child('schedule');
  if (schedule === '') out.push(required(at));
  else {
    const parsed = parseCron(schedule.replace(ZONE_PREFIX, ''));
    if (!parsed.ok) out.push(invalid(at, schedule, parsed.problem));
    if (schedule.includes('TZ')) out.push(invalid(at, schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead'));
  }
  const deadline = spec.startingDeadlineSeconds ?? 0;
  if (deadline < 0) out.push(invalid(SPEC.child('startingDeadlineSeconds'), deadline, NOT_NEGATIVE));
  if (timeZone === undefined) return out;
  const zone = SPEC.child('timeZone');
  if (timeZone === '') out.push(invalid(zone, timeZone, 'timeZone must be nil or non-empty string'));
  else if (timeZone.toLowerCase() === 'local') {
    out.push(invalid(zone, timeZone, 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones'));
  } else if (!isTimeZone(timeZone)) out.push(invalid(zone, timeZone, `unknown time zone ${timeZone}`));
  return out;
}

function validateSpec(spec: Spec): FieldError[] {
  const out = validateSchedule(spec);
  const policy = spec.concurrencyPolicy;
  if (!policy) out.push(required(SPEC.child('concurrencyPolicy')));
  else if (!POLICIES.includes(policy)) out.push(notSupported(SPEC.child('concurrencyPolicy'), policy, POLICIES));
  const at = SPEC.child('jobTemplate');
  const { jobTemplate } = spec;
  const { selector, manualSelector } = jobTemplate?.spec ?? {};
  out.push(...validateLabels(jobTemplate?.metadata?.labels ?? {}, at.child('metadata', 'labels')));
  out.push(...validateAnnotations(jobTemplate?.metadata?.annotations ?? {}, at.child('metadata', 'annotations')));
  out.push(...validateJobSpec(jobTemplate?.spec ?? JobSpec.create(), at.child('spec')));
  if (selector !== undefined) out.push(invalid(at.child('spec', 'selector'), selector, '`selector` will be auto-generated'));
  if (manualSelector === true) out.push(notSupported(at.child('spec', 'manualSelector'), true, ['nil', 'false']));
  for (const field of ['successfulJobsHistoryLimit', 'failedJobsHistoryLimit'] as const) {
    const value = spec[field];
    if (value !== undefined && value < 0) out.push(invalid(SPEC.child(field), value, NOT_NEGATIVE));
  }
  return out;
}

export const cronJobKind = defineKind<'CronJob'>({
  kind: 'CronJob',
  oneofCase: 'cronJob',
  hasGeneration: true,
  columns: [
    nameColumn(),
    textColumn('Schedule', ({ spec }) => spec?.schedule ?? ''),
    textColumn('Timezone', ({ spec }) => orNone(spec?.timeZone)),
    textColumn('Suspend', ({ spec }) => (spec?.suspend === true ? 'True' : 'False')),
    intColumn('Active', ({ status }) => status?.active.length),
    textColumn('Last Schedule', ({ status }, { now }) =>
      status?.lastScheduleTime === undefined ? NONE : age(status.lastScheduleTime, now),
    ),
    textColumn('Age', ({ metadata }, { now }) => age(metadata?.creationTimestamp, now)),
    textColumn(
      'Containers',
      ({ spec }) => orNone(spec?.jobTemplate?.spec?.template?.spec?.containers.map((one) => one.name).join(',')),
      true,
    ),
    textColumn(
      'Images',
      ({ spec }) => orNone(spec?.jobTemplate?.spec?.template?.spec?.containers.map((one) => one.image ?? '').join(',')),
      true,
    ),
  ],
  names: 'pods',
  setDefaults(cron) {
    const spec = (cron.spec ??= CronJobSpec.create());
    spec.concurrencyPolicy ||= 'Allow';
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    if (spec.jobTemplate?.spec !== undefined) setJobTemplateDefaults(spec.jobTemplate.spec);
  },
  prepareForCreate(cron) {
    cron.status = CronJobStatus.create();
  },
  validate: ({ spec }) => validateSpec(spec ?? CronJobSpec.create()),
  validateNew({ metadata }) {
    const name = metadata?.name ?? '';
    return name.length > LONGEST_NAME
      ? [invalid(Path.of('metadata', 'name'), name, `must be no more than ${LONGEST_NAME} characters`)]
      : [];
  },
  warnings: ({ spec }) => jobWarnings(spec?.jobTemplate?.spec, SPEC.child('jobTemplate', 'spec')),
});
