// Standard streams of containers' first processes, over a connection that the engine hands over to us whole.
import type { Duplex } from 'node:stream';
import { RuntimeError } from '../errors.js';
import type { StreamsHandle } from '../types.js';
import type { Engine } from './engine.js';
import { toRuntimeError } from './engine-errors.js';
import { type OutputPart, plainOutput, splitFrames } from './frames.js';
import { isShut, NO_DETACH_KEYS, writeTo } from './hijacked.js';

export interface AttachOptions {
  readonly stdin: boolean;
  /** The container was made with a terminal. */
  readonly tty: boolean;
}

/** Rejects with RuntimeError: not-found, or conflict where it does not run. */
export async function attachToContainer(engine: Engine, containerId: string, options: AttachOptions): Promise<StreamsHandle> {
  const doing = `attach to container ${containerId.slice(0, 12)}`;
  const path = `/containers/${encodeURIComponent(containerId)}`;
  try {
    const query = { stream: true, stdout: true, stderr: true, stdin: options.stdin, detachKeys: NO_DETACH_KEYS };
    const connection = await engine.http.upgrade({ method: 'POST', path: `${path}/attach`, query });
    return new Attached(engine, path, connection, options, doing);
  } catch (error) {
    throw toRuntimeError(error, doing);
  }
}

class Attached implements StreamsHandle {
  readonly output: AsyncIterable<OutputPart>;
  #aborted = false;

  constructor(
    private readonly engine: Engine,
    private readonly path: string,
    private readonly connection: Duplex,
    options: AttachOptions,
    private readonly doing: string,
  ) {
    // Errors reach the reader through the iterator; without a listener they would end the process.
    connection.on('error', () => undefined);
    this.output = this.#read(options.tty);
  }

  async *#read(tty: boolean): AsyncGenerator<OutputPart, void, void> {
    try {
      yield* tty ? plainOutput(this.connection) : splitFrames(this.connection);
    } catch (error) {
      if (!this.#aborted) throw toRuntimeError(error, this.doing);
    } finally {
      this.connection.destroy();
    }
  }

  write(data: Uint8Array): Promise<void> {
    if (isShut(this.connection)) return Promise.reject(new RuntimeError('failed', `${this.doing}: its standard input is closed`));
    return writeTo(this.connection, data);
  }

  closeStdin(): void {
    this.connection.end();
  }

  async resize(width: number, height: number): Promise<void> {
    await this.engine.call(`resize the terminal of a container`, {
      method: 'POST',
      path: `${this.path}/resize`,
      query: { w: width, h: height },
    });
  }

  abort(): void {
    this.#aborted = true;
    this.connection.destroy();
  }
}
