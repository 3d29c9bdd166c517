// Tokens of service accounts, as Kubernetes makes them: JWTs (ES256) that name the account and, where they are bound to one, the pod and
// its node. One that is bound ends with what it is bound to. What an account may do is in authorize.ts.
import { forbiddenCall, invalid, invalidObject, notFound, Path } from '@podplane/api/errors';
import type { Obj } from '@podplane/api/kinds/kind-map';
import { isPodTerminal } from '@podplane/api/pod-state';
import type { System } from '@podplane/api/system';
import type { ReadView } from '@podplane/store/types';
import type { TokenKey } from './token-key.js';

/** Who signs, and for whom where nothing is said: Kubernetes' name for its API server. */
export const ISSUER = 'https://kubernetes.default.svc.cluster.local';
export const ACCOUNT_USER_PREFIX = 'system:serviceaccount:';
export const LEAST_SECONDS = 600;
const DEFAULT_SECONDS = 3600;
/** Longer ones are cut to this: a day. */
const MOST_SECONDS = 86_400;
/** Clocks differ by so much at most. */
const LEEWAY_S = 10;
const LONGEST_TOKEN = 16_384;
const LONGEST_AUDIENCE = 1024;

export interface TokenWish {
  readonly namespace: string;
  readonly account: string;
  readonly audiences: readonly string[];
  /** 0: an hour. */
  readonly expirationSeconds: number;
  readonly pod?: Obj<'Pod'> | undefined;
}

export interface IssuedToken {
  readonly token: string;
  /** Ms since 1970. */
  readonly expires: number;
}

export interface AccountIdentity {
  readonly namespace: string;
  readonly account: string;
  readonly uid: string;
}

interface Named {
  readonly name: string;
  readonly uid: string;
}

interface Claims {
  readonly aud: readonly string[];
  readonly exp: number;
  readonly nbf: number;
  readonly iss: string;
  readonly sub: string;
  readonly bound: { readonly namespace: string; readonly serviceaccount: Named; readonly pod?: Named | undefined };
}

export class AccountTokens {
  constructor(
    private readonly key: TokenKey,
    private readonly view: () => ReadView,
    private readonly system: Pick<System, 'clock' | 'random'>,
  ) {}

  /** Throws ApiError: NotFound, Invalid, Forbidden. */
  issue({ namespace, account, audiences, expirationSeconds, pod }: TokenWish): IssuedToken {
    const found = this.view().get('ServiceAccount', namespace, account);
    if (found === undefined) throw notFound('ServiceAccount', namespace, account);
    const seconds = expirationSeconds === 0 ? DEFAULT_SECONDS : expirationSeconds;
    const at = Path.of('spec', 'expirationSeconds');
    if (!Number.isInteger(seconds) || seconds < LEAST_SECONDS)
      throw invalidObject('ServiceAccount', namespace, account, [invalid(at, seconds, 'may not specify a duration less than 10 minutes')]);
    if (audiences.length > 16 || audiences.some((one) => one === '' || one.length > LONGEST_AUDIENCE))
      throw invalidObject('ServiceAccount', namespace, account, [
        invalid(Path.of('spec', 'audiences'), audiences.slice(0, 3), `at most 16, none empty, none longer than ${LONGEST_AUDIENCE}`),
      ]);
    if (pod !== undefined && (pod.metadata?.namespace !== namespace || accountOf(pod) !== account))
      throw forbiddenCall(`pod "${pod.metadata?.name ?? ''}" does not run as service account "${account}"`);
    const now = Math.floor(this.system.clock.now() / 1000);
    const exp = now + Math.min(seconds, MOST_SECONDS);
    const named = ({ metadata }: Obj): Named => ({ name: metadata?.name ?? '', uid: metadata?.uid ?? '' });
    const node = pod?.spec?.nodeName ? this.view().get('Node', '', pod.spec.nodeName) : undefined;
    const claims = {
      aud: audiences.length === 0 ? [ISSUER] : audiences,
      exp,
      iat: now,
      iss: ISSUER,
      jti: this.system.random.uid(),
      'kubernetes.io': {
        namespace,
        ...(node === undefined ? {} : { node: named(node) }),
        ...(pod === undefined ? {} : { pod: named(pod) }),
        serviceaccount: named(found),
      },
      nbf: now,
      sub: `${ACCOUNT_USER_PREFIX}${namespace}:${account}`,
    };
    const encode = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url');
    const text = `${encode({ alg: 'ES256', kid: this.key.id, typ: 'JWT' })}.${encode(claims)}`;
    return { token: `${text}.${this.key.sign(text).toString('base64url')}`, expires: exp * 1000 };
  }

  /** For a pod, asked by the agent of its node. Throws ApiError as issue does, and Forbidden where the pod is not that node's. */
  issueForNode(nodeName: string, podUid: string, audience: string, expirationSeconds: number): IssuedToken {
    const pod = this.view().byUid('Pod', podUid);
    if (pod === undefined || pod.spec?.nodeName !== nodeName || isPodTerminal(pod))
      throw forbiddenCall(`node "${nodeName}" may only ask for tokens of pods that run on it`);
    const namespace = pod.metadata?.namespace ?? '';
    return this.issue({ namespace, account: accountOf(pod), audiences: audience === '' ? [] : [audience], expirationSeconds, pod });
  }

  /** Who shows this token, or in words why it does not count here and now. */
  check(token: string): AccountIdentity | { readonly problem: string } {
    if (token.length > LONGEST_TOKEN) return { problem: 'the token is too long' };
    const claims = this.read(token);
    if (typeof claims === 'string') return { problem: claims };
    const now = this.system.clock.now() / 1000;
    if (claims.iss !== ISSUER) return { problem: 'the token is from another issuer' };
    if (now >= claims.exp) return { problem: `the token expired at ${new Date(claims.exp * 1000).toISOString()}` };
    if (now < claims.nbf - LEEWAY_S) return { problem: 'the token is not valid yet' };
    if (!claims.aud.includes(ISSUER)) return { problem: 'the token is for another audience' };
    const { namespace, serviceaccount, pod } = claims.bound;
    const view = this.view();
    if (view.get('ServiceAccount', namespace, serviceaccount.name)?.metadata?.uid !== serviceaccount.uid)
      return { problem: 'the service account of the token is no more' };
    if (pod !== undefined) {
      const found = view.get('Pod', namespace, pod.name);
      if (found === undefined || found.metadata?.uid !== pod.uid || isPodTerminal(found))
        return { problem: 'the pod of the token is no more' };
    }
    return { namespace, account: serviceaccount.name, uid: serviceaccount.uid };
  }

  /** Claims that our key has signed, or what is wrong. Nothing is looked at before the signature has been. */
  private read(token: string): Claims | string {
    const [head, body, signature, ...more] = token.split('.');
    if (head === undefined || body === undefined || signature === undefined || more.length > 0) return 'the token is no JWT';
    const header = parse(head);
    if (header?.['alg'] !== 'ES256' || header['kid'] !== this.key.id) return 'the token was not signed by this cluster';
    const bytes = Buffer.from(signature, 'base64url');
    if (bytes.length !== 64 || !this.key.verify(`${head}.${body}`, bytes)) return 'the token was not signed by this cluster';
    const claims = parse(body);
    const bound = claims?.['kubernetes.io'];
    // Only ever signed above.
    return claims === undefined || bound === undefined ? 'the token names no service account' : ({ ...claims, bound } as unknown as Claims);
  }
}

const accountOf = (pod: Obj<'Pod'>): string => pod.spec?.serviceAccountName || 'default';

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return typeof json === 'object' && json !== null ? (json as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}
