// The one kind of error that a container runtime rejects with. How an engine's answers become codes is in docker/, what a code
// means for a pod is in pods/.
import type { RuntimeErrorCode } from './types.js';

/** An engine call that failed. `code` says what kind, `message` is the engine's own words. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
  readonly code: RuntimeErrorCode;
  /** 126, 127 or 128 where a container could not be started. */
  readonly exitCode: number | undefined;

  constructor(code: RuntimeErrorCode, message: string, options: { readonly exitCode?: number | undefined; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.exitCode = options.exitCode;
  }

  /** Anything thrown as a RuntimeError; what is none becomes code "failed". */
  static from(error: unknown): RuntimeError {
    if (error instanceof RuntimeError) return error;
    const message = error instanceof Error ? error.message : String(error);
    return new RuntimeError('failed', message, { cause: error });
  }
}
