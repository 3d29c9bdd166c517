// The one error of the container runtime: a code to act on, the engine's words, and advice for a person. How an engine's answer becomes
// such an error is in docker/engine-errors.ts.
import type { RuntimeErrorCode } from './types.js';

/** Every call of a ContainerRuntime rejects with this. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
  readonly code: RuntimeErrorCode;
  /** What a person can do about it; empty where the message says it all. */
  readonly advice: string;
  /** Of a container that could not be started: 126 not executable, 127 not found, 128 everything else. */
  readonly exitCode: number | undefined;

  constructor(
    code: RuntimeErrorCode,
    message: string,
    options: { readonly advice?: string; readonly exitCode?: number; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.advice = options.advice ?? '';
    this.exitCode = options.exitCode;
  }
}

export function isRuntimeError(error: unknown, code?: RuntimeErrorCode): error is RuntimeError {
  return error instanceof RuntimeError && (code === undefined || error.code === code);
}
