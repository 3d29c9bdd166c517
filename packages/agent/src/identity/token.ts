// Join tokens: pp1.<sha256 of the CA certificate, base64url>.<id>.<secret>. Reading and checking only; servers make them. Pure.
import { createHash, timingSafeEqual, X509Certificate } from 'node:crypto';
import { IdentityError } from './errors.js';

export interface JoinToken {
  /** The whole text. */
  readonly text: string;
  /** SHA-256 of the CA certificate in DER. */
  readonly caHash: Buffer;
  readonly id: string;
}

const HASH_BYTES = 32;

/** Throws IdentityError bad-token. The secret never appears in messages. */
export function parseToken(text: string): JoinToken {
  const parts = text.trim().split('.');
  const [version, hash = '', id = '', secret = ''] = parts;
  const caHash = Buffer.from(hash, 'base64url');
  if (parts.length !== 4 || version !== 'pp1' || caHash.length !== HASH_BYTES || id === '' || secret === '') {
    throw new IdentityError(
      'bad-token',
      'the token is not of the form pp1.<hash>.<id>.<secret>',
      'copy the whole token from what "podplane token create" printed',
    );
  }
  return { text: text.trim(), caHash, id };
}

/** The certificate of the chain whose hash the token names; undefined: it is not there. */
export function pinnedCa(chain: readonly X509Certificate[], token: JoinToken): X509Certificate | undefined {
  return chain.find((certificate) => timingSafeEqual(createHash('sha256').update(certificate.raw).digest(), token.caHash));
}
