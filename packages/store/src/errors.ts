// What the store and its journals refuse, as errors with a code, a message, and advice. Which face shows them how is not here.
import type { StoreErrorCode } from './types.js';

/** The object an error is about. */
export interface ErrorSubject {
  readonly kind?: string | undefined;
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
}

interface ErrorDetail extends ErrorSubject {
  /** What a person can do about it. */
  readonly advice?: string | undefined;
  readonly cause?: unknown;
}

/** A write, read or watch that the store refuses. Told apart by code, never by message. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;
  readonly advice: string | undefined;
  readonly kind: string | undefined;
  readonly namespace: string | undefined;
  /** metadata.name of the object concerned (Error's own name stays what it is). */
  readonly objectName: string | undefined;

  constructor(code: StoreErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'StoreError';
    this.code = code;
    this.advice = detail.advice;
    this.kind = detail.kind;
    this.namespace = detail.namespace;
    this.objectName = detail.name;
  }
}

/** "pod default/web-1", "node n1". */
function subjectText(subject: ErrorSubject): string {
  const place = subject.namespace === undefined || subject.namespace === '' ? '' : `${subject.namespace}/`;
  return `${subject.kind ?? 'object'} ${place}${subject.name ?? ''}`;
}

export function notFound(subject: ErrorSubject): StoreError {
  return new StoreError('not-found', `${subjectText(subject)} not found`, subject);
}

export function alreadyExists(subject: ErrorSubject): StoreError {
  return new StoreError('already-exists', `${subjectText(subject)} already exists`, subject);
}

export function conflict(subject: ErrorSubject, detail: string): StoreError {
  return new StoreError('conflict', `${subjectText(subject)} was not changed: ${detail}`, {
    ...subject,
    advice: 'read the object again and apply the change to its newest version',
  });
}

export function invalid(message: string, subject: ErrorSubject & { readonly cause?: unknown } = {}): StoreError {
  return new StoreError('invalid', message, subject);
}

export function gone(message: string): StoreError {
  return new StoreError('gone', message, { advice: 'list again and watch from the revision of that list' });
}

export function sealed(reason: string, cause?: unknown): StoreError {
  return new StoreError('sealed', `writes are refused: ${reason}`, {
    advice: 'reads go on; writes are accepted again by themselves when the cause is gone',
    cause,
  });
}

export function closed(): StoreError {
  return new StoreError('closed', 'the store is closed');
}

/** An error's own words. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export type JournalErrorCode =
  | 'locked' // another server uses the data directory
  | 'unusable-directory' // cannot be made, is no directory, or cannot be written
  | 'newer-format' // written by a newer version
  | 'foreign' // not a file of ours
  | 'corrupt'
  | 'full' // no room on the disk
  | 'io'
  | 'closed';

/** Why a journal cannot be opened, or did not take a batch. */
export class JournalError extends Error {
  readonly code: JournalErrorCode;
  readonly advice: string | undefined;

  constructor(code: JournalErrorCode, message: string, detail: { readonly advice?: string; readonly cause?: unknown } = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'JournalError';
    this.code = code;
    this.advice = detail.advice;
  }
}
