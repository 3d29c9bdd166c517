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
  /** What was tried, where the message begins with it. */
  readonly doing: string | undefined;

  constructor(
    code: RuntimeErrorCode,
    message: string,
    options: { readonly advice?: string; readonly exitCode?: number; readonly doing?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.advice = options.advice ?? '';
    this.exitCode = options.exitCode;
    this.doing = options.doing;
  }

  /**
   * The message for events and statuses, which name the container themselves: without what is another with each container that the engine
   * makes (ids, the number of the attempt), so that what happens again is counted and not told anew.
   */
  get words(): string {
    const { doing, message } = this;
    const begin = `${doing}: `;
    const said = doing !== undefined && withoutIds(doing) !== doing && message.startsWith(begin) ? message.slice(begin.length) : message;
    return withoutIds(said);
  }
}

/**
 * Ids of containers, whole or short as in our own messages; digests of images stay. Names of containers as pods/names.ts makes them, and of
 * the files of their termination messages.
 */
function withoutIds(text: string): string {
  return text
    .replace(/\b(container) [0-9a-f]{12}\b/g, '$1')
    .replace(/(?<!sha256:)\b[0-9a-f]{64}\b/g, '<id>')
    .replace(/(\bpp_\S+_[0-9a-f]{8})_\d+\b/g, '$1')
    .replace(/(\/termination\/[^/\s"]+\/[^/\s"]+)-\d+\b/g, '$1');
}

export function isRuntimeError(error: unknown, code?: RuntimeErrorCode): error is RuntimeError {
  return error instanceof RuntimeError && (code === undefined || error.code === code);
}
