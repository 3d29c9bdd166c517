// Times as manifests write them (RFC 3339) and as objects hold them: UTC, nothing lost down to the nanosecond.

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

/** Times that were found good lately: nodes report thousands of pods that became ready in one second. When so many are known it begins anew. */
const MOST_KNOWN = 4096;
const canonical = new Map<string, string>();

interface ParsedTime {
  /** UTC, to the second, without an end: 2026-01-02T03:04:05 */
  readonly whole: string;
  /** Digits after the point, trailing zeros removed. */
  readonly fraction: string;
}

/**
 * An RFC 3339 time in the form that objects hold: UTC with Z, fraction with 3, 6 or 9 digits or none.
 * Undefined where the text is no such time (also 30 February, or an hour 24).
 */
export function canonicalTime(text: string): string | undefined {
  const known = canonical.get(text);
  if (known !== undefined) return known;
  const time = parse(text);
  if (time === undefined) return undefined;
  const digits = Math.ceil(time.fraction.length / 3) * 3;
  const made = `${time.whole}${digits === 0 ? '' : `.${time.fraction.padEnd(digits, '0')}`}Z`;
  if (canonical.size >= MOST_KNOWN) canonical.clear();
  canonical.set(text, made);
  return made;
}

/** As canonicalTime, always with 6 digits. Undefined also where the text is finer than a microsecond. */
export function canonicalMicroTime(text: string): string | undefined {
  const time = parse(text);
  if (time === undefined || time.fraction.length > 6) return undefined;
  return `${time.whole}.${time.fraction.padEnd(6, '0')}Z`;
}

function parse(text: string): ParsedTime | undefined {
  const parts = RFC3339.exec(text);
  if (parts === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = '', zone = 'Z'] = parts;
  const local = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const millis = Date.parse(`${local}Z`);
  // Date rolls impossible dates over; then the text that comes back differs.
  if (Number.isNaN(millis) || new Date(millis).toISOString().slice(0, 19) !== local) return undefined;
  // As most are; what is looked at below holds for it already.
  if (zone === 'Z' && year !== '0000') return { whole: local, fraction: fraction.replace(/0+$/, '') };
  const offset = zoneMinutes(zone);
  if (offset === undefined) return undefined;
  const utc = new Date(millis - offset * 60_000).toISOString();
  if (utc.length !== 24 || utc < '0001') return undefined; // before year 1 or after 9999
  return { whole: utc.slice(0, 19), fraction: fraction.replace(/0+$/, '') };
}

function zoneMinutes(zone: string): number | undefined {
  if (zone === 'Z') return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(4, 6));
  if (hours > 23 || minutes > 59) return undefined;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
}
