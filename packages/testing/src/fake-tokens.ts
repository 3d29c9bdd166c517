// Tokens of service accounts for simulations: made and checked by the server's own rules, signed by a key that is none, so that the same run
// makes the same tokens.
import { createHash } from 'node:crypto';
import { AccountTokens } from '@podplane/server/auth/account-tokens';
import type { TokenKey } from '@podplane/server/auth/token-key';

const sign = (text: string): Buffer => createHash('sha512').update(text).digest();

export const FAKE_TOKEN_KEY: TokenKey = { id: 'simulated', sign, verify: (text, signature) => sign(text).equals(signature) };

/** What stands for the certificate of a simulated cluster's authority. */
export const FAKE_ROOT_CA = 'the authority of a simulated cluster\n';

export function fakeTokens(
  ...[view, system]: [ConstructorParameters<typeof AccountTokens>[1], ConstructorParameters<typeof AccountTokens>[2]]
): AccountTokens {
  return new AccountTokens(FAKE_TOKEN_KEY, view, system);
}
