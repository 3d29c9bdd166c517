// A seed of the whole system that has to hold what it promises.
import { simulate } from '@podplane/testing/simulation/simulation';

/** What people do comes every so often, ms. */
export const ACT_EVERY_MS = 5_000;

/** Returns the trace. Rejects with how to see a failing run again, and with its last steps. */
export async function holds(seed: number, nodes: number, minutes: number, faultEveryMs: number): Promise<string> {
  const { violation, steps, hash } = await simulate({ seed, nodes, troubleMs: minutes * 60_000, faultEveryMs, actEveryMs: ACT_EVERY_MS });
  if (violation === undefined) return hash;
  const replay = `npm run simulate -- --replay ${seed} --nodes ${nodes} --hours ${minutes / 60} --faults ${faultEveryMs / 1000}`;
  throw new Error(`${violation.invariant}: ${violation.message}\n${replay}\n${steps.slice(-30).join('\n')}`);
}
