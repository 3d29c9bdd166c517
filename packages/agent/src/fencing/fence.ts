// When fenced pods have to stop, from how long the node's lease holds. Pure arithmetic; ms of one clock that counts suspend. What is done
// about it is in keeper.ts (the lease's keeper), ../pods/planner/plan-fence.ts (steps) and watchdog.ts.
//
//   lease:  granted ─────────────────────────── stop ────────── kill ── watchdog ── over        over + margin
//           pods run, and may start             SIGTERM         SIGKILL SIGKILL     none runs   the server replaces them

/** How long before the end of the lease each thing happens, ms. */
export interface FenceTimings {
  /** Containers are asked to end, and none is started any more. */
  readonly stopMs: number;
  /** Those that still run are killed. */
  readonly killMs: number;
  /** The watchdog kills what is left. */
  readonly watchdogMs: number;
}

/** For a lease of 15 s or longer; of shorter ones each takes the same share. */
const LONGEST: FenceTimings = { stopMs: 5000, killMs: 2000, watchdogMs: 1000 };
const USUAL_LEASE_MS = 15_000;

export function fenceTimings(leaseMs: number): FenceTimings {
  const share = Math.min(1, Math.max(0, leaseMs) / USUAL_LEASE_MS);
  return { stopMs: LONGEST.stopMs * share, killMs: LONGEST.killMs * share, watchdogMs: LONGEST.watchdogMs * share };
}

/**
 * open: fenced pods run and may start. stop: they end by themselves, if they can, until killAt. kill: none of their processes may be left.
 */
export type Fence =
  | { readonly stage: 'open'; readonly until: number }
  | { readonly stage: 'stop'; readonly killAt: number; readonly graceMs: number }
  | { readonly stage: 'kill' };

/** leaseUntil: when the lease ends; 0: there never was one. */
export function fenceAt(now: number, leaseUntil: number, timings: FenceTimings): Fence {
  const stopAt = leaseUntil - timings.stopMs;
  const killAt = leaseUntil - timings.killMs;
  if (leaseUntil > 0 && now < stopAt) return { stage: 'open', until: stopAt };
  if (leaseUntil > 0 && now < killAt) return { stage: 'stop', killAt, graceMs: killAt - now };
  return { stage: 'kill' };
}
