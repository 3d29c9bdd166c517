import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { afterProbe, FRESH_PROBE, firstTry, nextTry, type ProbeState, type ProbeTimings } from './probe-state.js';

const timings = (more: Partial<ProbeTimings> = {}): ProbeTimings => ({
  initialDelayMs: 0,
  periodMs: 10_000,
  timeoutMs: 1_000,
  successThreshold: 1,
  failureThreshold: 3,
  ...more,
});
const success = { result: 'success', message: '' } as const;
const failure = { result: 'failure', message: 'no' } as const;
const error = { result: 'error', message: '?' } as const;

function run(
  kind: 'startup' | 'liveness' | 'readiness',
  t: ProbeTimings,
  outcomes: readonly (typeof success | typeof failure | typeof error)[],
): ProbeState {
  return outcomes.reduce<ProbeState>((state, outcome) => afterProbe(kind, t, state, outcome, false).state, FRESH_PROBE);
}

describe('afterProbe', () => {
  it('changes the verdict only when a threshold is reached in a row', () => {
    const t = timings({ successThreshold: 2, failureThreshold: 3 });
    expect(run('readiness', t, [success]).verdict).toBe('pending');
    expect(run('readiness', t, [success, success]).verdict).toBe('success');
    expect(run('readiness', t, [success, success, failure, failure]).verdict).toBe('success');
    expect(run('readiness', t, [success, success, failure, failure, success, failure, failure]).verdict).toBe('success');
    expect(run('readiness', t, [success, success, failure, failure, failure]).verdict).toBe('failure');
    expect(run('readiness', t, [success, success, failure, failure, failure, success]).verdict).toBe('failure');
  });

  it('throws away what says nothing about the container', () => {
    expect(run('liveness', timings({ failureThreshold: 2 }), [failure, error, error, failure]).verdict).toBe('failure');
    expect(run('liveness', timings({ failureThreshold: 2 }), [error, error, error])).toEqual(FRESH_PROBE);
  });

  it('does not count failures of early tries', () => {
    let state = FRESH_PROBE;
    for (let i = 0; i < 50; i++) state = afterProbe('startup', timings({ failureThreshold: 1 }), state, failure, true).state;
    expect(state).toEqual(FRESH_PROBE);
    expect(afterProbe('readiness', timings(), state, success, true).state.verdict).toBe('success');
  });

  it('ends with start-up, and with the container that is to be killed', () => {
    expect(afterProbe('startup', timings(), FRESH_PROBE, success, false).done).toBe(true);
    expect(afterProbe('liveness', timings({ failureThreshold: 1 }), FRESH_PROBE, failure, false).done).toBe(true);
    expect(afterProbe('readiness', timings({ failureThreshold: 1 }), FRESH_PROBE, failure, false).done).toBe(false);
  });
});

describe('nextTry', () => {
  it('looks again soon until ready for the first time, then with the period', () => {
    let { schedule } = firstTry('readiness', timings({ initialDelayMs: 1 }), 0);
    let now = 0;
    let early = false;
    const tries: number[] = [];
    const regular: number[] = [];
    while (now < 25_000) {
      const next = nextTry('readiness', timings(), FRESH_PROBE, schedule, now, early);
      ({ schedule, early } = next);
      now = next.at;
      tries.push(now);
      if (!early) regular.push(now);
    }
    expect(tries.slice(0, 4)).toEqual([100, 300, 700, 1500]);
    expect(regular).toEqual([10_000, 20_000]);
    const ready: ProbeState = { ...FRESH_PROBE, verdict: 'success', succeeded: true };
    expect(nextTry('readiness', timings(), ready, { firstAt: 0, nextRegularAt: 0, earlyMs: 100 }, 0, false)).toMatchObject({
      at: 10_000,
      early: false,
    });
  });

  it('does not blame a process that has just begun', () => {
    expect(firstTry('readiness', timings(), 5)).toMatchObject({ at: 5, early: true, schedule: { nextRegularAt: 10_005 } });
    expect(firstTry('startup', timings(), 5)).toMatchObject({ at: 5, early: true });
    expect(firstTry('liveness', timings(), 5)).toMatchObject({ at: 10_005, early: false, schedule: { nextRegularAt: 10_005 } });
    for (const kind of ['readiness', 'startup', 'liveness'] as const) {
      expect(firstTry(kind, timings({ initialDelayMs: 3 }), 5)).toMatchObject({ at: 5, early: false, schedule: { nextRegularAt: 5 } });
    }
    expect(firstTry('readiness', timings({ successThreshold: 2 }), 5)).toMatchObject({ at: 5, early: false });
  });

  it('goes on with the period after a minute, and never early for liveness or several successes', () => {
    expect(nextTry('readiness', timings(), FRESH_PROBE, { firstAt: 0, nextRegularAt: 60_000, earlyMs: 1_000 }, 60_000, false).early).toBe(
      false,
    );
    expect(nextTry('liveness', timings(), FRESH_PROBE, { firstAt: 0, nextRegularAt: 0, earlyMs: 100 }, 0, false).early).toBe(false);
    expect(
      nextTry('readiness', timings({ successThreshold: 2 }), FRESH_PROBE, { firstAt: 0, nextRegularAt: 0, earlyMs: 100 }, 0, false).early,
    ).toBe(false);
  });

  it('never goes back in time and never skips a whole period', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 30_000 }), { maxLength: 40 }), fc.boolean(), (durations, succeeded) => {
        let { schedule } = firstTry('readiness', timings({ initialDelayMs: 1 }), 0);
        let now = 0;
        let early = false;
        for (const duration of durations) {
          now += duration;
          const next = nextTry('readiness', timings(), { ...FRESH_PROBE, succeeded }, schedule, now, early);
          expect(next.at).toBeGreaterThanOrEqual(now);
          expect(next.at - now).toBeLessThanOrEqual(10_000);
          ({ schedule, early } = next);
          now = next.at;
        }
      }),
    );
  });
});
