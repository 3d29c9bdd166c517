// The connection to Docker Engine: one dockerode, calls that answer JSON or a stream, errors as RuntimeError, the limit on heavy calls.
// What is called is in the files beside this one.
import type { IncomingMessage } from 'node:http';
import { availableParallelism } from 'node:os';
import type { Readable } from 'node:stream';
import type { System } from '@podplane/api/system';
import Docker from 'dockerode';
import { RuntimeError } from '../errors.js';
import { toRuntimeError } from './engine-errors.js';
import { type CallRank, EngineLimit } from './engine-limit.js';

// Longer than any healthy engine takes, also a busy one; a hanging engine must not hold the agent's workers for ever.
const CALL_TIMEOUT_MS = 120_000;

export interface EngineOptions {
  /** Path of the engine's socket; undefined: DOCKER_HOST, or the usual socket. */
  readonly socketPath?: string | undefined;
  /** Calls that start or stop something at the same time; undefined: twice the cores. Several agents on one engine share the cores. */
  readonly maxCalls?: number | undefined;
}

export interface StreamRequest {
  readonly method: 'GET' | 'POST';
  /** Without query. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly body?: Readable;
  readonly registryAuth?: object | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For messages of errors. */
  readonly doing: string;
}

export class Engine {
  readonly docker: Docker;
  readonly limit: EngineLimit;
  readonly system: System;

  constructor(system: System, options: EngineOptions = {}) {
    this.system = system;
    this.docker = options.socketPath === undefined ? new Docker() : new Docker({ socketPath: options.socketPath });
    this.limit = new EngineLimit(options.maxCalls ?? 2 * availableParallelism(), system.timers);
  }

  /** Awaits a call; whatever it rejects with becomes a RuntimeError. doing: what is tried, for its message. */
  async call<T>(doing: string, fn: () => Promise<T>): Promise<T> {
    try {
      return await this.#inTime(fn, CALL_TIMEOUT_MS);
    } catch (error) {
      throw toRuntimeError(error, doing);
    }
  }

  /**
   * A call that takes part in the limit. Rejects with what dockerode throws, as callers look at the status. waitMs: how long the engine
   * may wait by itself within the call (a grace period); after holdMs the call does not count any more.
   */
  heavy<T>(rank: CallRank, fn: () => Promise<T>, wait?: { readonly waitMs: number; readonly holdMs: number }): Promise<T> {
    return this.limit.run(rank, () => this.#inTime(fn, CALL_TIMEOUT_MS + (wait?.waitMs ?? 0)), wait?.holdMs);
  }

  async #inTime<T>(fn: () => Promise<T>, ms: number): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const timer = this.system.timers.after(
      ms,
      () =>
        reject(
          new RuntimeError('timeout', `Docker Engine did not answer within ${ms / 1000} s`, {
            advice: 'is the engine or its disk overloaded? see its log',
          }),
        ),
      {
        background: true,
      },
    );
    try {
      return await Promise.race([fn(), promise]);
    } finally {
      timer.cancel();
    }
  }

  /**
   * A call whose answer is read as it comes; the caller reads it to its end or destroys it. Goes past dockerode's methods, which read
   * whole answers into memory for some options.
   */
  stream(request: StreamRequest): Promise<IncomingMessage> {
    const query: Record<string, string> = {};
    for (const [key, value] of Object.entries(request.query ?? {})) if (value !== undefined) query[key] = String(value);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    this.docker.modem.dial(
      {
        method: request.method,
        path: `${request.path}?`,
        options: { _query: query, _body: {} },
        isStream: true,
        statusCodes: { 200: true },
        ...(request.body === undefined ? {} : { file: request.body }),
        ...(request.registryAuth === undefined ? {} : { authconfig: { ...request.registryAuth } }),
        ...(request.signal === undefined ? {} : { abortSignal: request.signal }),
      },
      (error, answer) => {
        if (error) reject(toRuntimeError(error, request.doing));
        else resolve(answer as IncomingMessage);
      },
    );
    return promise;
  }
}
