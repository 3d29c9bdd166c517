// One probe of one container as a pure state machine: outcomes in, verdict and the delay to the next try out. Who runs probes is
// prober.ts, what a probe does on the wire is http.ts, tcp.ts and exec.ts.
import type { Probe } from '@podplane/api/gen/podplane/core/v1/probe';

export type ProbeKind = 'startup' | 'liveness' | 'readiness';

/** error: the probe itself could not be carried out; says nothing about the container. */
export type ProbeOutcome = { readonly result: 'success' | 'failure' | 'error'; readonly message: string };

export interface ProbeTimings {
  readonly initialDelayMs: number;
  readonly periodMs: number;
  readonly timeoutMs: number;
  readonly successThreshold: number;
  readonly failureThreshold: number;
}

/** Timings of a probe with Kubernetes' defaults where it says nothing. */
export function timingsOf(probe: Probe): ProbeTimings {
  return {
    initialDelayMs: (probe.initialDelaySeconds ?? 0) * 1000,
    periodMs: (probe.periodSeconds || 10) * 1000,
    timeoutMs: (probe.timeoutSeconds || 1) * 1000,
    successThreshold: probe.successThreshold || 1,
    failureThreshold: probe.failureThreshold || 3,
  };
}

/**
 * pending: no threshold was reached yet. Readiness counts pending as not ready, liveness as alive, startup as not started.
 * The same values are kept over restarts of the agent.
 */
export interface ProbeState {
  readonly verdict: 'pending' | 'success' | 'failure';
  /** Equal outcomes in a row. */
  readonly streak: number;
  readonly last: 'success' | 'failure' | undefined;
  /** It has been a success once. */
  readonly succeeded: boolean;
}

export const FRESH_PROBE: ProbeState = { verdict: 'pending', streak: 0, last: undefined, succeeded: false };

export interface ProbeStep {
  readonly state: ProbeState;
  /** No more tries for this container. */
  readonly done: boolean;
  /** The outcome is worth an event (Unhealthy). */
  readonly report: boolean;
}

/**
 * Takes in one outcome. `early`: this try came before its period was over, only to see sooner that the container is ready; its
 * failure does not count.
 */
export function afterProbe(kind: ProbeKind, timings: ProbeTimings, state: ProbeState, outcome: ProbeOutcome, early: boolean): ProbeStep {
  if (outcome.result === 'error' || (early && outcome.result === 'failure')) return { state, done: isDone(kind, state), report: false };
  const threshold = outcome.result === 'success' ? timings.successThreshold : timings.failureThreshold;
  const streak = Math.min(outcome.result === state.last ? state.streak + 1 : 1, threshold);
  const verdict = streak >= threshold ? outcome.result : state.verdict;
  const changed: ProbeState = { verdict, streak, last: outcome.result, succeeded: state.succeeded || verdict === 'success' };
  return { state: changed, done: isDone(kind, changed), report: outcome.result === 'failure' };
}

/** Start-up is over for good; a container that failed its liveness or start-up probe is on its way out. */
function isDone(kind: ProbeKind, state: ProbeState): boolean {
  return (kind === 'startup' && state.verdict === 'success') || (kind !== 'readiness' && state.verdict === 'failure');
}

const EARLY_FIRST_MS = 100;
const EARLY_MAX_MS = 1_000;
/** For this long after the first try a container that was never ready is looked at more often than its period says. */
const EARLY_WINDOW_MS = 60_000;

/** The tries of one probe in time. All in monotonic ms. */
export interface ProbeSchedule {
  readonly firstAt: number;
  /** Of the tries that count. */
  readonly nextRegularAt: number;
  readonly earlyMs: number;
}

export interface FirstTry {
  readonly at: number;
  readonly early: boolean;
  readonly schedule: ProbeSchedule;
}

/**
 * The first try of a probe that may begin at `at`. Without an initial delay a process that has just begun is not blamed for not
 * answering: readiness and start-up are tried at once, but that counts only if it succeeds; liveness waits for its period.
 */
export function firstTry(kind: ProbeKind, timings: ProbeTimings, at: number): FirstTry {
  const counted = { at, early: false, schedule: { firstAt: at, nextRegularAt: at, earlyMs: EARLY_FIRST_MS } };
  if (timings.initialDelayMs > 0) return counted;
  if (kind === 'liveness')
    return { ...counted, at: at + timings.periodMs, schedule: { ...counted.schedule, nextRegularAt: at + timings.periodMs } };
  if (timings.successThreshold > 1) return counted;
  return { at, early: true, schedule: { ...counted.schedule, nextRegularAt: at + timings.periodMs } };
}

/** When to try next, and whether that try is early. Call after each try (which was early or not). */
export function nextTry(
  kind: ProbeKind,
  timings: ProbeTimings,
  state: ProbeState,
  schedule: ProbeSchedule,
  now: number,
  wasEarly: boolean,
): { readonly at: number; readonly early: boolean; readonly schedule: ProbeSchedule } {
  // A try that took long does not make the following ones crowd.
  const nextRegularAt = wasEarly ? schedule.nextRegularAt : Math.max(schedule.nextRegularAt + timings.periodMs, now);
  const earlyAt = now + schedule.earlyMs;
  const soon = kind !== 'liveness' && !state.succeeded && timings.successThreshold === 1 && now - schedule.firstAt < EARLY_WINDOW_MS;
  if (soon && earlyAt < nextRegularAt) {
    return { at: earlyAt, early: true, schedule: { ...schedule, nextRegularAt, earlyMs: Math.min(schedule.earlyMs * 2, EARLY_MAX_MS) } };
  }
  return { at: Math.max(nextRegularAt, now), early: false, schedule: { ...schedule, nextRegularAt } };
}
