// What a failed call means: the server's own Status where it sent one, else what the transport says. Never told by messages.
import tls from 'node:tls';
import { type ServiceError, status } from '@grpc/grpc-js';
import { ApiError, fromStatus, reasonForGrpcCode, serviceUnavailable } from '@podplane/api/errors';
import { Status } from '@podplane/api/gen/podplane/api/v1/object';
import type { Context } from './context.js';
import { SERVER_NAME } from './dial.js';

const STATUS_DETAILS = 'grpc-status-details-bin';
const STATUS_TYPE = 'podplane.api.v1.Status';

/** A failed call as an ApiError. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (!isServiceError(error))
    return new ApiError('InternalError', error instanceof Error ? error.message : String(error), { cause: error });
  const sent = statusIn(error);
  if (sent !== undefined) return fromStatus(sent);
  switch (error.code) {
    case status.RESOURCE_EXHAUSTED:
      return new ApiError('RequestEntityTooLarge', `a message is too large: ${error.details}`, {
        advice: 'Send fewer objects in one call, or smaller ones.',
        cause: error,
      });
    case status.DEADLINE_EXCEEDED:
      return new ApiError('Timeout', 'the server did not answer in time', { cause: error });
    // The server sends a Status with each of its own errors: these come from the transport, in the middle of something.
    case status.UNAVAILABLE:
    case status.INTERNAL:
    case status.UNKNOWN:
    case status.CANCELLED:
      return serviceUnavailable(`the connection to the server broke: ${error.details}`, {
        advice: 'Is the server running? Try again.',
        cause: error,
      });
    default:
      return new ApiError(reasonForGrpcCode(error.code), error.details, { cause: error });
  }
}

/** Whether the other side's Status came with it: then the server was there. */
export function isFromServer(error: unknown): boolean {
  return isServiceError(error) && statusIn(error) !== undefined;
}

/** Whether the call did not reach a working server, so that another try may help. */
export function isUnavailable(error: unknown): boolean {
  return isServiceError(error) && error.code === status.UNAVAILABLE;
}

/** Whether the call may never have reached the server: it failed on the way, or waited for a connection until its time was over. */
export function isUnreached(error: unknown): boolean {
  return isServiceError(error) && (error.code === status.UNAVAILABLE || error.code === status.DEADLINE_EXCEEDED);
}

/** Whether this side ended the call. */
export function isCancelled(error: unknown): boolean {
  return isServiceError(error) && error.code === status.CANCELLED;
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error && 'metadata' in error;
}

function statusIn(error: ServiceError): Status | undefined {
  const [details] = error.metadata?.get(STATUS_DETAILS) ?? [];
  if (details === undefined || typeof details === 'string') return undefined;
  try {
    // google.rpc.Status: 3 is details, of google.protobuf.Any: 1 is the type, 2 the message.
    for (const any of fields(details, 3)) {
      const [type] = fields(any, 1);
      const [value] = fields(any, 2);
      if (type !== undefined && value !== undefined && Buffer.from(type).toString('utf8').endsWith(`/${STATUS_TYPE}`))
        return Status.decode(value);
    }
  } catch {
    // A proxy's own details, or damaged ones: the code and the message remain.
  }
  return undefined;
}

/** The values of one field of bytes in a protobuf message. Throws RangeError for what is no such message. */
function fields(message: Uint8Array, wanted: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = message[at++];
      if (byte === undefined || scale > 2 ** 56) throw new RangeError('no varint');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.byteLength) {
    const tag = varint();
    if (tag % 8 === 0) varint();
    else if (tag % 8 === 2) {
      const size = varint();
      if (size > message.byteLength - at) throw new RangeError('too short');
      if (Math.floor(tag / 8) === wanted) found.push(message.subarray(at, at + size));
      at += size;
    } else throw new RangeError(`wire type ${tag % 8}`);
  }
  return found;
}

const PROBE_MS = 3000;
const WRONG_CA = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** Finds out why a server cannot be reached, by dialling it once by hand. */
export async function diagnose(context: Context, otherwise: ApiError): Promise<ApiError> {
  const { server } = context;
  const colon = server.lastIndexOf(':');
  const host = server.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  const port = Number(server.slice(colon + 1));
  const unreachable = (why: string, advice: string): ApiError =>
    serviceUnavailable(`the server at ${server} ${why}`, { advice, cause: otherwise });
  const code = await probe(host, port, context);
  if (code === undefined) return otherwise; // it answers now
  if (WRONG_CA.has(code))
    return unreachable(
      "shows a certificate that is not of this context's cluster",
      'It is another cluster, or the server was set up anew: get a new context.',
    );
  switch (code) {
    case 'ECONNREFUSED':
      return unreachable('does not answer: nothing listens there', 'Is it running? Start it: podplane up (or podplane server).');
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return unreachable('cannot be found: its name has no address', 'Check the address in the context file.');
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return unreachable('does not answer: there is no way to it', 'Check the network, and the address in the context file.');
    case 'CERT_HAS_EXPIRED':
      return unreachable('shows a certificate that has expired', "Restart the server, which makes a new one; check this machine's clock.");
    default:
      return unreachable(`is not usable (${code})`, 'Does something else listen there?');
  }
}

function probe(host: string, port: number, context: Context): Promise<string | undefined> {
  return new Promise((resolve) => {
    const { caCertificate, clientCertificate, clientKey } = context;
    const socket = tls.connect({
      host,
      port,
      ca: caCertificate,
      cert: clientCertificate,
      key: clientKey,
      servername: SERVER_NAME,
      ALPNProtocols: ['h2'],
      timeout: PROBE_MS,
    });
    const settle = (code: string | undefined): void => {
      socket.destroy();
      resolve(code);
    };
    socket.once('secureConnect', () => settle(undefined));
    socket.once('timeout', () => settle('ETIMEDOUT'));
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code ?? 'unknown'));
  });
}
