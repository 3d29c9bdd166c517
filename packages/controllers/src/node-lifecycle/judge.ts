// Whether a node lives, from what its session knows, and whether many being silent means that we are cut off ourselves. Pure; ms, monotonic.
import type { Obj } from '@podplane/api/kinds/kind-map';
import { TAINT_UNREACHABLE } from '@podplane/api/taints';
import type { NodeLiveness } from '../runtime/types.js';
import { nameOf } from '../shared/objects.js';
import { type NodeLifecycleConfig, returnOf, silenceOf } from './config.js';

/**
 *   alive      it is heard
 *   between    its session broke a moment ago; nothing follows yet
 *   suspect    it did not come back; nothing new goes there
 *   silent     not heard for too long
 *   shutdown   its host said goodbye
 *   starting   not heard, but we started not long ago, or others are still coming back: nothing is concluded
 */
export type Life =
  | { readonly state: 'alive' | 'between' | 'suspect' | 'starting'; readonly nextInMs: number }
  | { readonly state: 'silent'; readonly silentForMs: number }
  | { readonly state: 'shutdown' };

export interface JudgeInput {
  readonly name: string;
  readonly liveness: NodeLiveness;
  readonly config: NodeLifecycleConfig;
  readonly now: number;
  /** Since when we know of the node; one that is new has as long to be heard for the first time as all have after a start. */
  readonly knownSince: number;
  /** Since when we see it without a session; undefined: it has one. */
  readonly disconnectedSince: number | undefined;
  /** When last a node came back that was away. */
  readonly lastReturn: number | undefined;
  /** When last a node was heard for the first time since our start. */
  readonly lastFirst: number | undefined;
}

export function judge({ name, liveness, config, now, knownSince, disconnectedSince, lastReturn, lastFirst }: JudgeInput): Life {
  const periodMs = liveness.heartbeatPeriodMs?.() ?? 0;
  const silence = silenceOf(config, periodMs);
  const credit = liveness.stallCredit;
  if (liveness.saidGoodbye(name)) return { state: 'shutdown' };
  const grace = returnOf(config, periodMs);
  const left = (since: number | undefined): number => (since === undefined ? 0 : grace - (now - since));
  const heard = liveness.lastHeard(name);
  if (heard === undefined) {
    const waited = now - Math.max(liveness.servingSince, knownSince) - credit;
    const hold = Math.max(grace - waited, left(lastReturn));
    return hold > 0 ? { state: 'starting', nextInMs: hold } : { state: 'silent', silentForMs: waited };
  }
  const silentForMs = now - heard - credit;
  if (silentForMs >= silence) {
    // While thousands return, heartbeats of those that are back already may be late behind the handshakes of the others.
    const hold = left(lastFirst);
    return hold > 0 ? { state: 'starting', nextInMs: hold } : { state: 'silent', silentForMs: now - heard };
  }
  const nextInMs = silence - silentForMs;
  if (disconnectedSince === undefined) return { state: 'alive', nextInMs };
  const waited = now - disconnectedSince - credit;
  if (waited >= config.suspectMs) return { state: 'suspect', nextInMs };
  return { state: 'between', nextInMs: Math.min(nextInMs, config.suspectMs - waited) };
}

export interface Fleet {
  /** All nodes. */
  readonly all: number;
  /** Nodes not lost before. */
  readonly nodes: number;
  /** Of these, those not heard for a while, by name. */
  readonly quiet: readonly string[];
  /** So many are quiet together that we rather doubt ourselves. */
  readonly suspicious: boolean;
}

export const isLost = (node: Obj<'Node'>): boolean =>
  node.spec?.taints.some((taint) => taint.key === TAINT_UNREACHABLE && taint.effect === 'NoExecute') ?? false;

/**
 * Nodes fall silent together within one heartbeat's period of each other: when the first is silent for long enough, the others are
 * quiet for a good part of it.
 */
export function assessFleet(nodes: Iterable<Obj<'Node'>>, liveness: NodeLiveness, config: NodeLifecycleConfig, now: number): Fleet {
  const quietAfter = silenceOf(config, liveness.heartbeatPeriodMs?.() ?? 0) * config.quietShare;
  let all = 0;
  let total = 0;
  const quiet: string[] = [];
  // Asked once: it reads a clock, and this is a look at thousands of nodes, many times a second while some are lost.
  const credit = liveness.stallCredit;
  for (const node of nodes) {
    all++;
    const name = nameOf(node);
    if (isLost(node) || liveness.saidGoodbye(name)) continue;
    total++;
    const last = liveness.lastHeard(name);
    if (now - (last ?? liveness.servingSince) - credit > quietAfter) quiet.push(name);
  }
  return { all, nodes: total, quiet, suspicious: quiet.length >= config.suspicionMin && quiet.length * 2 > total };
}
