// One tunnel: the stream that the agent opened to the server for one log, command, connection or image. How gRPC carries it is known only
// to the dialer; what is said on it is in the files beside this one.
import type { OpenRequest, OpenResponse } from '@podplane/api/gen/podplane/node/v1/tunnel';
import { isRuntimeError } from '../runtime/errors.js';

export type TunnelMessage = NonNullable<OpenRequest['message']>;
export type TunnelAnswer = NonNullable<OpenResponse['message']>;

/** The stream as the dialer gives it. A port: gRPC, memory, a simulation. */
export interface TunnelStream {
  /**
   * Takes the message. True: there is room for more. A promise (or false, where the port cannot say when): it is full; the promise
   * resolves when there is room again and rejects when the stream is gone. Throws where it is gone already.
   */
  write(message: OpenRequest): boolean | Promise<void>;
  /** What the server says, read at our pace. Ends when the server has ended the call, throws when it broke. */
  readonly messages: AsyncIterable<OpenResponse>;
  /** Nothing more will be written. */
  end(): void;
  /** Gives the call up at once. */
  abort(reason: string): void;
}

/** Opens Tunnel.Open. May reject: then the server is told over the session. */
export type TunnelDialer = () => TunnelStream | Promise<TunnelStream>;

/** A reason that the server passes on to the client; reasons are those of the API (NotFound, BadRequest, Conflict, ...). */
export class TunnelError extends Error {
  override readonly name = 'TunnelError';
  readonly reason: string;
  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Any error as reason and message for the other side. */
export function tunnelErrorOf(error: unknown): { readonly reason: string; readonly message: string } {
  if (error instanceof TunnelError) return { reason: error.reason, message: error.message };
  const message = error instanceof Error ? error.message : String(error);
  if (!isRuntimeError(error)) return { reason: 'InternalError', message };
  const said = error.advice === '' ? message : `${message} (${error.advice})`;
  switch (error.code) {
    case 'not-found':
    case 'image-not-found':
      return { reason: 'NotFound', message: said };
    case 'conflict':
    case 'name-taken':
      return { reason: 'Conflict', message: said };
    case 'invalid':
    case 'start-failed':
      return { reason: 'BadRequest', message: said };
    case 'timeout':
      return { reason: 'Timeout', message: said };
    case 'unreachable':
    case 'permission':
      return { reason: 'Unavailable', message: said };
    case 'registry':
    case 'address-in-use':
    case 'no-space':
    case 'failed':
      return { reason: 'InternalError', message: said };
  }
}

/** What a handler works with. Its signal is aborted when the server has ended the call, or the agent gives it up. */
export class Tunnel {
  readonly id: string;
  readonly signal: AbortSignal;
  readonly #stream: TunnelStream;
  readonly #over = new AbortController();
  #messages: AsyncIterator<OpenResponse> | undefined;
  /** Somebody waits for the next message. */
  #reading = false;

  constructor(id: string, stream: TunnelStream) {
    this.id = id;
    this.#stream = stream;
    this.signal = this.#over.signal;
  }

  /** Resolves when there is room for the next message. Rejects when nobody is there to hear it. */
  async send(message: TunnelMessage): Promise<void> {
    this.signal.throwIfAborted();
    const room = this.#stream.write({ message });
    if (room === true) return;
    if (room === false) throw new TunnelError('InternalError', 'the stream is full and does not say until when');
    await room;
  }

  sendData(data: Uint8Array): Promise<void> {
    return this.send({ $case: 'data', value: asBuffer(data) });
  }

  sendErrorData(data: Uint8Array): Promise<void> {
    return this.send({ $case: 'errorData', value: asBuffer(data) });
  }

  /**
   * Takes the server's messages one after the other, each when the one before is done. When they end, so does the tunnel: its signal
   * is aborted. Rejects only with what handle throws; the tunnel is still open then.
   */
  async listen(handle: (message: TunnelAnswer) => Promise<void> | void): Promise<void> {
    for (let message = await this.#next(); message !== undefined; message = await this.#next()) await handle(message);
  }

  /** The data until "closed", for who wants to pull. Throws where the stream ends before, or another message comes. */
  async *incoming(): AsyncGenerator<Uint8Array, void, void> {
    for (let message = await this.#next(); message !== undefined; message = await this.#next()) {
      if (message.$case === 'closed') return;
      if (message.$case !== 'data') throw new TunnelError('BadRequest', `unexpected message ${message.$case}`);
      yield message.value;
    }
    throw new TunnelError('Unavailable', 'the stream ended before everything was sent');
  }

  /** The last message and the end of our side. */
  async finish(last: Extract<TunnelMessage, { $case: 'exit' | 'error' }>): Promise<void> {
    if (!this.signal.aborted) await this.send(last);
    this.#stream.end();
    // A stream is closed only when it was read to its end.
    if (!this.#reading) void this.listen(() => undefined);
  }

  /**
   * The next message; undefined: they have ended, or the stream broke, which is the same here: there is nobody to tell. Not by "for
   * await", which would close the stream, both directions, where a loop is left early.
   */
  async #next(): Promise<TunnelAnswer | undefined> {
    this.#messages ??= this.#stream.messages[Symbol.asyncIterator]();
    this.#reading = true;
    try {
      for (let next = await this.#messages.next(); !next.done; next = await this.#messages.next()) {
        if (next.value.message !== undefined) return next.value.message;
      }
    } catch {
      // It broke.
    } finally {
      this.#reading = false;
    }
    this.#over.abort(new TunnelError('Unavailable', 'the other side has ended the stream'));
    return undefined;
  }

  giveUp(reason: string): void {
    this.#over.abort(new TunnelError('Unavailable', reason));
    this.#stream.abort(reason);
  }
}

/** The same bytes as the generated messages want them; nothing is copied. */
function asBuffer(data: Uint8Array): Buffer {
  return Buffer.isBuffer(data) ? data : Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
