// Cron expressions: whether one can be read, and when it is due next. Pure: every question names its moment, no timer is ever started.
import { Cron } from 'croner';
import { afterEvery, parseEvery } from './cron-every.js';
import { cronFault } from './cron-words.js';

/** A schedule that has been read. */
export interface CronSchedule {
  /** The first time that is due after a moment (both ms since 1970); undefined: never again. */
  next(afterMs: number): number | undefined;
  /** Of "@every ...": ms between a start and the next one, which next() counts from the moment that it is given. */
  readonly everyMs?: number;
}

export type CronParsed = { readonly ok: true; readonly schedule: CronSchedule } | { readonly ok: false; readonly problem: string };

/** A start without an end, "5/15", which means from there to the last. */
const OPEN_STEP = /^(\d+)\/(\d+)$/;
const LAST: readonly number[] = [59, 23, 31, 12, 6];

/** Expression as croner takes it: "?" is any value, open steps get their end. */
function normalized(expression: string): string {
  const fields = expression.trim().split(/\s+/);
  return fields
    .map((field, i) =>
      field
        .split(',')
        .map((part) => {
          const open = OPEN_STEP.exec(part);
          return open === null ? part.replace('?', '*') : `${open[1]}-${LAST[i] ?? 59}/${open[2]}`;
        })
        .join(','),
    )
    .join(' ');
}

/** From a moment (included) to the time that is due next after it (not included) the answer is the same. */
interface Answer {
  readonly from: number;
  readonly time: number;
}

/** So many answers are remembered: controllers ask again and again for what follows now, and what follows the last start. */
const REMEMBERED = 4;

/** Asks croner, which goes through a calendar, only for what it was not asked before. */
function remembering(cron: Cron): CronSchedule {
  const answers: Answer[] = [];
  return {
    next(afterMs) {
      for (const { from, time } of answers) if (from <= afterMs && afterMs < time) return time;
      const time = cron.nextRun(new Date(afterMs))?.getTime();
      if (time === undefined) return undefined;
      if (answers.length >= REMEMBERED) answers.shift();
      answers.push({ from: afterMs, time });
      return time;
    },
  };
}

/** Reads an expression of five fields, a nickname such as @daily, or "@every 1h". timeZone: an IANA name; it must exist. */
export function parseCron(expression: string, timeZone = 'UTC'): CronParsed {
  const text = expression.trim();
  if (!isTimeZone(timeZone)) return { ok: false, problem: `unknown time zone ${timeZone}` };
  const every = parseEvery(text);
  if (every !== undefined) {
    if (!every.ok) return every;
    const { ms } = every;
    return { ok: true, schedule: { everyMs: ms, next: (afterMs) => afterEvery(afterMs, ms) } };
  }
  // The parser below also knows signs that cron does not: last day, nearest weekday, n-th weekday.
  const problem = cronFault(text);
  if (problem !== undefined) return { ok: false, problem };
  try {
    // Without a function nothing is scheduled; paused says so once more.
    const cron = new Cron(text.startsWith('@') ? text : normalized(text), { mode: '5-part', paused: true, timezone: timeZone });
    return { ok: true, schedule: remembering(cron) };
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    return { ok: false, problem: words.replace(/^Cron(Pattern|Date): /, '') };
  }
}

/** Parts of a name in the list of time zones (IANA): an offset such as "+01:00" is none. */
const ZONE_PART = /^(?![-+]|\.{1,2}$)[A-Za-z._0-9+-]{1,14}$/;

/** Whether there is such a time zone. */
export function isTimeZone(name: string): boolean {
  if (!name.split('/').every((part) => ZONE_PART.test(part))) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
