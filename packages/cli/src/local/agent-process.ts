// Which process is the agent of a data directory, so that a shutdown script of the host can tell it: agent.pid.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { System } from '@podplane/api/system';
import { CliError, EXIT_TIMEOUT } from '../exit-codes.js';
import { writeWhole } from './data-dir.js';
import { isAlive, type ProcessRef, untilEnded } from './processes.js';

/** How an agent is told that its host shuts down; init systems use it for power that fails. */
export const SHUTDOWN_SIGNAL = 'SIGPWR';

const fileIn = (folder: string): string => join(folder, 'agent.pid');

function notedIn(folder: string): ProcessRef | undefined {
  let text: string;
  try {
    text = readFileSync(fileIn(folder), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const [pid = 0, startTime = 0] = text.trim().split(' ').map(Number);
  return Number.isInteger(pid) && Number.isFinite(startTime) ? { pid, startTime } : undefined;
}

/** Notes the agent that begins. One that was started by mistake beside a running one is not noted. */
export function noteAgentProcess(folder: string, ref: ProcessRef): void {
  const noted = notedIn(folder);
  if (noted === undefined || !isAlive(noted)) writeWhole(fileIn(folder), `${ref.pid} ${ref.startTime}\n`);
}

/** Tells the agent of a data directory that its host shuts down, and waits for its end. Rejects with CliError where none runs or it does not end. */
export async function shutDownAgent(system: System, folder: string, mostMs: number): Promise<void> {
  const noted = notedIn(folder);
  if (noted === undefined || !isAlive(noted))
    throw new CliError(`no agent runs with the data directory ${folder}`, { advice: 'Is --data right?' });
  process.kill(noted.pid, SHUTDOWN_SIGNAL);
  if (await untilEnded(system, noted, mostMs)) return;
  throw new CliError(`the agent (process ${noted.pid}) has not ended its pods after ${mostMs / 1000} s`, { exitCode: EXIT_TIMEOUT });
}
