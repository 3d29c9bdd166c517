// Why something is refused: faulty fields with their paths, and errors of the API by reason. Wordings are Kubernetes'. Which
// rules exist is not here (see kinds/, names.ts); how an error travels over gRPC or HTTP is the server's business, but the
// tables of codes are here so that all faces agree.
import type { Status, StatusCause } from './gen/podplane/api/v1/object.js';
import { type Kind, kindNames, qualifiedResource } from './kinds/kind-names.js';

// ---------------------------------------------------------------------------------------------------------------- fields

export type FieldErrorReason =
  | 'FieldValueRequired'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueDuplicate'
  | 'FieldValueForbidden'
  | 'FieldValueNotFound'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueTypeInvalid';

/** One faulty field. message is without the path: "Required value", `Invalid value: "x": must be ...`. */
export interface FieldError {
  readonly reason: FieldErrorReason;
  /** For example spec.containers[0].image. */
  readonly field: string;
  readonly message: string;
  readonly badValue?: unknown;
}

/** Place of a field in an object. Immutable; the text is made only when it is asked for, as most fields are right. */
export class Path {
  readonly #parent: Path | undefined;
  readonly #segment: string;

  private constructor(parent: Path | undefined, segment: string) {
    this.#parent = parent;
    this.#segment = segment;
  }

  /** Path of a field at the top: Path.of('spec', 'replicas') is spec.replicas. */
  static of(name: string, ...below: readonly string[]): Path {
    return below.reduce((path, one) => new Path(path, `.${one}`), new Path(undefined, name));
  }

  child(name: string, ...below: readonly string[]): Path {
    return below.reduce((path, one) => new Path(path, `.${one}`), new Path(this, `.${name}`));
  }

  index(i: number): Path {
    return new Path(this, `[${i}]`);
  }

  /** An entry of a map: metadata.labels[app]. */
  key(key: string): Path {
    return new Path(this, `[${key}]`);
  }

  toString(): string {
    return this.#parent === undefined ? this.#segment : this.#parent.toString() + this.#segment;
  }
}

type Where = Path | string;

// A message that repeats a value of megabytes helps nobody.
const LONGEST_SHOWN = 1000;

/** Maps that manifests leave out where nothing is in them. */
const MAPS: ReadonlySet<string> = new Set(['matchLabels', 'labels', 'annotations', 'nodeSelector', 'limits', 'requests']);

/** As a manifest would write it: without lists and maps in which nothing is. */
function sparse(this: unknown, key: string, value: unknown): unknown {
  if (key === '' || Array.isArray(this) || typeof value !== 'object' || value === null) return value;
  const nothing = Array.isArray(value) ? value.length === 0 : MAPS.has(key) && Object.keys(value).length === 0;
  return nothing ? undefined : value;
}

