// Reading and writing gRPC streams no faster than the two sides can take it. Every stream of the server goes through here.
import type { Readable } from 'node:stream';

/** The writing side of a stream as grpc-js gives it. */
export interface WritableCall<T> {
  /** done: called when the message has left the buffer, or never will. */
  write(message: T, done: () => void): boolean;
  once(event: 'drain', listener: () => void): unknown;
  removeListener(event: 'drain', listener: () => void): unknown;
}

/** grpc-js counts messages, not bytes, and sixteen messages of a watch may be 32 MB: of that much, no more than this waits, bytes. */
const MOST_WAITING_BYTES = 1024 * 1024;

/** One answer after another; each write waits while the buffer is full. */
export class Outlet<T> {
  private waitingBytes = 0;
  private wake: (() => void) | undefined;

  /** sizeOf: bytes of a message, as far as they are known without encoding it. */
  constructor(
    private readonly call: WritableCall<T>,
    private readonly signal: AbortSignal,
    private readonly sizeOf: (message: T) => number = () => 0,
  ) {}

  /** Resolves when more may be written. Rejects with the signal's reason when the call has ended. One write at a time. */
  async write(message: T): Promise<void> {
    this.signal.throwIfAborted();
    const size = this.sizeOf(message);
    this.waitingBytes += size;
    const room = this.call.write(message, () => {
      this.waitingBytes -= size;
      if (this.waitingBytes <= MOST_WAITING_BYTES) this.wake?.();
    });
    if (!room) await this.until((wake) => this.call.once('drain', wake));
    while (this.waitingBytes > MOST_WAITING_BYTES) await this.until((wake) => (this.wake = wake));
  }

  private async until(listen: (wake: () => void) => unknown): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        this.wake = undefined;
        this.call.removeListener('drain', settle);
        this.signal.removeEventListener('abort', settle);
        if (this.signal.aborted) reject(this.signal.reason as Error);
        else resolve();
      };
      listen(settle);
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
