import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { Secret } from '@podplane/api/gen/podplane/core/v1/secret';
import { Volume } from '@podplane/api/gen/podplane/core/v1/volume';
import * as fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { EnvContext } from '../pods/env.js';
import { pathProblem, payloadOf, quoted } from './payload.js';

const bytes = (text: string): string => Buffer.from(text).toString('base64');
const maps = [
  ConfigMap.fromJSON({
    metadata: { namespace: 'd', name: 'cfg' },
    data: { a: '1', b: 'two' },
    binaryData: { raw: Buffer.from([0, 255]).toString('base64') },
  }),
  // A key that admission would never let through: the node does not trust it.
  ConfigMap.fromJSON({ metadata: { namespace: 'd', name: 'evil' }, data: { '../../etc/passwd': 'x' } }),
];
const secrets = [Secret.fromJSON({ metadata: { namespace: 'd', name: 'sec' }, data: { user: bytes('root'), pass: bytes('s3') } })];
const pod = Pod.fromJSON({
  metadata: { namespace: 'd', name: 'web', uid: 'u1', labels: { b: '2', a: 'x"y' }, annotations: { 'k/n': 'line1\nline2' } },
  spec: { containers: [{ name: 'c', image: 'i', resources: { limits: { memory: '64Mi' }, requests: { cpu: '250m' } } }] },
});
const context: EnvContext = {
  pod,
  references: {
    configMap: (namespace, name) => maps.find(({ metadata }) => metadata?.namespace === namespace && metadata.name === name),
    secret: (namespace, name) => secrets.find(({ metadata }) => metadata?.namespace === namespace && metadata.name === name),
  },
  podIP: '',
  hostIP: '',
  nodeName: 'n',
  allocatable: { cpu: '4' },
};

function shown(volume: object): unknown {
  const made = payloadOf(Volume.fromJSON({ name: 'v', ...volume }), context);
  if (!made.ok) return made.message;
  return Object.fromEntries([...made.files].map(([path, { data, mode }]) => [path, `${data.toString('latin1')} ${mode.toString(8)}`]));
}

