// Times as objects carry them.

/** RFC 3339 with milliseconds. */
export function timeText(ms: number): string {
  return new Date(ms).toISOString();
}

/** Ms since 1970; NaN where there is no time or none that can be read. */
export function timeOf(text: string | undefined): number {
  return text === undefined ? Number.NaN : Date.parse(text);
}

/** For messages: "13:01:02.345". */
export function clockText(ms: number): string {
  return new Date(ms).toISOString().slice(11, 23);
}

/** For messages: "3.0 s", "2 m 5 s". */
export function durationText(ms: number): string {
  if (ms < 60_000) return `${(Math.max(0, ms) / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} m`;
}
