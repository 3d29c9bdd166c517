import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { referencesOf } from './references.js';

const of = (spec: object): string[] => [...referencesOf(Pod.fromJSON({ metadata: { name: 'p', namespace: 'd' }, spec }))].sort();

test.each<[string, object, string[]]>([
  ['a ConfigMap volume', { volumes: [{ name: 'v', configMap: { name: 'c' } }] }, ['ConfigMap/d/c']],
  ['a Secret volume', { volumes: [{ name: 'v', secret: { secretName: 's' } }] }, ['Secret/d/s']],
  [
    'a projected volume',
    { volumes: [{ name: 'v', projected: { sources: [{ configMap: { name: 'c' } }, { secret: { name: 's' } }, { downwardAPI: {} }] } }] },
    ['ConfigMap/d/c', 'Secret/d/s'],
  ],
  [
    'what needs none',
    {
      volumes: [
        { name: 'v', emptyDir: {} },
        { name: 'h', hostPath: { path: '/' } },
        { name: 'd', downwardAPI: {} },
      ],
    },
    [],
  ],
  [
    'one thing named twice',
    {
      volumes: [{ name: 'v', configMap: { name: 'c', optional: true } }],
      containers: [{ name: 'a', envFrom: [{ configMapRef: { name: 'c' } }] }],
    },
    ['ConfigMap/d/c'],
  ],
])('%s', (_what, spec, references) => {
  expect(of(spec)).toEqual(references);
});

// Names with blanks are none, but nothing here may rely on it: sets that are kept in common must never be mixed up.
const name = fc.constantFrom('a', 'b', 'a Secret/d/b', 'c');

test('what others named before changes no answer, and equal answers are one object', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ configMaps: fc.array(name, { maxLength: 3 }), secrets: fc.array(name, { maxLength: 3 }) }), { maxLength: 8 }),
      (pods) => {
        for (const { configMaps, secrets } of pods) {
          const spec = {
            containers: [{ name: 'a', envFrom: configMaps.map((one) => ({ configMapRef: { name: one } })) }],
            imagePullSecrets: secrets.map((one) => ({ name: one })),
          };
          const found = referencesOf(Pod.fromJSON({ metadata: { name: 'p', namespace: 'd' }, spec }));
          const expected = new Set([...configMaps.map((one) => `ConfigMap/d/${one}`), ...secrets.map((one) => `Secret/d/${one}`)]);
          expect(new Set(found)).toEqual(expected);
        }
      },
    ),
  );
  const spec = { imagePullSecrets: [{ name: 'x' }] };
  const pod = (podName: string): Pod => Pod.fromJSON({ metadata: { name: podName, namespace: 'd' }, spec });
  expect(referencesOf(pod('p'))).toBe(referencesOf(pod('q')));
});
