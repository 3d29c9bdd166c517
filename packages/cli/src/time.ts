// Durations as people type them: 30s, 5m, 1h30m, 2d. Nothing about clocks.
import { InvalidArgumentError } from 'commander';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const WHOLE = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/;
const PART = /(\d+(?:\.\d+)?)(ms|s|m|h|d)/g;

/** Milliseconds; undefined where the text is no duration. A bare number is seconds. */
export function parseDuration(text: string): number | undefined {
  if (/^\d+(\.\d+)?$/.test(text)) return Math.round(Number(text) * 1000);
  if (!WHOLE.test(text)) return undefined;
  let ms = 0;
  for (const [, amount = '0', unit = 's'] of text.matchAll(PART)) ms += Number(amount) * (UNIT_MS[unit] ?? 0);
  return Math.round(ms);
}

/** For commander: milliseconds of an option's value. */
export function durationOption(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError('Use a duration such as 30s, 5m or 1h30m.');
  return ms;
}

/** For commander: a whole number of at least 0. */
export function countOption(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Use a whole number of at least 0.');
  return Number(text);
}

/** "0.8 s", "12 s", "3m20s" for what took ms. */
export function spent(ms: number): string {
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`;
}
