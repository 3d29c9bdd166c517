import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
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
