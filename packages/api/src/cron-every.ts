// The schedule "@every 1h30m": the same time between any two starts, counted from the one before. What other expressions mean is in cron.ts.

const PREFIX = '@every ';
const UNITS: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, μs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const DURATION = /^[+-]?(?:0|(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;
const PART = /(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;
const SECOND = 1000;

export type Every = { readonly ok: true; readonly ms: number } | { readonly ok: false; readonly problem: string };

/** Reads it; undefined: the expression is none of this kind. ms: whole seconds, at least one, as Kubernetes counts them. */
export function parseEvery(expression: string): Every | undefined {
  if (!expression.startsWith(PREFIX)) return undefined;
  const text = expression.slice(PREFIX.length);
  if (!DURATION.test(text)) {
    return { ok: false, problem: `failed to parse duration ${expression}: time: invalid duration ${JSON.stringify(text)}` };
  }
  let ms = 0;
  for (const [, number, unit] of text.matchAll(PART)) ms += Number(number) * (UNITS[unit ?? ''] ?? 0);
  if (text.startsWith('-')) ms = 0;
  // 2.3 minutes are 138 s, not 137.999999.
  return { ok: true, ms: Math.max(SECOND, Math.floor(Math.round(ms) / SECOND) * SECOND) };
}

/** The start after another one (ms since 1970, both), or after the moment from which it counts. */
export const afterEvery = (time: number, everyMs: number): number => Math.floor(time / SECOND) * SECOND + everyMs;
