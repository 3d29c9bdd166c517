// How a command ends. Exit codes are part of the interface: scripts rely on them. Which error leads to which is in failure.ts.

export const EXIT_OK = 0;
/** Refused by the server, not found, failed. */
export const EXIT_FAILED = 1;
/** The command line itself is wrong. */
export const EXIT_USAGE = 2;
/** What was waited for did not come in time. */
export const EXIT_TIMEOUT = 3;
/** No server answers, or none is known. */
export const EXIT_UNREACHABLE = 4;
/** Ended by Ctrl-C (128 + SIGINT), as shells say it. */
export const EXIT_INTERRUPTED = 130;

/** Ends the command with this message and exit code. advice: what to do about it, in a line of its own. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: number;
  readonly advice: string;

  constructor(message: string, options: { readonly exitCode?: number; readonly advice?: string; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.exitCode = options.exitCode ?? EXIT_FAILED;
    this.advice = options.advice ?? '';
  }
}

/** The command line cannot be understood. */
export function usage(message: string, advice = ''): CliError {
  return new CliError(message, { exitCode: EXIT_USAGE, advice });
}
