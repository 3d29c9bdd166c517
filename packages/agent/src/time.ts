// Times as the API writes them. Pure.
import type { Timers } from '@podplane/api/system';

/** ms since 1970 as RFC 3339 with whole seconds, as Kubernetes' Time. */
export function rfc3339(ms: number): string {
  return `${new Date(Math.floor(ms / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

/** ms since 1970 as RFC 3339 with microseconds, as Kubernetes' MicroTime. */
export function rfc3339Micro(ms: number): string {
  const whole = Math.floor(ms);
  const micros = String(Math.floor((ms - whole) * 1000)).padStart(3, '0');
  return `${new Date(whole).toISOString().slice(0, -1)}${micros}Z`;
}

/** ms since 1970; undefined where the text is no time. */
export function parseTime(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** Resolves when the work is done, or after ms. Rejects where the work does in that time. */
export async function atMost(timers: Timers, ms: number, work: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<void>();
  const timer = timers.after(ms, late.resolve);
  try {
    await Promise.race([work, late.promise]);
  } finally {
    timer.cancel();
  }
}
