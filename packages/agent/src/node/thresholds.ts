// When a node is short of something, as the kubelet defines it: signals, thresholds ("nodefs.available<10%"), and conditions that last for a while
// after the shortage is over. Pure. Where readings come from is pressure.ts; what is done about a shortage is eviction.ts and housekeeper.ts.
import { wholeValue } from '@podplane/api/quantity';
import type { DiskReading, HostReading } from './pressure.js';

export const SIGNALS = [
  'memory.available',
  'nodefs.available',
  'nodefs.inodesFree',
  'imagefs.available',
  'imagefs.inodesFree',
  'pid.available',
] as const;
export type Signal = (typeof SIGNALS)[number];

export type PressureType = 'MemoryPressure' | 'DiskPressure' | 'PIDPressure';

export interface Threshold {
  readonly signal: Signal;
  /** Less than this is a shortage: an amount, or a share of what there is. */
  readonly least: { readonly amount: number; readonly text: string } | { readonly share: number; readonly text: string };
}

export interface PressureSettings {
  readonly thresholds: readonly Threshold[];
  /** How long a condition stays after its shortage was last seen. */
  readonly transitionMs: number;
}

/** The kubelet's, and 5 % of process ids, which it leaves to the operator. */
export const DEFAULT_EVICTION_HARD =
  'memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%,imagefs.available<15%,imagefs.inodesFree<5%,pid.available<5%';
export const DEFAULT_TRANSITION_MS = 5 * 60_000;

/**
 * Thresholds as the kubelet's --eviction-hard takes them; empty: none. As there, whoever gives some gives all. Throws an Error that says what is wrong.
 */
export function parseThresholds(text: string): readonly Threshold[] {
  const thresholds: Threshold[] = [];
  for (const part of text
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '')) {
    const [name = '', value = '', more] = part.split('<');
    const signal = SIGNALS.find((one) => one === name);
    if (signal === undefined) throw new Error(`"${part}": signals are ${SIGNALS.join(', ')}`);
    if (more !== undefined || value === '')
      throw new Error(`"${part}": a threshold is signal<amount, as in memory.available<100Mi or nodefs.available<10%`);
    if (thresholds.some((one) => one.signal === signal)) throw new Error(`"${part}": ${signal} is there twice`);
    thresholds.push({ signal, least: leastOf(part, value) });
  }
  return thresholds;
}

function leastOf(part: string, text: string): Threshold['least'] {
  if (text.endsWith('%')) {
    const percent = Number(text.slice(0, -1));
    if (!/^\d+(\.\d+)?%$/.test(text) || percent >= 100) throw new Error(`"${part}": a percentage is from 0% to 100%`);
    return { share: percent / 100, text };
  }
  let amount: number;
  try {
    amount = wholeValue(text);
  } catch {
    throw new Error(`"${part}": "${text}" is no quantity`);
  }
  if (amount < 0) throw new Error(`"${part}": it must not be below 0`);
  return { amount, text };
}

/** What there is of a signal, and what is left; undefined: this host does not tell. */
export function signalOf(signal: Signal, reading: HostReading): { readonly left: number; readonly all: number } | undefined {
  const pair = (left: number | undefined, all: number | undefined): { left: number; all: number } | undefined =>
    left === undefined || all === undefined || all <= 0 ? undefined : { left, all };
  const bytes = (disk: DiskReading | undefined): { left: number; all: number } | undefined => pair(disk?.availableBytes, disk?.totalBytes);
  // File systems without a table of inodes say 0.
  const inodes = (disk: DiskReading | undefined): { left: number; all: number } | undefined => pair(disk?.inodesFree, disk?.inodesTotal);
  switch (signal) {
    case 'memory.available':
      return pair(reading.memoryAvailableBytes, reading.memoryTotalBytes);
    case 'nodefs.available':
      return bytes(reading.disk);
    case 'nodefs.inodesFree':
      return inodes(reading.disk);
    case 'imagefs.available':
      return bytes(reading.imageDisk);
    case 'imagefs.inodesFree':
      return inodes(reading.imageDisk);
    case 'pid.available':
      return pair(
        reading.pidsMax !== undefined && reading.pidsUsed !== undefined ? reading.pidsMax - reading.pidsUsed : undefined,
        reading.pidsMax,
      );
  }
}

/** A threshold that is not kept. Amounts are bytes, inodes or processes. */
export interface Shortage {
  readonly threshold: Threshold;
  readonly left: number;
  readonly least: number;
}

/** What pods may still take of the memory that the node has for them: the kubelet's allocatableMemory.available. Its threshold is that of memory.available. */
function podsLeft({ podsMemory }: HostReading): ReturnType<typeof signalOf> {
  return podsMemory && { left: Math.max(0, podsMemory.limitBytes - podsMemory.usedBytes), all: podsMemory.limitBytes };
}

/** In the order in which the kubelet acts on them: memory first. */
export function shortages(thresholds: readonly Threshold[], reading: HostReading): readonly Shortage[] {
  return SIGNALS.flatMap((signal) => {
    const threshold = thresholds.find((one) => one.signal === signal);
    if (threshold === undefined) return [];
    const readings = [signalOf(signal, reading), signal === 'memory.available' ? podsLeft(reading) : undefined];
    return readings.flatMap((found) => {
      if (found === undefined) return [];
      const least = 'amount' in threshold.least ? threshold.least.amount : threshold.least.share * found.all;
      return found.left < least ? [{ threshold, left: found.left, least }] : [];
    });
  });
}

export function pressureOf(signal: Signal): PressureType {
  if (signal === 'memory.available') return 'MemoryPressure';
  return signal === 'pid.available' ? 'PIDPressure' : 'DiskPressure';
}

/** When each kind of shortage was last seen, monotonic ms. */
export type Pressures = ReadonlyMap<PressureType, number>;

/** What is True now: seen now, or not long ago enough. */
export function nextPressures(before: Pressures, found: readonly Shortage[], now: number, transitionMs: number): Pressures {
  const next = new Map([...before].filter(([, seenAt]) => now - seenAt < transitionMs));
  for (const { threshold } of found) next.set(pressureOf(threshold.signal), now);
  return next;
}
