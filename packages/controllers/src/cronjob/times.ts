// Which times of a schedule are due. Pure: the moment is given.
import { type CronSchedule, parseCron } from '@podplane/api/cron';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { timeOf } from '../shared/time.js';

type CronJob = Obj<'CronJob'>;

/** More missed times than these are not counted. */
export const MANY = 100;
const MINUTE = 60_000;

export interface Due {
  /** The newest time that may still be started; undefined: none is due. */
  readonly time: number | undefined;
  /** Times that were never started and are not to be any more: too late, or followed by a newer one. At most MANY. */
  readonly missed: number;
  readonly firstMissed: number | undefined;
  readonly lastMissed: number | undefined;
  /** The next one after now; undefined: never. */
  readonly next: number | undefined;
}

const schedules = new WeakMap<object, CronSchedule | undefined>();

/** The schedule of a CronJob; undefined where it cannot be read (validation refuses such). */
export function scheduleOf({ spec }: CronJob): CronSchedule | undefined {
  if (spec === undefined) return undefined;
  if (!schedules.has(spec)) {
    const parsed = parseCron(spec.schedule, spec.timeZone ?? 'UTC');
    schedules.set(spec, parsed.ok ? parsed.schedule : undefined);
  }
  return schedules.get(spec);
}

/** The newest time in (after, now]; undefined where there is none. However long that is: by halving, not by counting. */
export function newest(schedule: CronSchedule, after: number, now: number): number | undefined {
  let time = schedule.next(after);
  if (time === undefined || time > now) return undefined;
  let end = now;
  while (end - time > MINUTE) {
    const middle = time + Math.floor((end - time) / 2);
    const later = schedule.next(middle);
    if (later !== undefined && later <= now) time = later;
    else end = middle;
  }
  for (let later = schedule.next(time); later !== undefined && later <= now; later = schedule.next(later)) time = later;
  return time;
}

/** What is due at now (wall clock, ms). */
export function dueOf(cron: CronJob, schedule: CronSchedule, now: number): Due {
  const since = Math.max(timeOf(cron.metadata?.creationTimestamp) || 0, timeOf(cron.status?.lastScheduleTime) || 0);
  const deadline = cron.spec?.startingDeadlineSeconds;
  const next = schedule.next(now);
  const last = newest(schedule, since, now);
  const inTime = last !== undefined && (deadline === undefined || last >= now - deadline * 1000);
  let missed = 0;
  let firstMissed: number | undefined;
  let lastMissed: number | undefined;
  for (let time = schedule.next(since); time !== undefined && time <= now && missed < MANY; time = schedule.next(time)) {
    if (inTime && time === last) break;
    firstMissed ??= time;
    lastMissed = time;
    missed++;
  }
  if (missed === MANY && last !== undefined) lastMissed = last;
  return { time: inTime ? last : undefined, missed, firstMissed, lastMissed, next };
}
