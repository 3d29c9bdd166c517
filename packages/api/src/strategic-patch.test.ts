import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JsonObject, JsonValue } from './decode/tree.js';
import { PatchError } from './patch.js';
import { kindSchema, type MessageSchema } from './schema/model.js';
import { applyStrategicPatch } from './strategic-patch.js';

function schemaOf(kind: string): MessageSchema {
  const schema = kindSchema(kind);
  if (schema === undefined) throw new Error(kind);
  return schema;
}
const pod = schemaOf('Pod');
const a = { name: 'a', image: 'a:1', env: [{ name: 'X', value: '1' }] };
const b = { name: 'b', image: 'b:1' };
const spec = (value: JsonValue): JsonObject => ({ spec: value });

describe('strategic merge patch', () => {
  // What Kubernetes does with each, by its documentation and the tests of its strategicpatch package.
  test.each<[string, JsonObject, JsonObject, JsonObject]>([
    [
      'elements are found by their key, the rest of them stays',
      { containers: [a, b] },
      { containers: [{ name: 'a', image: 'a:2' }] },
      { containers: [{ ...a, image: 'a:2' }, b] },
    ],
    [
      'lists within elements too',
      { containers: [a] },
      { containers: [{ name: 'a', env: [{ name: 'Y', value: '2' }] }] },
      {
        containers: [
          {
            ...a,
            env: [
              { name: 'Y', value: '2' },
              { name: 'X', value: '1' },
            ],
          },
        ],
      },
    ],
    ['a new element stands before those that the patch does not name', { containers: [a] }, { containers: [b] }, { containers: [b, a] }],
    [
      '$patch: delete takes an element away',
      { containers: [a, b] },
      { containers: [{ name: 'a', $patch: 'delete' }] },
      { containers: [b] },
    ],
    ['$patch: delete of what is not there', { containers: [b] }, { containers: [{ name: 'a', $patch: 'delete' }] }, { containers: [b] }],
    [
      '$patch: replace in a list',
      { containers: [a, b] },
      { containers: [{ $patch: 'replace' }, { name: 'c' }] },
      { containers: [{ name: 'c' }] },
    ],
    [
      '$patch: replace of an object',
      { securityContext: { runAsUser: 1 } },
      { securityContext: { $patch: 'replace', runAsGroup: 2 } },
      { securityContext: { runAsGroup: 2 } },
    ],
    [
      '$patch: delete of an object',
      { securityContext: { runAsUser: 1 } },
      { securityContext: { $patch: 'delete' } },
      { securityContext: {} },
    ],
    [
      'null removes, also in elements',
      { containers: [{ ...a, tty: true }] },
      { containers: [{ name: 'a', tty: null }], hostname: null },
      { containers: [a] },
    ],
    ['nulls of new elements are not kept', { containers: [] }, { containers: [{ name: 'a', tty: null }] }, { containers: [{ name: 'a' }] }],
    [
      '$patch: replace of a map',
      { nodeSelector: { x: '1' } },
      { nodeSelector: { $patch: 'replace', z: '3' } },
      { nodeSelector: { z: '3' } },
    ],
    ['maps merge', { nodeSelector: { x: '1', y: '2' } }, { nodeSelector: { x: null, z: '3' } }, { nodeSelector: { y: '2', z: '3' } }],
    [
      'lists without a merge key are replaced',
      { tolerations: [{ key: 'x' }] },
      { tolerations: [{ key: 'y' }] },
      { tolerations: [{ key: 'y' }] },
    ],
    [
      'so are lists of plain values',
      { containers: [{ name: 'a', args: ['1', '2'] }] },
      { containers: [{ name: 'a', args: ['3'] }] },
      { containers: [{ name: 'a', args: ['3'] }] },
    ],
    [
      '$setElementOrder',
      { containers: [a, b] },
      { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }], containers: [{ name: 'a', image: 'a:2' }] },
      { containers: [b, { ...a, image: 'a:2' }] },
    ],
    [
      '$setElementOrder alone',
      { containers: [a, b] },
      { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] },
      { containers: [b, a] },
    ],
    [
      '$retainKeys',
      { volumes: [{ name: 'v', hostPath: { path: '/x' } }] },
      { volumes: [{ name: 'v', $retainKeys: ['name', 'emptyDir'], emptyDir: {} }] },
      { volumes: [{ name: 'v', emptyDir: {} }] },
    ],
    [
      'ports are told apart by their number',
      { containers: [{ name: 'a', ports: [{ containerPort: 80 }] }] },
      { containers: [{ name: 'a', ports: [{ containerPort: 80, name: 'http' }] }] },
      { containers: [{ name: 'a', ports: [{ containerPort: 80, name: 'http' }] }] },
    ],
  ])('%s', (_what, before, patch, after) => {
    const copies = structuredClone({ before, patch });
    expect(applyStrategicPatch(pod, spec(before), spec(patch))).toEqual(spec(after));
    expect({ before, patch }).toEqual(copies);
  });

  test('lists of plain values that merge: finalizers', () => {
    const before = { metadata: { finalizers: ['x', 'y'] } };
    expect(applyStrategicPatch(pod, before, { metadata: { finalizers: ['y', 'z'] } })).toEqual({
      metadata: { finalizers: ['x', 'y', 'z'] },
    });
    expect(applyStrategicPatch(pod, before, { metadata: { '$deleteFromPrimitiveList/finalizers': ['x'] } })).toEqual({
      metadata: { finalizers: ['y'] },
    });
  });

  test.each<[JsonValue, string]>([
    [[], 'not-a-patch'],
    [spec({ containers: [{ image: 'x' }] }), 'not-a-patch'],
    [spec({ containers: ['x'] }), 'not-a-patch'],
    [spec({ containers: [{ name: 'a', $patch: 'drop' }] }), 'not-a-patch'],
    [spec({ $patch: 'drop' }), 'not-a-patch'],
    [spec({ $retainKeys: ['x'], hostname: 'y' }), 'not-a-patch'],
    [spec({ '$setElementOrder/containers': 'x' }), 'not-a-patch'],
    [JSON.parse('{"spec": {"__proto__": 1}}') as JsonValue, 'reserved-key'],
  ])('%j is refused', (patch, code) => {
    let found = 'applied';
    try {
      applyStrategicPatch(pod, spec({ containers: [a] }), patch);
    } catch (error) {
      if (!(error instanceof PatchError)) throw error;
      found = error.code;
    }
    expect(found).toBe(code);
  });

  test('a patch applied again changes nothing', () => {
    const element = fc.record({ name: fc.constantFrom('a', 'b', 'c'), image: fc.constantFrom('1', '2') }, { requiredKeys: ['name'] });
    const containers = fc.uniqueArray(element, { selector: ({ name }) => name, maxLength: 3 });
    const wish = fc.record(
      {
        containers,
        hostname: fc.constantFrom('x', null),
        nodeSelector: fc.dictionary(fc.constantFrom('k', 'l'), fc.constantFrom('1', null)),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(containers, wish, (before, patch) => {
        const once = applyStrategicPatch(pod, spec({ containers: before as JsonValue }), spec(patch as JsonObject));
        expect(applyStrategicPatch(pod, once, spec(patch as JsonObject))).toEqual(once);
        // Nothing is lost or doubled.
        const names = ((once as { spec: { containers?: { name: string }[] } }).spec.containers ?? []).map(({ name }) => name);
        expect(new Set(names)).toEqual(new Set([...before, ...(patch.containers ?? [])].map(({ name }) => name)));
        expect(names).toHaveLength(new Set(names).size);
      }),
    );
  });
});
