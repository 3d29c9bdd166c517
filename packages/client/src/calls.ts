// Calls over a channel as promises and async iterables, with the pace of both sides kept and errors as ApiErrors. Which calls there
// are is in client.ts.
import {
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  connectivityState,
  Metadata,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import type { System } from '@podplane/api/system';
import type { Context } from './context.js';
import { diagnose, isCancelled, isFromServer, isUnavailable, isUnreached, toApiError } from './failure.js';

/** A call with messages in both directions. Iterating ends when the other side is done and throws ApiError where the call failed. */
export interface Conversation<In, Out> extends AsyncIterable<Out> {
  /** Resolves when the next message may come. Rejects when the call is over. */
  write(message: In): Promise<void>;
  /** Nothing more will be written. */
  end(): void;
  cancel(): void;
}

/** A read is tried again after these waits, ms, where the server went away in between. */
const RETRY_WAITS_MS = [100, 300, 800, 1500];

export class Calls {
  /** Whether the server has ever answered: then it may be about to come back. */
  private answered = false;

  constructor(
    private readonly client: Client,
    private readonly context: Context,
    private readonly system: System,
    private readonly timeoutMs: number,
  ) {}

  /** read: it may be repeated without harm. Rejects with ApiError. */
  async unary<Q, R>(method: MethodDefinition<Q, R>, request: Q, read: boolean): Promise<R> {
    for (let attempt = 0; ; attempt++) {
      try {
        const answer = await this.once(method, request);
        this.answered = true;
        return answer;
      } catch (error) {
        const wait = RETRY_WAITS_MS[attempt];
        if (!read || !this.answered || wait === undefined || !isUnavailable(error)) throw await this.failure(error);
        await new Promise<void>((resolve) => this.system.timers.after(wait, resolve));
      }
    }
  }

  /** The messages of a stream, each taken when it is asked for. Leaving the loop ends the call. Ends without error when the signal aborts. */
  async *stream<Q, R>(method: MethodDefinition<Q, R>, request: Q, signal: AbortSignal | undefined): AsyncGenerator<R, void, void> {
    const call = this.client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      new Metadata(),
      {},
    );
    yield* this.messages<R>(call, signal);
  }

  conversation<In, Out>(method: MethodDefinition<In, Out>, signal: AbortSignal | undefined): Conversation<In, Out> {
    const call = this.client.makeBidiStreamRequest(method.path, method.requestSerialize, method.responseDeserialize, new Metadata(), {});
    const messages = this.messages<Out>(call, signal);
    return {
      write: (message) => write(call, message),
      end: () => void call.end(),
      cancel: () => call.cancel(),
      [Symbol.asyncIterator]: () => messages,
    };
  }

  private once<Q, R>(method: MethodDefinition<Q, R>, request: Q): Promise<R> {
    return new Promise((resolve, reject) => {
      const options: CallOptions = { deadline: this.system.clock.now() + this.timeoutMs };
      // A server that has answered before is worth waiting for: it may just be restarted. One that never has is told at once.
      const metadata = new Metadata({ waitForReady: this.answered });
      this.client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadata,
        options,
        (error: ServiceError | null, answer?: R) => {
          if (error !== null) reject(error);
          else resolve(answer as R); // there is one where there is no error
        },
      );
    });
  }

  private async *messages<R>(
    call: ClientReadableStream<R> | ClientDuplexStream<never, R>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<R, void, void> {
    const cancel = (): void => call.cancel();
    // An iterator that was left early must not leave an error without a listener behind.
    call.on('error', () => undefined);
    if (signal?.aborted === true) cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      for await (const message of call) {
        this.answered = true;
        yield message as R; // grpc-js' streams are of any
      }
    } catch (error) {
      if (signal?.aborted === true && isCancelled(error)) return;
      throw await this.failure(error);
    } finally {
      signal?.removeEventListener('abort', cancel);
      call.cancel();
    }
  }

  /** A transport that fails without a word is asked again, by hand, what is wrong. */
  private async failure(error: unknown): Promise<Error> {
    const known = toApiError(error);
    const reached = isFromServer(error) || this.client.getChannel().getConnectivityState(false) === connectivityState.READY;
    return !reached && isUnreached(error) ? await diagnose(this.context, known) : known;
  }
}

function write<In>(call: ClientDuplexStream<In, unknown>, message: In): Promise<void> {
  if (call.destroyed || call.writableEnded) return Promise.reject(new Error('the call is over'));
  if (call.write(message)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const drained = (): void => {
      call.removeListener('close', closed);
      call.removeListener('error', closed);
      resolve();
    };
    const closed = (error?: unknown): void => {
      call.removeListener('drain', drained);
      reject(error === undefined ? new Error('the call is over') : toApiError(error));
    };
    call.once('drain', drained);
    call.once('close', closed);
    call.once('error', closed);
  });
}
