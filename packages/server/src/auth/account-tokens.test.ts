// Tokens of service accounts: what is in them, what ends them, and that nothing else counts as one.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { ServiceAccount } from '@podplane/api/gen/podplane/core/v1/service_account';
import type { ReadView } from '@podplane/store/types';
import { afterEach, beforeEach, expect, it, test } from 'vitest';
import { AccountTokens, ISSUER, type IssuedToken } from './account-tokens.js';
import { openTokenKey, type TokenKey } from './token-key.js';

let now = 0;
let accounts: ServiceAccount[] = [];
let pods: Pod[] = [];
let key: TokenKey;
let tokens: AccountTokens;

const view = {
  get: (kind: string, namespace: string, name: string) =>
    (kind === 'ServiceAccount' ? accounts : kind === 'Pod' ? pods : []).find(
      ({ metadata }) => metadata?.namespace === namespace && metadata.name === name,
    ),
  byUid: (_kind: string, uid: string) => pods.find(({ metadata }) => metadata?.uid === uid),
} as unknown as ReadView;

const system = { clock: { now: () => now, monotonic: () => now }, random: { uid: () => 'jti' } } as never;

beforeEach(async () => {
  now = 1_700_000_000_000;
  accounts = [ServiceAccount.fromPartial({ metadata: { namespace: 'd', name: 'web', uid: 'account-1' } })];
  pods = [
    Pod.fromPartial({
      metadata: { namespace: 'd', name: 'p', uid: 'pod-1' },
      spec: { serviceAccountName: 'web', nodeName: 'n1' },
      status: { phase: 'Running' },
    }),
  ];
  key = await openTokenKey(undefined);
  tokens = new AccountTokens(key, () => view, system);
});

const wish = { namespace: 'd', account: 'web', audiences: [], expirationSeconds: 600 };
const issue = (): IssuedToken => tokens.issueForNode('n1', 'pod-1', '', 600);
const problem = (token: string): string => {
  const found = tokens.check(token);
  return 'problem' in found ? found.problem : '';
};
const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;

it('names the account, the pod and the time, as Kubernetes does', () => {
  const { token, expires } = issue();
  expect(expires).toBe(now + 600_000);
  expect(claimsOf(token)).toEqual({
    aud: [ISSUER],
    exp: now / 1000 + 600,
    iat: now / 1000,
    nbf: now / 1000,
    iss: ISSUER,
    jti: 'jti',
    sub: 'system:serviceaccount:d:web',
    'kubernetes.io': { namespace: 'd', pod: { name: 'p', uid: 'pod-1' }, serviceaccount: { name: 'web', uid: 'account-1' } },
  });
  expect(tokens.check(token)).toEqual({ namespace: 'd', account: 'web', uid: 'account-1' });
});

test.each<[string, () => void, string]>([
  ['its time', () => (now += 600_000), 'the token expired'],
  ['the end of its pod', () => (pods = []), 'the pod of the token is no more'],
  ['another pod of the name', () => pods[0]?.metadata && (pods[0].metadata.uid = 'pod-2'), 'the pod of the token is no more'],
  ['a pod that is over', () => pods[0]?.status && (pods[0].status.phase = 'Succeeded'), 'the pod of the token is no more'],
  ['the end of its account', () => (accounts = []), 'the service account of the token is no more'],
  [
    'another account of the name',
    () => accounts[0]?.metadata && (accounts[0].metadata.uid = 'x'),
    'the service account of the token is no more',
  ],
])('ends with %s', (_what, happen, words) => {
  const { token } = issue();
  expect(problem(token)).toBe('');
  happen();
  expect(problem(token)).toContain(words);
});

test.each<[string, (token: string) => string]>([
  ['nothing', () => ''],
  ['words', () => 'a.b.c'],
  ['other claims under the signature', (token) => token.replace(/\.[^.]+\./, `.${Buffer.from('{"sub":"x"}').toString('base64url')}.`)],
  ['no signature', (token) => token.replace(/[^.]+$/, '')],
  ['a signature that was cut', (token) => token.slice(0, -4)],
  ['alg none', (token) => `${Buffer.from('{"alg":"none","kid":"x"}').toString('base64url')}.${token.split('.')[1] ?? ''}.`],
  ['a token that is too long', (token) => token + 'a'.repeat(20_000)],
])('%s is no token', (_what, change) => {
  expect(problem(change(issue().token))).not.toBe('');
});

it('of another cluster, or for another audience, it counts for nothing', async () => {
  const others = new AccountTokens(await openTokenKey(undefined), () => view, system);
  expect(problem(others.issue(wish).token)).toBe('the token was not signed by this cluster');
  expect(problem(tokens.issue({ ...wish, audiences: ['vault'] }).token)).toBe('the token is for another audience');
});

test.each<[string, () => unknown, RegExp]>([
  ['too short a time', () => tokens.issue({ ...wish, expirationSeconds: 599 }), /may not specify a duration less than 10 minutes/],
  ['an account that is not there', () => tokens.issue({ ...wish, account: 'x' }), /serviceaccounts "x" not found/],
  ['an empty audience', () => tokens.issue({ ...wish, audiences: [''] }), /audiences/],
  [
    'a pod of another account',
    () => tokens.issue({ ...wish, pod: Pod.fromPartial({ metadata: { namespace: 'd', name: 'q' } }) }),
    /does not run as/,
  ],
  ['a pod of another node', () => tokens.issueForNode('n2', 'pod-1', '', 600), /node "n2" may only ask for tokens of pods that run on it/],
  ['a pod that is not there', () => tokens.issueForNode('n1', 'x', '', 600), /may only ask for tokens of pods/],
])('refuses %s', (_what, attempt, message) => {
  expect(attempt).toThrow(message);
});

let folder = '';
afterEach(() => {
  if (folder !== '') rmSync(folder, { recursive: true });
  folder = '';
});

it('the key is kept, readable by its owner alone, and damage is told', async () => {
  folder = mkdtempSync(join(tmpdir(), 'podplane-key-'));
  const first = await openTokenKey(folder);
  const file = join(folder, 'service-account.key');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect((await openTokenKey(folder)).id).toBe(first.id);
  writeFileSync(file, readFileSync(file, 'utf8').slice(0, 60));
  await expect(openTokenKey(folder)).rejects.toThrow('cannot be read');
});
