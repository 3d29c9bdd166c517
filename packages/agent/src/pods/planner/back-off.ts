// Back-off arithmetic as Kubernetes has it: 10 s doubling to 5 min, forgotten after 10 min. Pure; where it is kept is not known here.
import { type BackOffLimits, DEFAULT_BACK_OFF } from '@podplane/api/kinds/pod-spec/restart-rules';
import type { BackOff } from './types.js';

export const INITIAL_DELAY_MS = DEFAULT_BACK_OFF.initialMs;
export const MAX_DELAY_MS = DEFAULT_BACK_OFF.maxMs;
/** A container that ran this long since its last restart starts again with the smallest delay. */
export const FORGET_MS = 2 * MAX_DELAY_MS;

/** True where the entry no longer counts for something that happened at `eventAt`. */
function expired(entry: BackOff, eventAt: number): boolean {
  return eventAt - entry.updatedAt > FORGET_MS;
}

/** The moment before which a container that ended at `exitedAt` must not be started again. */
export function notBefore(entry: BackOff | undefined, exitedAt: number): number {
  if (entry === undefined || expired(entry, exitedAt)) return exitedAt;
  return exitedAt + entry.delayMs;
}

/** The entry to keep when a container that ended at `exitedAt` is started again at `now`. */
export function afterRestart(
  entry: BackOff | undefined,
  exitedAt: number,
  now: number,
  { initialMs, maxMs }: BackOffLimits = DEFAULT_BACK_OFF,
): BackOff {
  const delayMs = entry === undefined || expired(entry, exitedAt) ? initialMs : Math.min(entry.delayMs * 2, maxMs);
  return { delayMs, updatedAt: now };
}

/** The delay after one more failure; 0 stands for none so far. */
export function nextDelay(delayMs: number, initial = INITIAL_DELAY_MS, max = MAX_DELAY_MS): number {
  return delayMs <= 0 ? initial : Math.min(delayMs * 2, max);
}

/** How long a failed pull is shown as ErrImagePull before it becomes ImagePullBackOff. */
export const PULL_ERROR_SHOWN_MS = 1_000;
