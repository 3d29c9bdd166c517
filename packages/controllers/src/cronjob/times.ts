// Which times of a schedule are due. Pure: the moment is given.
import { type CronSchedule, parseCron } from '@podplane/api/cron';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { timeOf } from '../shared/time.js';

type CronJob = Obj<'CronJob'>;

/** Annotation of a CronJob: since when its schedule is what it is, where that was changed. Kept there as a server that starts anew must know it. */
export const SCHEDULE_SINCE = 'podplane.dev/schedule-since';
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
  if (schedule.everyMs !== undefined) return time + Math.floor((now - time) / schedule.everyMs) * schedule.everyMs;
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
  const since = Math.max(
    timeOf(cron.metadata?.creationTimestamp) || 0,
    timeOf(cron.metadata?.annotations[SCHEDULE_SINCE]) || 0,
    timeOf(cron.status?.lastScheduleTime) || 0,
  );
  const deadline = cron.spec?.startingDeadlineSeconds;
  const last = newest(schedule, since, now);
  const next = schedule.next(schedule.everyMs === undefined ? now : (last ?? since));
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

/** As Kubernetes writes times: whole seconds, UTC. */
export const secondsText = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

const clocks = new Map<string, Intl.DateTimeFormat>();

/** The same moment as the clocks of a time zone (an IANA name; undefined: UTC) show it: 2026-01-01T09:00:00+01:00. */
export function zonedText(ms: number, zone: string | undefined): string {
  if (zone === undefined) return secondsText(ms);
  let clock = clocks.get(zone);
  if (clock === undefined) {
    clock = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
    clocks.set(zone, clock);
  }
  const shown = new Map(clock.formatToParts(ms).map(({ type, value }) => [type, Number(value)]));
  const part = (type: Intl.DateTimeFormatPartTypes): number => shown.get(type) ?? 0;
  const there = Date.UTC(part('year'), part('month') - 1, part('day'), part('hour'), part('minute'), part('second'));
  const offset = Math.round((there - ms) / MINUTE);
  if (offset === 0) return secondsText(ms);
  const two = (number: number): string => String(number).padStart(2, '0');
  const [hours, minutes] = [Math.floor(Math.abs(offset) / 60), Math.abs(offset) % 60];
  return `${secondsText(there).slice(0, -1)}${offset < 0 ? '-' : '+'}${two(hours)}:${two(minutes)}`;
}
