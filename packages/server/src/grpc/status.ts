// How a refused call travels over gRPC: code, message, and a podplane.api.v1.Status in the trailer grpc-status-details-bin.
// Which reasons there are and their codes is in @podplane/api/errors.
import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { ApiError, errorCodes, internalError, serviceUnavailable, toStatus } from '@podplane/api/errors';
import { Status } from '@podplane/api/gen/podplane/api/v1/object';
import { bytesField, textField, varintField } from './wire.js';

const TYPE_URL = 'type.googleapis.com/podplane.api.v1.Status';
export const STATUS_DETAILS = 'grpc-status-details-bin';

/** A trailer larger than this is refused by some HTTP/2 stacks; the causes are cut first. */
const MOST_CAUSES = 20;

/** google.rpc.Status{code, message, details: [Any(Status)]}. */
function statusDetails(code: number, error: ApiError): Buffer {
  const full = toStatus(error);
  const body = Status.encode({
    ...full,
    message: cut(full.message),
    causes: full.causes.slice(0, MOST_CAUSES).map((one) => ({ ...one, message: cut(one.message) })),
  });
  const any = Buffer.concat([textField(1, TYPE_URL), bytesField(2, body.finish())]);
  return Buffer.concat([varintField(1, code), textField(2, cut(error.message)), bytesField(3, any)]);
}

const LONGEST_MESSAGE = 2000;

function cut(message: string): string {
  return message.length > LONGEST_MESSAGE ? `${message.slice(0, LONGEST_MESSAGE)}...` : message;
}

/** What was thrown, as an error of the API. Errors of the store are told by their code; what nobody expected is an InternalError. */
export function toApiError(thrown: unknown): ApiError {
  if (thrown instanceof ApiError) return thrown;
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  switch (code) {
    case 'sealed':
      return serviceUnavailable(`the store does not take writes now: ${message}`, {
        advice: 'Reads go on. Make room on the disk of the data directory; the server tries again by itself.',
        cause: thrown,
      });
    case 'closed':
      return serviceUnavailable('the server is stopping', { advice: 'Try again in a moment.', cause: thrown });
    default:
      return internalError(message, thrown);
  }
}

/** The trailers and the code that say error. */
export function grpcStatus(thrown: unknown): Omit<StatusObject, 'metadata'> & { readonly metadata: Metadata } {
  const error = toApiError(thrown);
  const code: status = errorCodes[error.reason].grpc;
  const metadata = new Metadata();
  metadata.set(STATUS_DETAILS, statusDetails(code, error));
  return { code, details: cut(error.message), metadata };
}
