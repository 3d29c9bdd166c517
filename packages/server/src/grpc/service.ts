// The one place where handlers meet grpc-js: who calls, may they, is the request a request, what does an error look like, when has
// the call ended. Handlers are plain functions that return or throw; nothing they throw escapes. What they do is not here.
import type {
  Metadata,
  MethodDefinition,
  Server,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ApiError, badRequest } from '@podplane/api/errors';
import type { Identity } from '../auth/identity.js';
import { inlet, Outlet } from './outlet.js';
import { grpcStatus, toApiError } from './status.js';

/** Largest request, bytes. grpc-js itself refuses what is above HARD_MAX_REQUEST_BYTES, with less to say about it. */
export const MAX_REQUEST_BYTES = 4 * 1024 * 1024;
export const HARD_MAX_REQUEST_BYTES = 2 * MAX_REQUEST_BYTES;

/** An answer that is already in its wire form. */
export class Encoded {
  constructor(readonly bytes: Uint8Array) {}
}

export interface CallContext {
  readonly identity: Identity;
  /** Aborts when the call has ended, whoever ended it. */
  readonly signal: AbortSignal;
}

/** The caller went away, or its deadline passed. */
export class CallEnded extends Error {
  override readonly name = 'CallEnded';
}

const encodedSize = (answer: unknown): number => (answer instanceof Encoded ? answer.bytes.byteLength : 0);

type Incoming<Q> = { readonly request: Q } | { readonly refused: ApiError };
type Answer<R> = R | Encoded;

/** One call that is open. Most calls never ask for their signal, so it is made when it is asked for. */
class OpenCall implements CallContext {
  private controller: AbortController | undefined;
  private ended: Error | undefined;

  constructor(readonly identity: Identity) {}

  get signal(): AbortSignal {
    if (this.controller === undefined) {
      this.controller = new AbortController();
      if (this.ended !== undefined) this.controller.abort(this.ended);
    }
    return this.controller.signal;
  }

  get isOver(): boolean {
    return this.ended !== undefined;
  }

  end(reason: Error): void {
    if (this.ended !== undefined) return;
    this.ended = reason;
    this.controller?.abort(reason);
  }
}

const CALL_ENDED = new CallEnded('the call has ended');

/** The calls that are open, so that a server that stops can end them with a word. */
export class OpenCalls {
  private readonly calls = new Set<OpenCall>();

  add(identity: Identity): OpenCall {
    const call = new OpenCall(identity);
    this.calls.add(call);
    return call;
  }

  ended(call: OpenCall): void {
    this.calls.delete(call);
    call.end(CALL_ENDED);
  }

  endAll(reason: ApiError): void {
    for (const call of this.calls) call.end(reason);
    this.calls.clear();
  }
}

/** Who calls, and may they. */
export interface Gate {
  readonly calls: OpenCalls;
  /** Throws ApiError (Unauthorized, Forbidden). */
  admit(method: string, call: { getPeer(): string; getAuthContext(): unknown; readonly metadata: Metadata }): Identity;
  /** Told about errors that are our own fault. */
  failed(method: string, error: unknown): void;
}

type AnyMethod = MethodDefinition<never, never>;

/** Collects the methods of one service and adds them to a server. */
export class ServiceBuilder {
  private readonly definition: Record<string, MethodDefinition<unknown, unknown>> = {};
  private readonly implementation: UntypedServiceImplementation = {};

  constructor(private readonly gate: Gate) {}

  unary<Q, R>(method: MethodDefinition<Q, R>, handler: (request: Q, context: CallContext) => Promise<Answer<R>> | Answer<R>): this {
    const name = this.define(method);
    this.implementation[name] = (call: ServerUnaryCall<Incoming<Q>, Answer<R>>, callback: sendUnaryData<Answer<R>>): void => {
      const context = this.enter(method, call);
      if (context instanceof ApiError) {
        callback(grpcStatus(context));
        return;
      }
      void (async () => {
        try {
          const answer = await handler(requestOf(call.request), context);
          callback(null, answer);
        } catch (error) {
          this.report(method, context, error);
          callback(grpcStatus(error));
        }
      })();
    };
    return this;
  }

  serverStream<Q, R>(
    method: MethodDefinition<Q, R>,
    handler: (request: Q, out: Outlet<Answer<R>>, context: CallContext) => Promise<void>,
  ): this {
    const name = this.define(method);
    this.implementation[name] = (call: ServerWritableStream<Incoming<Q>, Answer<R>>): void => {
      this.run(method, call, (context) => handler(requestOf(call.request), new Outlet(call, context.signal, encodedSize), context));
    };
    return this;
  }

  bidi<Q, R>(
    method: MethodDefinition<Q, R>,
    handler: (input: AsyncGenerator<Q, void, void>, out: Outlet<Answer<R>>, context: CallContext) => Promise<void>,
  ): this {
    const name = this.define(method);
    this.implementation[name] = (call: ServerDuplexStream<Incoming<Q>, Answer<R>>): void => {
      this.run(method, call, (context) =>
        handler(requests<Q>(call, context.signal), new Outlet(call, context.signal, encodedSize), context),
      );
    };
    return this;
  }

