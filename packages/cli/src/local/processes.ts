// Processes of this machine that outlive the one that started them: is it still the same one, and how to end it. A pid alone says
// little, as numbers come again; with the time of its start it is one process.
import { readFileSync } from 'node:fs';
import type { System } from '@podplane/api/system';

export interface ProcessRef {
  readonly pid: number;
  /** Clock ticks after boot, from /proc; 0 where unknown. */
  readonly startTime: number;
}

/** When a process started; undefined where there is none (a zombie counts as none). */
export function startTimeOf(pid: number): number | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The name in parentheses may hold anything, so fields are counted from the last one.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return Number(fields[19]);
}

export function refOf(pid: number): ProcessRef {
  return { pid, startTime: startTimeOf(pid) ?? 0 };
}

/** Whether exactly this process still runs. */
export function isAlive({ pid, startTime }: ProcessRef): boolean {
  if (pid <= 0) return false;
  const now = startTimeOf(pid);
  return now !== undefined && (startTime === 0 || now === startTime);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // it ended in between
  }
}

const POLL_MS = 20;

/** Resolves to true once the process is gone, to false where it is still there after ms. */
export async function untilEnded(system: System, ref: ProcessRef, ms: number): Promise<boolean> {
  const end = system.clock.monotonic() + ms;
  while (isAlive(ref)) {
    if (system.clock.monotonic() >= end) return false;
    await new Promise<void>((resolve) => void system.timers.after(POLL_MS, resolve));
  }
  return true;
}

/** SIGTERM, and SIGKILL where that did not help within graceMs. Resolves when it is gone. */
export async function endProcess(system: System, ref: ProcessRef, graceMs: number): Promise<void> {
  if (!isAlive(ref)) return;
  send(ref.pid, 'SIGTERM');
  if (await untilEnded(system, ref, graceMs)) return;
  send(ref.pid, 'SIGKILL');
  await untilEnded(system, ref, graceMs);
}
