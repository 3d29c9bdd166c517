// Starts the server and the agents of `podplane up`: processes of their own, in sessions of their own (Ctrl-C on the terminal is not
// theirs), each with a log file. A child says over its IPC channel when it is ready.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { System } from '@podplane/api/system';
import { CliError } from '../exit-codes.js';
import { type ProcessRef, refOf } from './processes.js';

/** What a child says when it has started. */
export interface ReadyMessage {
  readonly type: 'ready';
  /** Of the server: where it listens. */
  readonly address: string;
}

export interface Child {
  readonly name: string;
  readonly ref: ProcessRef;
  readonly logFile: string;
  readonly process: ChildProcess;
  /** Resolves with its exit code or signal when it has ended. */
  readonly ended: Promise<string>;
}

/** A log longer than this begins anew at the next start; one older one is kept. */
const LOG_KEPT_BYTES = 16 * 1024 * 1024;

const LAUNCHER = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'bin', 'podplane.js');

/** How a person starts a podplane command by hand here. */
export function commandLine(args: readonly string[]): string {
  return `npx podplane ${args.join(' ')}`;
}

/** Starts `podplane ARGS`. env: in addition to our own; flags: of Node. */
export function startChild(
  name: string,
  args: readonly string[],
  logFile: string,
  env: Readonly<Record<string, string>> = {},
  flags: readonly string[] = [],
): Child {
  mkdirSync(dirname(logFile), { recursive: true });
  if (logSize(logFile) > LOG_KEPT_BYTES) renameSync(logFile, `${logFile}.old`);
  const log = openSync(logFile, 'a', 0o600);
  let child: ChildProcess;
  try {
    child = spawn(process.execPath, [...flags, LAUNCHER, ...args], {
      detached: true,
      stdio: ['ignore', log, log, 'ipc'],
      env: { ...process.env, ...env },
    });
  } finally {
    closeSync(log);
  }
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : signal));
  });
  return { name, ref: refOf(child.pid ?? 0), logFile, process: child, ended };
}

/** That a child has ended, and what to do: an agent that the server does not take any more is not helped by being started again. */
export function endText({ name, logFile }: Pick<Child, 'name' | 'logFile'>, how: string, again: readonly string[]): string {
  // Exit codes of `podplane agent`: no valid certificate or token, and refused by the server.
  const needsToken = again[0] === 'agent' && (how === 'exit code 4' || how === 'exit code 5');
  if (!needsToken) return `${name} has ended (${how}); start it again: ${commandLine(again)}\n`;
  return `${name} has ended (${how}): the server does not take it; the end of ${logFile} says why. With a new token (${commandLine(['token', 'create'])}) it may join again: ${commandLine([...again, '--server', 'ADDRESS', '--token', 'TOKEN'])}\n`;
}

/** The last lines of a log from an offset on: what a child that failed had to say. */
export function lastLines(file: string, from: number, count: number): string {
  try {
    const text = readFileSync(file).subarray(from).toString('utf8').trimEnd();
    return text.split('\n').slice(-count).join('\n');
  } catch {
    return '';
  }
}

/**
 * Resolves when the child says that it is ready; rejects with its last words where it ends before, or is silent for too long, and with
 * the signal's reason where that aborts.
 */
export async function untilReady(system: System, child: Child, limitMs: number, signal: AbortSignal): Promise<ReadyMessage> {
  const from = logSize(child.logFile);
  const { promise, resolve, reject } = Promise.withResolvers<ReadyMessage>();
  const onMessage = (message: unknown): void => {
    if (
      typeof message === 'object' &&
      message !== null &&
      'type' in message &&
      message.type === 'ready' &&
      'address' in message &&
      typeof message.address === 'string'
    ) {
      resolve({ type: 'ready', address: message.address });
    }
  };
  child.process.on('message', onMessage);
  const timer = system.timers.after(limitMs, () =>
    reject(new CliError(`${child.name} did not get ready within ${limitMs / 1000} s`, { advice: `Its log: ${child.logFile}` })),
  );
  child.ended.then(
    (how) =>
      reject(
        new CliError(`${child.name} ended at its start (${how}):\n${lastLines(child.logFile, from, 12)}`, {
          advice: `Its log: ${child.logFile}`,
        }),
      ),
    reject,
  );
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    return await promise;
  } finally {
    timer.cancel();
    signal.removeEventListener('abort', onAbort);
    child.process.off('message', onMessage);
    // From now on nothing is said; an open channel would keep both sides from ending.
    if (child.process.connected) child.process.disconnect();
    child.process.unref();
  }
}

function logSize(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    return 0;
  }
}

/** In the child: says that it is ready, where somebody listens. */
export function sayReady(address: string): void {
  if (process.send === undefined) return;
  const message: ReadyMessage = { type: 'ready', address };
  process.send(message);
  process.channel?.unref();
  process.on('disconnect', () => undefined);
}