test.each<[string, object, unknown]>([
  ['all keys', { configMap: { name: 'cfg' } }, { a: '1 644', b: 'two 644', raw: '\x00\xff 644' }],
  [
    'items, paths and modes',
    {
      configMap: {
        name: 'cfg',
        defaultMode: 0o400,
        items: [
          { key: 'a', path: 'x/y' },
          { key: 'b', path: 'b', mode: 0o755 },
        ],
      },
    },
    { 'x/y': '1 400', b: 'two 755' },
  ],
  [
    'one key as two files',
    {
      configMap: {
        name: 'cfg',
        items: [
          { key: 'a', path: 'p' },
          { key: 'a', path: 'q' },
        ],
      },
    },
    { p: '1 644', q: '1 644' },
  ],
  ['a missing map', { configMap: { name: 'no' } }, 'configmap "no" not found'],
  ['a missing map that is optional', { configMap: { name: 'no', optional: true } }, {}],
  ['a missing key', { configMap: { name: 'cfg', items: [{ key: 'z', path: 'z' }] } }, 'configmap references non-existent config key: z'],
  [
    'a missing key that is optional',
    {
      configMap: {
        name: 'cfg',
        optional: true,
        items: [
          { key: 'z', path: 'z' },
          { key: 'a', path: 'a' },
        ],
      },
    },
    { a: '1 644' },
  ],
  ['a secret', { secret: { secretName: 'sec', defaultMode: 0o400 } }, { user: 'root 400', pass: 's3 400' }],
  ['a missing secret', { secret: { secretName: 'no' } }, 'secret "no" not found'],
  [
    'a missing key of a secret',
    { secret: { secretName: 'sec', items: [{ key: 'z', path: 'z' }] } },
    'secret references non-existent secret key: z',
  ],
  [
    'facts',
    {
      downwardAPI: {
        items: [
          { path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } },
          { path: 'annotations', fieldRef: { fieldPath: 'metadata.annotations' }, mode: 0o600 },
          { path: 'one', fieldRef: { fieldPath: "metadata.labels['b']" } },
          { path: 'name', fieldRef: { fieldPath: 'metadata.name' } },
          { path: 'mem', resourceFieldRef: { containerName: 'c', resource: 'limits.memory', divisor: '1Mi' } },
          { path: 'cpu', resourceFieldRef: { containerName: 'c', resource: 'requests.cpu', divisor: '1m' } },
          { path: 'node', resourceFieldRef: { containerName: 'c', resource: 'limits.cpu' } },
        ],
      },
    },
    {
      labels: 'a="x\\"y"\nb="2" 644',
      annotations: 'k/n="line1\\nline2" 600',
      one: '2 644',
      name: 'web 644',
      mem: '64 644',
      cpu: '250 644',
      node: '4 644',
    },
  ],
  [
    'a status field',
    { downwardAPI: { items: [{ path: 'p', fieldRef: { fieldPath: 'status.podIP' } }] } },
    'fieldRef.fieldPath status.podIP is not supported in volumes',
  ],
  [
    'projected',
    {
      projected: {
        defaultMode: 0o440,
        sources: [
          { configMap: { name: 'cfg', items: [{ key: 'a', path: 'cm/a' }] } },
          { secret: { name: 'sec', items: [{ key: 'pass', path: 'sec/pass', mode: 0o400 }] } },
          { downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
          { configMap: { name: 'no', optional: true } },
        ],
      },
    },
    { 'cm/a': '1 440', 'sec/pass': 's3 400', name: 'web 440' },
  ],
  ['a token where there are none', { projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }, 'this agent has no tokens'],
  ['a bundle', { projected: { sources: [{ clusterTrustBundle: { path: 't' } }] } }, 'a source of the projected volume is not supported'],
  ['a path that leads out', { configMap: { name: 'cfg', items: [{ key: 'a', path: '../a' }] } }, 'path "../a" must not start with ".."'],
  [
    'a path that leads out later',
    { configMap: { name: 'cfg', items: [{ key: 'a', path: 'a/../../b' }] } },
    'path "a/../../b" must not contain "..", "." or empty steps',
  ],
  ['an absolute path', { configMap: { name: 'cfg', items: [{ key: 'a', path: '/etc/x' }] } }, 'path "/etc/x" must be relative'],
  [
    "the volume's own link",
    { configMap: { name: 'cfg', items: [{ key: 'a', path: '..data' }] } },
    'path "..data" must not start with ".."',
  ],
  ['a hostile key', { configMap: { name: 'evil' } }, 'path "../../etc/passwd" must not start with ".."'],
  [
    'a file where a folder must be',
    {
      configMap: {
        name: 'cfg',
        items: [
          { key: 'a', path: 'p' },
          { key: 'b', path: 'p/q' },
        ],
      },
    },
    'path "p" is a file and a folder',
  ],
])('%s', (_name, volume, expected) => {
  expect(shown(volume)).toEqual(expected);
});

it('knows which volumes hold secrets', () => {
  const secret = (volume: object): unknown => {
    const made = payloadOf(Volume.fromJSON({ name: 'v', ...volume }), context);
    return made.ok && made.secret;
  };
  expect(secret({ secret: { secretName: 'sec' } })).toBe(true);
  expect(secret({ projected: { sources: [{ secret: { name: 'sec' } }] } })).toBe(true);
  expect(secret({ configMap: { name: 'cfg' } })).toBe(false);
});

describe('paths', () => {
  it('that are allowed stay below the folder, whatever they are', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', '..', '.', '', '..x', 'b.c', '/', 'x..')).map((steps) => steps.join('/')),
        (path) => {
          if (pathProblem(path) !== undefined) return;
          const full = new URL(`file:///root/vol/${path.split('/').map(encodeURIComponent).join('/')}`).pathname;
          expect(full.startsWith('/root/vol/')).toBe(true);
          expect(path.startsWith('..')).toBe(false);
        },
      ),
    );
  });
});

test.each([
  ['plain', '"plain"'],
  ['a"b\\c', '"a\\"b\\\\c"'],
  ['\t\n\r\0\x7f', '"\\t\\n\\r\\x00\\x7f"'],
  ['grün 世界', '"grün 世界"'],
  ['\u200b\u{e0001}', '"\\u200b\\U000e0001"'],
])('%j is written %s', (text, expected) => {
  expect(quoted(text)).toBe(expected);
});
