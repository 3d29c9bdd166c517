// CPU seconds used so far by groups of processes, from /proc: for benchmarks that ask what a way of working costs all programs that take part.
import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

export interface ProcessTimes {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
  /** Its own. */
  readonly seconds: number;
  /** Of its children that have ended and were waited for. */
  readonly childSeconds: number;
}

/** All processes; those that end meanwhile are left out. */
export function processes(): readonly ProcessTimes[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const command = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
      // state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime cutime cstime
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const ticks = (i: number): number => Number(fields[i]) / TICKS_PER_SECOND;
      return [
        { pid: Number(pid), parent: Number(fields[1]), command, seconds: ticks(11) + ticks(12), childSeconds: ticks(13) + ticks(14) },
      ];
    } catch {
      return [];
    }
  });
}

/** CPU seconds of the groups so far; with those of children that have ended. A process counts for the first group that takes it. */
export function cpuSeconds(groups: Readonly<Record<string, (one: ProcessTimes) => boolean>>): Record<string, number> {
  const sums: Record<string, number> = Object.fromEntries(Object.keys(groups).map((name) => [name, 0]));
  for (const one of processes()) {
    const name = Object.keys(groups).find((group) => groups[group]?.(one) === true);
    if (name !== undefined) sums[name] = (sums[name] ?? 0) + one.seconds + one.childSeconds;
  }
  return sums;
}

/** Seconds that all CPUs of the machine were busy since it started. */
export function machineBusySeconds(): number {
  const [, user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = (/^cpu .*$/m.exec(readFileSync('/proc/stat', 'latin1'))?.[0] ?? '')
    .split(/\s+/)
    .map(Number);
  return (user + nice + system + irq + softirq) / TICKS_PER_SECOND;
}
