import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JsonObject, JsonValue } from './decode/tree.js';
import { applyMergePatch } from './patch.js';
import { kindSchema, type MessageSchema } from './schema/model.js';
import { threeWayMergePatch } from './three-way.js';

const key = fc.constantFrom('a', 'b', 'c', 'constructor', 'toString', 'x/y');
const { object } = fc.letrec<{ value: JsonValue; object: JsonObject }>((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, fc.integer(), fc.string(), fc.boolean(), fc.array(fc.integer(), { maxLength: 2 }), tie('object')),
  object: fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
}));

describe('three-way merge', () => {
  test('removes what was applied and is no more, keeps what others set', () => {
    const original = { metadata: { labels: { a: '1', gone: 'x' } }, spec: { replicas: 2, paused: true } };
    const modified = { metadata: { labels: { a: '2' } }, spec: { replicas: 3 } };
    const current = {
      metadata: { uid: 'u', labels: { a: '1', gone: 'x', theirs: 't' } },
      spec: { replicas: 9, paused: true, strategy: { type: 'Recreate' } },
      status: { n: 1 },
    };
    const patch = threeWayMergePatch(original, modified, current);
    expect(patch).toEqual({ metadata: { labels: { gone: null, a: '2' } }, spec: { paused: null, replicas: 3 } });
    expect(applyMergePatch(current, patch)).toEqual({
      metadata: { uid: 'u', labels: { a: '2', theirs: 't' } },
      spec: { replicas: 3, strategy: { type: 'Recreate' } },
      status: { n: 1 },
    });
  });

  test('says {} where nothing is to do, also when what it would remove is gone already', () => {
    expect(threeWayMergePatch({ a: { b: 1, c: 2 } }, { a: { b: 1 } }, { a: { b: 1, d: 3 } })).toEqual({});
  });

  test('a value that was applied before and is wanted again is set again', () => {
    expect(threeWayMergePatch({ replicas: 2 }, { replicas: 2 }, { replicas: 7 })).toEqual({ replicas: 2 });
  });

  test('after it, all that is wanted is there, nothing that was dropped, and a second one is empty', () => {
    fc.assert(
      fc.property(object, object, object, (original, modified, current) => {
        const result = applyMergePatch(current, threeWayMergePatch(original, modified, current)) as JsonObject;
        expect(applyMergePatch(result, modified)).toEqual(result);
        for (const dropped of Object.keys(original))
          if (!Object.hasOwn(modified, dropped)) expect(Object.hasOwn(result, dropped)).toBe(false);
        expect(threeWayMergePatch(original, modified, result)).toEqual({});
        expect(threeWayMergePatch(modified, modified, result)).toEqual({});
      }),
    );
  });
});

function schemaOf(kind: string): MessageSchema {
  const schema = kindSchema(kind);
  if (schema === undefined) throw new Error(kind);
  return schema;
}

