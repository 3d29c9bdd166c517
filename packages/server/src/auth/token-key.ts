// The key that signs tokens of service accounts, with its file in the data directory: made at the first start, kept for ever. What is
// signed with it is in account-tokens.ts.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { AuthorityError, writePrivate } from './pki.js';

export interface TokenKey {
  /** Names the key in the head of what it signs. */
  readonly id: string;
  /** ES256: the signature as 64 bytes. */
  sign(text: string): Buffer;
  verify(text: string, signature: Buffer): boolean;
}

/** directory undefined: nothing is kept (tests). Rejects with AuthorityError where the file is damaged, or with the file system's error. */
export async function openTokenKey(directory: string | undefined): Promise<TokenKey> {
  if (directory === undefined) return tokenKey(newKey());
  const file = join(directory, 'service-account.key');
  if (!existsSync(file)) {
    const made = newKey();
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await writePrivate(file, made.export({ type: 'pkcs8', format: 'pem' }).toString());
    return tokenKey(made);
  }
  await chmod(file, 0o600);
  try {
    const key = createPrivateKey(await readFile(file, 'utf8'));
    if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
      throw new Error('it is no key of ECDSA P-256');
    return tokenKey(key);
  } catch (error) {
    throw new AuthorityError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey;

function tokenKey(privateKey: KeyObject): TokenKey {
  const publicKey = createPublicKey(privateKey);
  return {
    id: createHash('sha256')
      .update(publicKey.export({ type: 'spki', format: 'der' }))
      .digest('base64url'),
    sign: (text) => sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }),
    verify: (text, signature) => verify('sha256', Buffer.from(text), { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature),
  };
}
