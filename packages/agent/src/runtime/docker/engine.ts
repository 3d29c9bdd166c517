// Calls to Docker Engine: errors as RuntimeError, time-outs, the limit on heavy calls. How they travel is engine-http.ts.
// What is called is in the files beside this one.
import type { IncomingMessage } from 'node:http';
import { availableParallelism } from 'node:os';
import type { System } from '@podplane/api/system';
import { isRuntimeError, RuntimeError } from '../errors.js';
import { toRuntimeError } from './engine-errors.js';
import { EngineHttp, type EngineRequest, engineAddress } from './engine-http.js';
import { type CallRank, EngineLimit } from './engine-limit.js';

// Longer than any healthy engine takes, also a busy one; a hanging engine must not hold the agent's workers for ever.
const CALL_TIMEOUT_MS = 120_000;

export interface EngineOptions {
  /** Path of the engine's socket; undefined: DOCKER_HOST, or the usual socket. */
  readonly socketPath?: string | undefined;
  /** Calls that start or stop something at the same time; undefined: twice the cores. Several agents on one engine share the cores. */
  readonly maxCalls?: number | undefined;
}

export class Engine {
  readonly http: EngineHttp;
  readonly limit: EngineLimit;
  readonly system: System;

  constructor(system: System, options: EngineOptions = {}) {
    this.system = system;
    this.http = new EngineHttp(
      options.socketPath === undefined ? engineAddress(process.env) : { kind: 'socket', path: options.socketPath },
    );
    this.limit = new EngineLimit(options.maxCalls ?? 2 * availableParallelism(), system.timers);
  }

  /** A call that answers JSON. doing: what is tried, for the message of the error. */
  async call<T>(doing: string, request: EngineRequest): Promise<T> {
    try {
      return await this.#inTime<T>(request, CALL_TIMEOUT_MS);
    } catch (error) {
      throw toRuntimeError(error, doing);
    }
  }

  /** The same for something that may not be there: undefined. */
  async find<T>(doing: string, request: EngineRequest): Promise<T | undefined> {
    try {
      return await this.call<T>(doing, request);
    } catch (error) {
      if (isRuntimeError(error, 'not-found')) return undefined;
      throw error;
    }
  }

  /**
   * A call that takes part in the limit. Rejects with what the HTTP client throws, as callers look at the status. waitMs: how long the
   * engine may wait by itself within the call (a grace period); after holdMs the call does not count any more. permitted: asked when it is the
   * call's turn; false: it is not made, and rejects with RuntimeError conflict.
   */
  heavy<T>(
    rank: CallRank,
    request: EngineRequest,
    wait?: { readonly waitMs: number; readonly holdMs: number },
    permitted?: () => boolean,
  ): Promise<T> {
    const call = async (): Promise<T> => {
      if (permitted?.() === false) throw new RuntimeError('conflict', 'not permitted any more when it was its turn');
      return await this.#inTime<T>(request, CALL_TIMEOUT_MS + (wait?.waitMs ?? 0));
    };
    return this.limit.run(rank, call, wait?.holdMs);
  }

  async #inTime<T>(request: EngineRequest, ms: number): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const stop = new AbortController();
    const advice = 'is the engine or its disk overloaded? see its log';
    const expired = (): void => {
      reject(new RuntimeError('timeout', `Docker Engine did not answer within ${ms / 1000} s`, { advice }));
      stop.abort();
    };
    const timer = this.system.timers.after(ms, expired, { background: true });
    try {
      return await Promise.race([this.http.json<T>({ ...request, signal: stop.signal }), promise]);
    } finally {
      timer.cancel();
    }
  }

  /** A call whose answer is read as it comes; the caller reads it to its end or destroys it. No time-out. */
  async stream(doing: string, request: EngineRequest): Promise<IncomingMessage> {
    try {
      return await this.http.stream(request);
    } catch (error) {
      throw toRuntimeError(error, doing);
    }
  }
}
