import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { Secret } from '@podplane/api/gen/podplane/core/v1/secret';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { credentialsFor, placeOf } from './registry-auth.js';

const auth = (user: string): string => Buffer.from(`${user}:pass:${user}`).toString('base64');

function usersFor(image: string, ...secrets: readonly object[]): readonly string[] {
  const pod = Pod.fromJSON({
    metadata: { namespace: 'prod' },
    spec: { imagePullSecrets: secrets.map((_, i) => ({ name: `s${i}` })) },
  });
  const kept = new Map<string, Secret>(
    secrets.map((data, i) => {
      const [[key, value]] = Object.entries(data) as [[string, unknown]];
      return [`s${i}`, Secret.create({ data: { [key]: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)) } })] as const;
    }),
  );
  const references = { configMap: () => undefined, secret: (_namespace: string, name: string) => kept.get(name) };
  return credentialsFor(pod, image, references).auths.map(({ username, password }) => `${username}/${password}`);
}

const config = (auths: object): object => ({ '.dockerconfigjson': { auths } });

describe('credentialsFor', () => {
  it.each<[string, string, object, readonly string[]]>([
    ['by host', 'reg.example/a:1', config({ 'reg.example': { auth: auth('u') } }), ['u/pass:u']],
    ['by URL', 'reg.example/a:1', config({ 'https://reg.example/v1/': { username: 'u', password: 'p' } }), ['u/p']],
    ['another port', 'reg.example:5000/a', config({ 'reg.example': { auth: auth('u') } }), []],
    ['this port', 'reg.example:5000/a', config({ 'reg.example:5000': { auth: auth('u') } }), ['u/pass:u']],
    ['a pattern', 'eu.reg.example/a', config({ '*.reg.example': { auth: auth('u') } }), ['u/pass:u']],
    ['a pattern is one part of the name', 'a.eu.reg.example/a', config({ '*.reg.example': { auth: auth('u') } }), []],
    ['the default registry', 'nginx:1', config({ 'https://index.docker.io/v1/': { auth: auth('u') } }), ['u/pass:u']],
    ['another repository', 'reg.example/b/app', config({ 'reg.example/a': { auth: auth('u') } }), []],
    [
      'the most particular first',
      'reg.example/a/app@sha256:00',
      config({
        'reg.example': { auth: auth('host') },
        'reg.example/a/app': { auth: auth('app') },
        'reg.example/a': { auth: auth('team') },
      }),
      ['app/pass:app', 'team/pass:team', 'host/pass:host'],
    ],
    ['a name is not a prefix of a name', 'reg.example/apple', config({ 'reg.example/app': { auth: auth('u') } }), []],
    ['the old form', 'reg.example/a', { '.dockercfg': { 'reg.example': { auth: auth('u') } } }, ['u/pass:u']],
    ['no JSON', 'reg.example/a', { '.dockerconfigjson': 'oops' }, []],
    ['an entry without a user', 'reg.example/a', config({ 'reg.example': { auth: '' }, 'https://reg.example': 7 }), []],
  ])('%s', (_what, image, secret, users) => {
    expect(usersFor(image, secret)).toEqual(users);
  });

  it('patterns of hosts are what a pattern with stars is, and looked at in no time', () => {
    const host = fc.string({ unit: fc.constantFrom('a', 'b', '-'), minLength: 1, maxLength: 8 }).map((text) => `a${text}a`);
    const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '*', '*'), minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(host, pattern, (name, stars) => {
        const expected = new RegExp(`^${stars.replaceAll('*', '.*')}$`).test(name);
        const found = usersFor(`${name}.example/a`, config({ [`${stars}.example`]: { auth: auth('u') } }));
        expect(found.length === 1).toBe(expected);
      }),
    );
    const many = `${'*a'.repeat(25)}*c`;
    expect(usersFor(`${'a'.repeat(60)}.example/a`, config({ [`${many}.example`]: { auth: auth('u') } }))).toEqual([]);
  });

  it('knows which Secrets are not there', () => {
    const pod = Pod.fromJSON({ metadata: { namespace: 'prod' }, spec: { imagePullSecrets: [{ name: 'gone' }] } });
    const references = { configMap: () => undefined, secret: () => undefined };
    expect(credentialsFor(pod, 'a', references)).toEqual({ auths: [], missing: ['gone'] });
  });
});

it.each([
  ['nginx', 'docker.io', 'library/nginx'],
  ['team/app:1', 'docker.io', 'team/app'],
  ['localhost/app', 'localhost', 'app'],
  ['reg:5000/a/b:1@sha256:00', 'reg:5000', 'a/b'],
])('%s is at %s %s', (image, host, path) => {
  expect(placeOf(image)).toEqual({ host, path });
});
