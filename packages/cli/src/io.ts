// The world around a command: its streams, its environment, its clock, the wish to stop. Commands touch nothing else of the process,
// so that tests can give them another world.
import type { System } from '@podplane/api/system';
import { printable } from './output/printable.js';

export interface Io {
  /** Standard output: what was asked for. Control characters are made visible. */
  out(text: string): void;
  /** Standard error: progress, warnings, errors. Control characters are made visible. */
  err(text: string): void;
  /** Standard error as it is: for lines that redraw themselves. Whoever calls it knows all that is in the text. */
  draw(text: string): void;
  /** Bytes as they are to standard output or error; resolves when the next ones may come. */
  write(stream: 'stdout' | 'stderr', data: Uint8Array): Promise<void>;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  /** Whether progress may redraw its line. */
  readonly live: boolean;
  readonly color: boolean;
  readonly columns: () => number;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly system: System;
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal;
}

/** The three ways to print, on the two streams. */
export function printing(stdout: (text: string) => void, stderr: (text: string) => void): Pick<Io, 'out' | 'err' | 'draw'> {
  return { out: (text) => stdout(printable(text)), err: (text) => stderr(printable(text)), draw: stderr };
}

let endsWithOutput = true;

/** After the first Ctrl-C a command has this long to end by itself, ms. */
let timeToEndMs = 30_000;

/** For commands that have much to bring to an end. */
export function takesTimeToEnd(ms: number): void {
  timeToEndMs = Math.max(timeToEndMs, ms);
}

export const timeToEnd = (): number => timeToEndMs;

/**
 * For commands that other processes or pods depend on: they go on when nobody reads what they say any more (a closed terminal, a pipe
 * whose reader has ended), and end by signals as ever.
 */
export function goOnWithoutReaders(): void {
  endsWithOutput = false;
}

/** The real world. Broken pipes end the program silently, as they do for every tool. EIO: the terminal is gone. */
export function processIo(system: System, signal: AbortSignal): Io {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
      if (endsWithOutput) process.exit(0);
    });
  }
  const env = process.env;
  const color = env.NO_COLOR === undefined && (env.FORCE_COLOR !== undefined || (process.stdout.isTTY === true && env.TERM !== 'dumb'));
  return {
    ...printing(
      (text) => void process.stdout.write(text),
      (text) => void process.stderr.write(text),
    ),
    write: (name, data) => {
      const stream = name === 'stdout' ? process.stdout : process.stderr;
      if (stream.write(data)) return Promise.resolve();
      return new Promise((resolve) => void stream.once('drain', resolve));
    },
    stdin: process.stdin,
    stdout: process.stdout,
    live: process.stderr.isTTY === true && env.TERM !== 'dumb' && env.CI === undefined,
    color,
    columns: () => process.stderr.columns || 120, // 0 on terminals that do not know
    env,
    cwd: process.cwd(),
    system,
    signal,
  };
}

/** Resolves after ms, or at once when the signal aborts. */
export function pause(io: Pick<Io, 'system'>, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = io.system.timers.after(ms, done);
    signal?.addEventListener('abort', done, { once: true });
  });
}

/** Resolves when the signal aborts, and keeps the process alive until then. */
export async function untilAborted(io: Pick<Io, 'system' | 'signal'>): Promise<void> {
  const HOUR_MS = 3_600_000;
  while (!io.signal.aborted) await pause(io, HOUR_MS, io.signal);
}
