// This terminal, or whatever else is at our standard input, for a process elsewhere: what exec, attach and debug have in common.
import type { Io } from './io.js';

export type StreamInput =
  | { readonly $case: 'stdin'; readonly value: Buffer }
  | { readonly $case: 'stdinClosed'; readonly value: true }
  | { readonly $case: 'resize'; readonly value: { readonly width: number; readonly height: number } };

type Send = (message: StreamInput) => Promise<void>;

const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

/** Raw mode and the size of the terminal, also when it changes. Answers how to undo it. */
export function terminal(io: Io, send: Send): () => void {
  const { stdin, stdout } = io;
  const resize = (): void => {
    const size = { width: stdout.columns ?? DEFAULT_COLUMNS, height: stdout.rows ?? DEFAULT_ROWS };
    send({ $case: 'resize', value: size }).catch(() => undefined); // the call's own end says why
  };
  stdin.setRawMode(true);
  stdout.on('resize', resize);
  resize();
  return () => {
    stdout.off('resize', resize);
    stdin.setRawMode(false);
  };
}

/** Standard input to the process, no faster than it takes it. Answers how to stop. */
export function pumpInput(io: Io, send: Send): () => void {
  const { stdin } = io;
  const onData = (data: Uint8Array): void => {
    stdin.pause();
    send({ $case: 'stdin', value: Buffer.from(data.buffer, data.byteOffset, data.byteLength) })
      .then(() => stdin.resume())
      .catch(() => undefined); // the call's own end says why
  };
  const onEnd = (): void => {
    send({ $case: 'stdinClosed', value: true }).catch(() => undefined);
  };
  stdin.on('data', onData);
  stdin.once('end', onEnd);
  stdin.resume();
  return () => {
    stdin.off('data', onData);
    stdin.off('end', onEnd);
    stdin.pause();
  };
}