describe('three-way merge with a schema', () => {
  const pod = schemaOf('Pod');
  const web = { name: 'web', image: 'web:1' };
  const full = { ...web, imagePullPolicy: 'IfNotPresent', env: [{ name: 'THEIRS', value: 'x' }] };
  const side = { name: 'side', image: 'side:1' };
  // what was applied, what is applied, what is there, what becomes of it; as kubectl apply has it.
  test.each<[string, JsonObject, JsonObject, JsonObject, JsonObject]>([
    [
      'nothing to do beside defaults and what others added',
      { containers: [web] },
      { containers: [web] },
      { containers: [side, full] },
      { containers: [side, full] },
    ],
    [
      'an element is changed, its other fields stay',
      { containers: [web] },
      { containers: [{ ...web, image: 'web:2' }] },
      { containers: [full] },
      { containers: [{ ...full, image: 'web:2' }] },
    ],
    [
      'elements of elements',
      { containers: [{ ...web, env: [{ name: 'OLD', value: '1' }] }] },
      { containers: [{ ...web, env: [{ name: 'NEW', value: '2' }] }] },
      {
        containers: [
          {
            ...web,
            env: [
              { name: 'OLD', value: '1' },
              { name: 'THEIRS', value: 'x' },
            ],
          },
        ],
      },
      {
        containers: [
          {
            ...web,
            env: [
              { name: 'NEW', value: '2' },
              { name: 'THEIRS', value: 'x' },
            ],
          },
        ],
      },
    ],
    [
      'an element that is applied no more goes',
      { containers: [web, side] },
      { containers: [web] },
      { containers: [full, side] },
      { containers: [full] },
    ],
    [
      'a field of an element that is applied no more goes',
      { containers: [{ ...web, tty: true }] },
      { containers: [web] },
      { containers: [{ ...full, tty: true }] },
      { containers: [full] },
    ],
    ['made without apply: nothing of it goes', {}, { containers: [web] }, { containers: [side, full] }, { containers: [side, full] }],
    ['another order', { containers: [web, side] }, { containers: [side, web] }, { containers: [full, side] }, { containers: [side, full] }],
    ['a new one in front', { containers: [web] }, { containers: [side, web] }, { containers: [full] }, { containers: [side, full] }],
    [
      'another source of a volume',
      { volumes: [{ name: 'v', emptyDir: {} }] },
      { volumes: [{ name: 'v', hostPath: { path: '/x' } }] },
      { volumes: [{ name: 'v', emptyDir: { sizeLimit: '1' } }, { name: 'theirs' }] },
      { volumes: [{ name: 'v', hostPath: { path: '/x' } }, { name: 'theirs' }] },
    ],
    [
      'lists without a merge key are replaced',
      { tolerations: [{ key: 'a' }] },
      { tolerations: [{ key: 'b' }] },
      { tolerations: [{ key: 'a' }, { key: 'c' }] },
      { tolerations: [{ key: 'b' }] },
    ],
    [
      'ports of one number and two protocols cannot be told apart, so they are replaced',
      { containers: [{ ...web, ports: [{ containerPort: 53, protocol: 'TCP' }] }] },
      {
        containers: [
          {
            ...web,
            ports: [
              { containerPort: 53, protocol: 'TCP' },
              { containerPort: 53, protocol: 'UDP' },
            ],
          },
        ],
      },
      { containers: [{ ...web, ports: [{ containerPort: 53, protocol: 'TCP' }] }] },
      {
        containers: [
          {
            ...web,
            ports: [
              { containerPort: 53, protocol: 'TCP' },
              { containerPort: 53, protocol: 'UDP' },
            ],
          },
        ],
      },
    ],
  ])('%s', (_what, original, modified, current, result) => {
    const copies = structuredClone([original, modified, current]);
    const patch = threeWayMergePatch({ spec: original }, { spec: modified }, { spec: current }, pod);
    expect(applyMergePatch({ spec: current }, patch)).toEqual({ spec: result });
    expect(threeWayMergePatch({ spec: modified }, { spec: modified }, { spec: result }, pod)).toEqual({});
    expect([original, modified, current]).toEqual(copies);
  });

  test('finalizers of others stay, those applied before go', () => {
    const [original, modified, current] = [
      ['a', 'b'],
      ['b', 'c'],
      ['a', 'b', 'theirs'],
    ].map((finalizers) => ({ metadata: { finalizers } }));
    if (original === undefined || modified === undefined || current === undefined) throw new Error('three were given');
    expect(threeWayMergePatch(original, modified, current, pod)).toEqual({ metadata: { finalizers: ['b', 'c', 'theirs'] } });
  });

  test('a Deployment from the default strategy to Recreate: the other one has to go', () => {
    const current = { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%' } } } };
    const patch = threeWayMergePatch({ spec: {} }, { spec: { strategy: { type: 'Recreate' } } }, current, schemaOf('Deployment'));
    expect(patch).toEqual({ spec: { strategy: { type: 'Recreate', rollingUpdate: null } } });
    // Where the strategy is not applied, it is left alone.
    expect(threeWayMergePatch({ spec: {} }, { spec: {} }, current, schemaOf('Deployment'))).toEqual({});
  });
});