function shown(value: unknown): string {
  if (value === undefined || value === null) return 'null';
  const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value, sparse) ?? typeof value);
  return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}...` : text;
}

/** A field that must be set is not. */
export function required(field: Where, detail = ''): FieldError {
  return { reason: 'FieldValueRequired', field: String(field), message: detail === '' ? 'Required value' : `Required value: ${detail}` };
}

/** A value that breaks a rule; detail says which, where there is more to say. */
export function invalid(field: Where, badValue: unknown, detail: string): FieldError {
  const text = `Invalid value: ${shown(badValue)}`;
  return { reason: 'FieldValueInvalid', field: String(field), message: detail === '' ? text : `${text}: ${detail}`, badValue };
}

/** A message or list that breaks a rule as a whole, which says nothing of its value. */
export function invalidAsWhole(field: Where, detail: string): FieldError {
  return { reason: 'FieldValueInvalid', field: String(field), message: `Invalid value: ${detail}` };
}

/** A value of another type than the field has. */
export function typeInvalid(field: Where, badValue: unknown, detail: string): FieldError {
  return { reason: 'FieldValueTypeInvalid', field: String(field), message: `Invalid value: ${shown(badValue)}: ${detail}`, badValue };
}

/** A value that is none of the known ones. */
export function notSupported(field: Where, badValue: unknown, supported: readonly string[]): FieldError {
  const list = supported.map((one) => JSON.stringify(one)).join(', ');
  const message = `Unsupported value: ${shown(badValue)}${list === '' ? '' : `: supported values: ${list}`}`;
  return { reason: 'FieldValueNotSupported', field: String(field), message, badValue };
}

/** A value that may be there once only. */
export function duplicate(field: Where, badValue: unknown): FieldError {
  return { reason: 'FieldValueDuplicate', field: String(field), message: `Duplicate value: ${shown(badValue)}`, badValue };
}

/** A field that must not be set (here, now, or at all). */
export function forbidden(field: Where, detail: string): FieldError {
  return { reason: 'FieldValueForbidden', field: String(field), message: `Forbidden: ${detail}` };
}

/** A value that names something that is not there. */
export function notFoundField(field: Where, badValue: unknown): FieldError {
  return { reason: 'FieldValueNotFound', field: String(field), message: `Not found: ${shown(badValue)}`, badValue };
}

/** A text of more than max bytes. */
export function tooLong(field: Where, max: number): FieldError {
  return { reason: 'FieldValueTooLong', field: String(field), message: `Too long: may not be more than ${max} bytes` };
}

/** A list of more than max items. */
export function tooMany(field: Where, count: number, max: number): FieldError {
  return {
    reason: 'FieldValueTooMany',
    field: String(field),
    message: `Too many: ${count}: must have at most ${max} items`,
    badValue: count,
  };
}

/** With the path in front: `spec.containers[0].image: Required value`. */
export function fieldErrorText(error: Pick<FieldError, 'field' | 'message'>): string {
  return error.field === '' ? error.message : `${error.field}: ${error.message}`;
}

// -------------------------------------------------------------------------------------------------------------------- API

export type ApiErrorReason =
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Invalid'
  | 'BadRequest'
  | 'Expired'
  | 'Forbidden'
  | 'Unauthorized'
  | 'MethodNotAllowed'
  | 'TooManyRequests'
  | 'RequestEntityTooLarge'
  | 'ServiceUnavailable'
  | 'Timeout'
  | 'InternalError';

interface Codes {
  /** Number of google.rpc.Code. */
  readonly grpc: number;
  readonly http: number;
}

/** How each reason is numbered by gRPC and by HTTP. */
export const errorCodes: Readonly<Record<ApiErrorReason, Codes>> = {
  NotFound: { grpc: 5, http: 404 },
  AlreadyExists: { grpc: 6, http: 409 },
  Conflict: { grpc: 10, http: 409 },
  Invalid: { grpc: 3, http: 422 },
  BadRequest: { grpc: 3, http: 400 },
  Expired: { grpc: 11, http: 410 },
  Forbidden: { grpc: 7, http: 403 },
  Unauthorized: { grpc: 16, http: 401 },
  MethodNotAllowed: { grpc: 12, http: 405 },
  TooManyRequests: { grpc: 8, http: 429 },
  RequestEntityTooLarge: { grpc: 8, http: 413 },
  ServiceUnavailable: { grpc: 14, http: 503 },
  Timeout: { grpc: 4, http: 504 },
  InternalError: { grpc: 13, http: 500 },
};

/** The reason for a gRPC code that came without a Status of ours (a proxy, the transport itself). */
export function reasonForGrpcCode(code: number): ApiErrorReason {
  switch (code) {
    case 3:
    case 9:
      return 'BadRequest';
    case 4:
      return 'Timeout';
    case 5:
      return 'NotFound';
    case 6:
      return 'AlreadyExists';
    case 7:
      return 'Forbidden';
    case 8:
      return 'TooManyRequests';
    case 10:
      return 'Conflict';
    case 11:
      return 'Expired';
    case 12:
      return 'MethodNotAllowed';
    case 14:
      return 'ServiceUnavailable';
    case 16:
      return 'Unauthorized';
    default:
      return 'InternalError';
  }
}

/** The object that an error is about, as far as it is known. */
export interface ErrorTarget {
  /** "" where unknown; a kind that does not exist is possible (it may be what the error says). */
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

const NO_TARGET: ErrorTarget = { kind: '', namespace: '', name: '' };

export interface ApiErrorDetails {
  readonly target?: Partial<ErrorTarget>;
  readonly causes?: readonly Pick<StatusCause, 'reason' | 'message' | 'field'>[];
  /** What to do about it. */
  readonly advice?: string;
  /** When to try again, in seconds, where that is known. */
  readonly retryAfterSeconds?: number;
  readonly cause?: unknown;
}

/** A refused call. Tell them apart by reason, never by message. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly reason: ApiErrorReason;
  readonly target: ErrorTarget;
  readonly causes: readonly StatusCause[];
  readonly advice: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(reason: ApiErrorReason, message: string, details: ApiErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.reason = reason;
    this.target = { ...NO_TARGET, ...details.target };
    this.causes = (details.causes ?? []).map(({ reason: why, message: text, field }) => ({ reason: why, message: text, field }));
    this.advice = details.advice ?? '';
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}

const target = (kind: Kind, namespace: string, name: string): ErrorTarget => ({
  kind,
  namespace: kindNames[kind].namespaced ? namespace : '',
  name,
});

/** `deployments.apps "x" not found`. */
export function notFound(kind: Kind, namespace: string, name: string): ApiError {
  return new ApiError('NotFound', `${qualifiedResource(kind)} "${name}" not found`, { target: target(kind, namespace, name) });
}

/** `pods "web" already exists`. */
export function alreadyExists(kind: Kind, namespace: string, name: string): ApiError {
  return new ApiError('AlreadyExists', `${qualifiedResource(kind)} "${name}" already exists`, { target: target(kind, namespace, name) });
}

/** A write that was computed from an older state. why: instead of the sentence for a stale resourceVersion. */
export function conflict(kind: Kind, namespace: string, name: string, why?: string): ApiError {
  const reason = why ?? 'the object has been modified; please apply your changes to the latest version and try again';
  return new ApiError('Conflict', `Operation cannot be fulfilled on ${qualifiedResource(kind)} "${name}": ${reason}`, {
    target: target(kind, namespace, name),
    advice: why === undefined ? 'Read the object again, repeat the change on it, and send it with its new resourceVersion.' : '',
  });
}

/** `Pod "web" is invalid: spec.containers[0].image: Required value`; several faults in brackets. errors must not be empty. */
export function invalidObject(kind: Kind, namespace: string, name: string, errors: readonly FieldError[]): ApiError {
  const texts = [...new Set(errors.map(fieldErrorText))];
  const all = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  return new ApiError('Invalid', `${qualifiedKind(kind)} "${name}" is invalid: ${all}`, {
    target: target(kind, namespace, name),
    causes: errors,
  });
}

function qualifiedKind(kind: Kind): string {
  const { group } = kindNames[kind];
  return group === '' ? kind : `${kind}.${group}`;
}

/** A request that cannot be understood. */
export function badRequest(message: string, details: ApiErrorDetails = {}): ApiError {
  return new ApiError('BadRequest', message, details);
}

/** A revision or a continue token that is no longer known. */
export function expired(message: string, advice = 'List again and watch from the revision of the new list.'): ApiError {
  return new ApiError('Expired', message, { advice });
}

/** Someone known who may not do it. */
export function forbiddenCall(message: string, details: ApiErrorDetails = {}): ApiError {
  return new ApiError('Forbidden', message, details);
}

/** Someone unknown. */
export function unauthorized(message = 'Unauthorized', advice = ''): ApiError {
  return new ApiError('Unauthorized', message, { advice });
}

export function serviceUnavailable(message: string, details: ApiErrorDetails = {}): ApiError {
  return new ApiError('ServiceUnavailable', message, details);
}

export function internalError(message: string, cause?: unknown): ApiError {
  return new ApiError('InternalError', `Internal error occurred: ${message}`, { cause });
}

/** As it travels in podplane.api.v1.Status. */
export function toStatus(error: ApiError): Status {
  return {
    reason: error.reason,
    message: error.message,
    advice: error.advice,
    ...error.target,
    causes: error.causes.map((one) => ({ ...one })),
  };
}

/** From what travelled. A reason of a newer server becomes InternalError; its message stays. */
export function fromStatus(status: Status): ApiError {
  const { kind, namespace, name, advice, causes } = status;
  const reason = isApiErrorReason(status.reason) ? status.reason : 'InternalError';
  return new ApiError(reason, status.message, { target: { kind, namespace, name }, causes, advice });
}

function isApiErrorReason(text: string): text is ApiErrorReason {
  return Object.hasOwn(errorCodes, text);
}