  /** A bidirectional call for code that wants to be called back instead of waiting (sessions). Ends when the promise settles. */
  duplex<Q, R>(method: MethodDefinition<Q, R>, handler: (call: DuplexCall<Q, R>, context: CallContext) => Promise<void>): this {
    const name = this.define(method);
    this.implementation[name] = (call: ServerDuplexStream<Incoming<Q>, Answer<R>>): void => {
      this.run(method, call, (context) =>
        handler(
          {
            write: (message) => call.write(message),
            onDrain: (listener) => void call.on('drain', listener),
            receive: (take) => receive(call, context.signal, take),
          },
          context,
        ),
      );
    };
    return this;
  }

  addTo(server: Server): void {
    server.addService(this.definition, this.implementation);
  }

  private define<Q, R>(method: MethodDefinition<Q, R>): string {
    const name = method.path.slice(method.path.lastIndexOf('/') + 1);
    this.definition[name] = {
      ...(method as unknown as AnyMethod),
      requestDeserialize: (bytes: Buffer): Incoming<Q> => decode(bytes, (input) => method.requestDeserialize(input)),
      requestSerialize: () => Buffer.alloc(0), // a server sends no requests
      responseSerialize: (answer: unknown): Buffer =>
        answer instanceof Encoded ? asBuffer(answer.bytes) : method.responseSerialize(answer as R),
      responseDeserialize: (bytes: Buffer) => bytes,
    };
    return name;
  }

  private enter(method: { readonly path: string }, call: EndingCall): OpenCall | ApiError {
    try {
      const open = this.gate.calls.add(this.gate.admit(method.path, call));
      // grpc-js says so at the end of every call, whoever ended it.
      call.on('cancelled', () => this.gate.calls.ended(open));
      return open;
    } catch (error) {
      return toApiError(error);
    }
  }

  private run(method: { readonly path: string }, call: StreamingCall, work: (context: CallContext) => Promise<void>): void {
    const context = this.enter(method, call);
    if (context instanceof ApiError) {
      fail(call, context);
      return;
    }
    void (async () => {
      try {
        await work(context);
        call.end();
      } catch (error) {
        this.report(method, context, error);
        fail(call, error);
      }
    })();
  }

  private report(method: { readonly path: string }, context: OpenCall, error: unknown): void {
    if (context.isOver || (error instanceof ApiError && error.reason !== 'InternalError')) return;
    this.gate.failed(method.path, error);
  }
}

export interface DuplexCall<Q, R> {
  /** False: the buffer is full; wait for onDrain. */
  write(message: Answer<R>): boolean;
  onDrain(listener: () => void): void;
  /**
   * Gives each message to take as it comes. Resolves when the other side has ended its half; rejects with what take throws, with ApiError
   * where a message is none, and with the signal's reason when the call was cut short. Once a call.
   */
  receive(take: (message: Q) => void): Promise<void>;
}

interface EndingCall {
  getPeer(): string;
  getAuthContext(): unknown;
  readonly metadata: Metadata;
  on(event: 'cancelled', listener: () => void): unknown;
}

interface StreamingCall extends EndingCall {
  end(): unknown;
  emit(event: 'error', error: Error): boolean;
}

/** Ends a stream with an error; what was written before still goes out. */
function fail(call: StreamingCall, error: unknown): void {
  const { code, details, metadata } = grpcStatus(error);
  call.emit('error', Object.assign(new Error(details), { code, details, metadata }));
}

function decode<Q>(bytes: Buffer, parse: (bytes: Buffer) => Q): Incoming<Q> {
  if (bytes.byteLength > MAX_REQUEST_BYTES) {
    return {
      refused: new ApiError('RequestEntityTooLarge', `the request has ${bytes.byteLength} bytes; at most ${MAX_REQUEST_BYTES} are taken`, {
        advice: 'Send fewer objects in one call, or smaller ones.',
      }),
    };
  }
  try {
    return { request: parse(bytes) };
  } catch (error) {
    return {
      refused: badRequest(`the request is not a protobuf message of its type: ${error instanceof Error ? error.message : String(error)}`),
    };
  }
}

function requestOf<Q>(incoming: Incoming<Q>): Q {
  if ('refused' in incoming) throw incoming.refused;
  return incoming.request;
}

async function* requests<Q>(call: ServerDuplexStream<Incoming<Q>, unknown>, signal: AbortSignal): AsyncGenerator<Q, void, void> {
  for await (const incoming of inlet<Incoming<Q>>(call, signal)) yield requestOf(incoming);
}

/** Without an iterator between: thousands of sessions have a heartbeat a second each, and its promises cost as much as all we do with one. */
function receive<Q>(call: ServerDuplexStream<Incoming<Q>, unknown>, signal: AbortSignal, take: (message: Q) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    call.once('end', resolve);
    call.on('data', (incoming: Incoming<Q>) => {
      try {
        take(requestOf(incoming));
      } catch (error) {
        call.pause();
        reject(error as Error);
      }
    });
  });
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
