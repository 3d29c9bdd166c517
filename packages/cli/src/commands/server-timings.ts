// Options of `podplane server` and `podplane up` about leases and how nodes are given up, and what they mean for the server. No command.
import type { ServerOptions } from '@podplane/server/options';
import type { Command } from 'commander';
import { usage } from '../exit-codes.js';
import { countOption, durationOption } from '../time.js';

export interface ServerTimings {
  readonly lease?: number;
  readonly fencingMargin?: number;
  readonly keepOriginal: boolean;
  readonly evictionBurst?: number;
  readonly evictionRate?: number;
}

/** A lease must outlast a few heartbeats, and leave time to stop pods before its end. */
const LEAST_LEASE_MS = 5_000;

function rateOption(text: string): number {
  const rate = Number(text);
  if (text.trim() === '' || !Number.isFinite(rate) || rate < 0) throw usage(`--eviction-rate: ${text} is not a number of at least 0`);
  return rate;
}

export function withTimings(command: Command): Command {
  return command
    .option('--lease <duration>', "how long a heartbeat counts; a node's fenced pods stop before it is over", durationOption, 15_000)
    .option('--fencing-margin <duration>', "so long after a lost node's lease its fenced pods are replaced", durationOption, 2_000)
    .option(
      '--no-keep-original',
      'delete pods of ReplicaSets on lost nodes at once, even if the node returns before replacements are Ready',
    )
    .option(
      '--eviction-burst <nodes>',
      'so many lost nodes are given up at once (default: 3, or 5 % of all where that is more)',
      countOption,
    )
    .option('--eviction-rate <nodes>', 'and so many a second of the others (default: 1, or 2 % of all where that is more)', rateOption);
}

/** The same as options for a server process; those that were not given are left to its own defaults. Throws CliError (usage). */
export function timingFlags(command: Command): readonly string[] {
  const given = command.opts<ServerTimings>();
  timingsOf(given);
  const said = (name: keyof ServerTimings): boolean => command.getOptionValueSource(name) === 'cli';
  return [
    ...(said('lease') ? ['--lease', `${given.lease}ms`] : []),
    ...(said('fencingMargin') ? ['--fencing-margin', `${given.fencingMargin}ms`] : []),
    ...(given.keepOriginal ? [] : ['--no-keep-original']),
    ...(said('evictionBurst') ? ['--eviction-burst', String(given.evictionBurst)] : []),
    ...(said('evictionRate') ? ['--eviction-rate', String(given.evictionRate)] : []),
  ];
}

/** Throws CliError (usage). */
export function timingsOf(given: ServerTimings): Pick<ServerOptions, 'sessions' | 'nodeLifecycle'> {
  const { lease, fencingMargin, keepOriginal, evictionBurst, evictionRate } = given;
  if (lease !== undefined && lease < LEAST_LEASE_MS)
    throw usage(`--lease: ${lease} ms are too short`, `At least ${LEAST_LEASE_MS / 1000}s.`);
  const paced = evictionBurst !== undefined || evictionRate !== undefined;
  const pace = {
    burstNodes: evictionBurst ?? 3,
    burstShare: evictionBurst === undefined ? 0.05 : 0,
    nodesPerSecond: evictionRate ?? 1,
    sharePerSecond: evictionRate === undefined ? 0.02 : 0,
  };
  return {
    sessions: lease === undefined ? {} : { leaseMs: lease },
    nodeLifecycle: {
      keepOriginal,
      ...(fencingMargin === undefined ? {} : { fencingMarginMs: fencingMargin }),
      ...(paced ? { pace } : {}),
    },
  };
}
