// Standard streams of containers' first processes, over a connection that the engine hands over to us whole.
import type { Duplex } from 'node:stream';
import type { Timer } from '@podplane/api/system';
import { RuntimeError } from '../errors.js';
import type { StreamsHandle } from '../types.js';
import type { Engine } from './engine.js';
import type { ContainerInspect } from './engine-api.js';
import { toRuntimeError } from './engine-errors.js';
import { type OutputPart, plainOutput, splitFrames } from './frames.js';
import { isShut, NO_DETACH_KEYS, writeTo } from './hijacked.js';

/** What a container wrote at its end is there within this; the engine itself waits no longer for it. */
const LAST_WORDS_MS = 2_000;

export interface AttachOptions {
  readonly stdin: boolean;
  /** The container was made with a terminal. */
  readonly tty: boolean;
}

/** Rejects with RuntimeError not-found. The output of a container that has ended meanwhile ends soon. */
export async function attachToContainer(engine: Engine, containerId: string, options: AttachOptions): Promise<StreamsHandle> {
  const doing = `attach to container ${containerId.slice(0, 12)}`;
  const path = `/containers/${encodeURIComponent(containerId)}`;
  try {
    const query = { stream: true, stdout: true, stderr: true, stdin: options.stdin, detachKeys: NO_DETACH_KEYS };
    const attached = new Attached(
      engine,
      path,
      await engine.http.upgrade({ method: 'POST', path: `${path}/attach`, query }),
      options,
      doing,
    );
    try {
      // The engine hands over the streams of one that has ended just as well, and never ends them.
      const { State } = await engine.call<ContainerInspect>(doing, { method: 'GET', path: `${path}/json` });
      if (State.Pid === 0) attached.endSoon();
    } catch (error) {
      attached.abort();
      throw error;
    }
    return attached;
  } catch (error) {
    throw toRuntimeError(error, doing);
  }
}

class Attached implements StreamsHandle {
  readonly output: AsyncIterable<OutputPart>;
  #aborted = false;
  #end: Timer | undefined;

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
      this.#end?.cancel();
      this.connection.destroy();
    }
  }

  /** It has ended, before or after it was attached to: only in the latter case the engine says so. */
  endSoon(): void {
    this.#end = this.engine.system.timers.after(LAST_WORDS_MS, () => {
      // Who reads slowly hears it to its end.
      if (this.connection.readableLength > 0) this.endSoon();
      else this.abort();
    });
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
