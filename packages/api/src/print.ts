// How values look to people: ages and durations as kubectl prints them, lists, placeholders. Which columns there are is in kinds/.

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

export const NONE = '<none>';
export const UNKNOWN = '<unknown>';
export const UNSET = '<unset>';

/** ms as kubectl prints ages: 45s, 3m20s, 47m, 5h12m, 31h, 3d4h, 200d, 3y40d. Up to 2 s into the future (clocks differ) is 0s. */
export function humanDuration(ms: number): string {
  if (!Number.isFinite(ms) || ms < -2 * SECOND) return '<invalid>';
  if (ms < 0) return '0s';
  const seconds = Math.floor(ms / SECOND);
  if (ms < 2 * MINUTE) return `${seconds}s`;
  const minutes = Math.floor(ms / MINUTE);
  if (ms < 10 * MINUTE) return two(minutes, 'm', seconds % 60, 's');
  if (ms < 3 * HOUR) return `${minutes}m`;
  const hours = Math.floor(ms / HOUR);
  if (ms < 8 * HOUR) return two(hours, 'h', minutes % 60, 'm');
  if (ms < 2 * DAY) return `${hours}h`;
  const days = Math.floor(ms / DAY);
  if (ms < 8 * DAY) return two(days, 'd', hours % 24, 'h');
  if (ms < 2 * YEAR) return `${days}d`;
  const years = Math.floor(ms / YEAR);
  if (ms < 8 * YEAR) return two(years, 'y', days % 365, 'd');
  return `${years}y`;
}

function two(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`;
}

/** Time since a timestamp (RFC 3339) at now (ms since 1970); <unknown> where there is none. */
export function age(timestamp: string | undefined, now: number): string {
  if (timestamp === undefined || timestamp === '') return UNKNOWN;
  const since = Date.parse(timestamp);
  return Number.isNaN(since) ? UNKNOWN : humanDuration(now - since);
}

/** The text, or <none> where there is none. */
export function orNone(text: string | undefined): string {
  return text === undefined || text === '' ? NONE : text;
}

/** A map as "a=b,c=d", sorted by key; <none> where it is empty. */
export function labelsText(labels: Readonly<Record<string, string>> | undefined): string {
  const entries = Object.entries(labels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return orNone(entries.map(([key, value]) => `${key}=${value}`).join(','));
}
