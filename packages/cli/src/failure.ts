// Turns whatever a command threw into lines on standard error and an exit code.
import { ApiError } from '@podplane/api/errors';
import { isKind, kindNames } from '@podplane/api/kinds/kind-names';
import { CliError, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_TIMEOUT, EXIT_UNREACHABLE } from './exit-codes.js';

export interface Failure {
  /** Without line end; empty where nothing is to be said. */
  readonly text: string;
  readonly exitCode: number;
}

/** What the server refused, in a line. */
export function refusalLine(error: ApiError): string {
  return `Error from server (${error.reason}): ${error.message}`;
}

/** What to do about a refusal: the server's advice, or where it looked for what is not there. */
export function adviceFor({ advice, reason, target: { kind, namespace } }: ApiError): string {
  if (advice !== '' || reason !== 'NotFound' || !isKind(kind)) return advice;
  const { plural, namespaced } = kindNames[kind];
  if (!namespaced || namespace === '') return `podplane get ${plural} shows what there is.`;
  return `Looked in namespace "${namespace}": podplane get ${plural} -n ${namespace} shows what is there, -A what is elsewhere.`;
}

function withAdvice(text: string, advice: string): string {
  return advice === '' ? text : `${text}\n${advice}`;
}

/** Message and exit code for an error. interrupted: why the command was told to stop; undefined where it was not. */
export function failureOf(error: unknown, context: { readonly interrupted: unknown; readonly debug: boolean }): Failure {
  // What only says that Ctrl-C was pressed needs no words; anything else that went wrong meanwhile does.
  if (context.interrupted !== undefined && (error === context.interrupted || error instanceof ApiError))
    return { text: '', exitCode: EXIT_INTERRUPTED };
  if (error instanceof CliError) return { text: withAdvice(`error: ${error.message}`, error.advice), exitCode: error.exitCode };
  if (error instanceof ApiError) {
    if (error.reason === 'ServiceUnavailable')
      return { text: withAdvice(`error: ${error.message}`, error.advice), exitCode: EXIT_UNREACHABLE };
    const exitCode = error.reason === 'Timeout' ? EXIT_TIMEOUT : EXIT_FAILED;
    return { text: withAdvice(refusalLine(error), adviceFor(error)), exitCode };
  }
  // Errors of the server's and the agent's own start carry advice and say all that is needed.
  if (error instanceof Error && 'advice' in error && typeof error.advice === 'string')
    return { text: withAdvice(`error: ${error.message}`, error.advice), exitCode: EXIT_FAILED };
  const system = error as NodeJS.ErrnoException;
  if (error instanceof Error && typeof system.code === 'string') {
    const text = systemErrorText(system);
    if (text !== undefined) return { text: `error: ${text}`, exitCode: EXIT_FAILED };
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    text: `error: this is a fault of podplane itself:\n${context.debug || !(error instanceof Error) ? text : text.split('\n').slice(0, 6).join('\n')}`,
    exitCode: EXIT_FAILED,
  };
}

/** The operating system's errors in words; undefined where it has no common one. */
function systemErrorText(error: NodeJS.ErrnoException): string | undefined {
  const where = error.path === undefined ? '' : `${error.path}: `;
  switch (error.code) {
    case 'ENOENT':
      return `${where}no such file or directory`;
    case 'EACCES':
    case 'EPERM':
      return `${where}not permitted`;
    case 'EISDIR':
      return `${where}is a directory`;
    case 'ENOTDIR':
      return `${where}is not a directory`;
    case 'ENOSPC':
      return `${where}the disk is full`;
    case 'EROFS':
      return `${where}the file system is read-only`;
    case 'EADDRINUSE':
      return `the address ${(error as { address?: string }).address ?? ''}:${(error as { port?: number }).port ?? ''} is in use by another program`;
    default:
      return undefined;
  }
}

/** Whether the server did not answer (as opposed to: refused). */
export function isUnreachable(error: unknown): boolean {
  return error instanceof ApiError && error.reason === 'ServiceUnavailable';
}

/** Whether an object is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.reason === 'NotFound';
}

/** Whether somebody else has changed the object meanwhile. */
export function isConflict(error: unknown): boolean {
  return error instanceof ApiError && error.reason === 'Conflict';
}
