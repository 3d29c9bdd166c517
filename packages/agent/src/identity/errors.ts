// What can be wrong with an agent's identity, said so that a person knows what to do. Who notices is in join.ts and renewal.ts.

export type IdentityErrorCode =
  | 'no-token' // never joined, and no token given
  | 'bad-token' // not of the form of a token
  | 'token-refused' // unknown, revoked or expired, says the server
  | 'wrong-ca' // the server is not the one that made the token
  | 'name-taken'
  | 'certificate-expired'
  | 'refused' // anything else that the server does not accept
  | 'unreachable'
  | 'unreadable'; // files of the data directory

export class IdentityError extends Error {
  override readonly name = 'IdentityError';

  constructor(
    readonly code: IdentityErrorCode,
    message: string,
    /** What to do about it. */
    readonly advice: string,
    options: { readonly cause?: unknown } = {},
  ) {
    super(message, options);
  }
}

/** Trying again later may help without anybody doing anything. */
export function isTransient(error: IdentityError): boolean {
  return error.code === 'unreachable';
}
