// Durations and counts as options of commands. Nothing about clocks.
import { parseDuration } from '@podplane/api/duration';
import { InvalidArgumentError } from 'commander';

/** For commander: milliseconds of an option's value. */
export function durationOption(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined) throw new InvalidArgumentError('Use a duration such as 30s, 5m or 1h30m.');
  return ms;
}

/** For commander: milliseconds of an option's value; 0: no limit. */
export function limitOption(text: string): number {
  return durationOption(text) || Number.POSITIVE_INFINITY;
}

/** A duration as durationOption takes it: 5m, 15s, 200ms; 0 is 0. */
export function optionText(ms: number): string {
  if (ms === 0) return '0';
  if (ms % 3_600_000 === 0) return `${ms / 3_600_000}h`;
  if (ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms % 1000 === 0 ? `${ms / 1000}s` : `${ms}ms`;
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
