// Join tokens: "pp1.<hash of the CA>.<id>.<secret>". The secret itself is shown once and never kept, only its hash. What a token
// lets one do is in ../grpc/join.ts.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { ApiError, badRequest, unauthorized } from '@podplane/api/errors';
import type { Clock } from '@podplane/api/system';
import type { MetaTable } from '@podplane/store/types';

const PREFIX = 'token/';
const VERSION = 'pp1';
const DEFAULT_TTL_S = 86_400;
const LONGEST_TTL_S = 365 * 86_400;
const MOST_TOKENS = 1000;
const LONGEST_DESCRIPTION = 256;

export interface TokenInfo {
  readonly id: string;
  readonly description: string;
  /** Ms since 1970. */
  readonly created: number;
  readonly expires: number;
  readonly uses: number;
}

interface StoredToken extends TokenInfo {
  /** SHA-256 of the secret, hex. The secret has 256 random bits, so that no slow hash is needed. */
  readonly hash: string;
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

export class JoinTokens {
  constructor(
    private readonly meta: MetaTable,
    private readonly clock: Clock,
    private readonly caHash: string,
  ) {}

  /** ttlSeconds 0: a day. Resolves when it is durable. Rejects with ApiError. */
  async create(description: string, ttlSeconds: number): Promise<{ readonly info: TokenInfo; readonly token: string }> {
    if (!Number.isInteger(ttlSeconds) || ttlSeconds < 0 || ttlSeconds > LONGEST_TTL_S) {
      throw badRequest(`ttlSeconds: ${ttlSeconds} is not between 0 and ${LONGEST_TTL_S} (a year)`);
    }
    if (description.length > LONGEST_DESCRIPTION) throw badRequest(`description: at most ${LONGEST_DESCRIPTION} characters`);
    await this.removeExpired();
    if (this.meta.keys(PREFIX).length >= MOST_TOKENS) {
      throw new ApiError('TooManyRequests', `there are ${MOST_TOKENS} join tokens already`, {
        advice: 'Revoke some: podplane token revoke ID',
      });
    }
    const id = randomBytes(5).toString('hex');
    const secret = randomBytes(32).toString('base64url');
    const created = this.clock.now();
    const info: TokenInfo = {
      id,
      description,
      created,
      expires: created + (ttlSeconds === 0 ? DEFAULT_TTL_S : ttlSeconds) * 1000,
      uses: 0,
    };
    await this.write({ ...info, hash: sha256(secret).toString('hex') });
    return { info, token: `${VERSION}.${this.caHash}.${id}.${secret}` };
  }

  /** Those that still count, oldest first. */
  list(): readonly TokenInfo[] {
    const now = this.clock.now();
    return this.all()
      .filter((token) => token.expires > now)
      .map(({ id, description, created, expires, uses }) => ({ id, description, created, expires, uses }))
      .sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
  }

  /** Rejects with ApiError NotFound. */
  async revoke(id: string): Promise<void> {
    if (this.read(id) === undefined)
      throw new ApiError('NotFound', `join token "${id}" not found`, { advice: 'See the tokens there are: podplane token list' });
    await this.meta.set(PREFIX + id, undefined);
  }

  /** The id of the token, where it may be used now. Throws ApiError Unauthorized that says what is wrong with it. */
  check(token: string): string {
    const advice = 'Make a new one on the server: podplane token create';
    const [version, caHash, id, secret, ...rest] = token.trim().split('.');
    if (version !== VERSION || caHash === undefined || id === undefined || secret === undefined || rest.length > 0) {
      throw unauthorized(`the join token is not of the form ${VERSION}.<hash>.<id>.<secret>`, 'Copy the whole token.');
    }
    if (caHash !== this.caHash) throw unauthorized('the join token belongs to another cluster', advice);
    const stored = this.read(id);
    // The same work for an unknown id as for a wrong secret, and the same answer.
    const wanted = stored === undefined ? sha256('') : Buffer.from(stored.hash, 'hex');
    const right = timingSafeEqual(sha256(secret), wanted);
    if (stored === undefined || !right) throw unauthorized('the join token is wrong or was revoked', advice);
    if (stored.expires <= this.clock.now())
      throw unauthorized(`the join token expired at ${new Date(stored.expires).toISOString()}`, advice);
    return id;
  }

  /** One more node has joined with it. A token that was revoked meanwhile stays revoked. */
  async countUse(id: string): Promise<void> {
    const stored = this.read(id);
    if (stored !== undefined) await this.write({ ...stored, uses: stored.uses + 1 });
  }

  private async removeExpired(): Promise<void> {
    const now = this.clock.now();
    for (const token of this.all()) if (token.expires <= now) await this.meta.set(PREFIX + token.id, undefined);
  }

  private all(): StoredToken[] {
    return this.meta.keys(PREFIX).flatMap((key) => this.read(key.slice(PREFIX.length)) ?? []);
  }

  private read(id: string): StoredToken | undefined {
    const text = this.meta.get(PREFIX + id);
    return text === undefined ? undefined : (JSON.parse(text) as StoredToken); // only ever written below
  }

  private write(token: StoredToken): Promise<void> {
    return this.meta.set(PREFIX + token.id, JSON.stringify(token));
  }
}
