// What the cause of a person's write says of it: a table.
import { Deployment } from '@podplane/api/gen/podplane/apps/v1/deployment';
import { Node } from '@podplane/api/gen/podplane/core/v1/node';
import type { Obj } from '@podplane/api/kinds/kind-map';
import type { Change } from '@podplane/store/types';
import { expect, test } from 'vitest';
import { askWords } from './ask-words.js';

const deployment = (spec: object, image = 'web:1'): Obj =>
  Deployment.fromJSON({ spec: { ...spec, template: { spec: { containers: [{ name: 'c', image }] } } } });
const words = (previous: Obj | undefined, object: Obj): string | undefined =>
  askWords({ kind: 'Deployment', type: previous === undefined ? 'added' : 'modified', object, previous } as Change);

test.each<[string | undefined, Obj | undefined, Obj]>([
  [undefined, undefined, deployment({ replicas: 1 })],
  [undefined, deployment({ replicas: 1 }), deployment({ replicas: 1 })],
  ['replicas 1 -> 3', deployment({ replicas: 1 }), deployment({ replicas: 3 })],
  ['image of c: web:1 -> web:2', deployment({}), deployment({}, 'web:2')],
  [
    'replicas 1 -> 3, paused unset -> true, image of c: web:1 -> web:2',
    deployment({ replicas: 1 }),
    deployment({ replicas: 3, paused: true }, 'web:2'),
  ],
  [
    'the template of pods',
    deployment({}),
    Deployment.fromJSON({ spec: { template: { spec: { hostname: 'h', containers: [{ name: 'c', image: 'web:1' }] } } } }),
  ],
  ['unschedulable unset -> true', Node.fromJSON({ spec: {} }), Node.fromJSON({ spec: { unschedulable: true } })],
  ['taints', Node.fromJSON({ spec: {} }), Node.fromJSON({ spec: { taints: [{ key: 'k', effect: 'NoExecute' }] } })],
])('%s', (expected, previous, object) => {
  expect(words(previous, object)).toBe(expected);
});
