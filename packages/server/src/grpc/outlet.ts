// Reading and writing gRPC streams no faster than the two sides can take it. Every stream of the server goes through here.
import type { Readable } from 'node:stream';

/** The writing side of a stream as grpc-js gives it. */
export interface WritableCall<T> {
  write(message: T): boolean;
  once(event: 'drain', listener: () => void): unknown;
  removeListener(event: 'drain', listener: () => void): unknown;
}

/** One answer after another; each write waits while the buffer is full. */
export class Outlet<T> {
  constructor(
    private readonly call: WritableCall<T>,
    private readonly signal: AbortSignal,
  ) {}

  /** Resolves when more may be written. Rejects with the signal's reason when the call has ended. */
  async write(message: T): Promise<void> {
    this.signal.throwIfAborted();
    if (this.call.write(message)) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        this.call.removeListener('drain', settle);
        this.signal.removeEventListener('abort', settle);
        if (this.signal.aborted) reject(this.signal.reason as Error);
        else resolve();
      };
      this.call.once('drain', settle);
      this.signal.addEventListener('abort', settle, { once: true });
    });
  }
}

/**
 * The messages of a stream, each taken only when it is asked for. Ends when the other side has ended its half; rejects with the
 * signal's reason when the call was cut short. Leaving the loop early leaves the call open: its answer may still go out.
 */
export async function* inlet<T>(call: Readable, signal: AbortSignal): AsyncGenerator<T, void, void> {
  try {
    for await (const message of call.iterator({ destroyOnReturn: false })) yield message as T;
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
