import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JsonObject, JsonValue } from './decode/tree.js';
import { applyJsonPatch, applyMergePatch, diffAsMergePatch, LAST_APPLIED, lastApplied, PatchError, withLastApplied } from './patch.js';

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof PatchError) return error.code;
    throw error;
  }
  return 'applied';
}

/** JSON objects whose keys come from a few, so that trees overlap; no null inside, as a merge patch cannot say it. */
const key = fc.constantFrom('a', 'b', 'c', 'constructor', 'toString', 'x/y');
const { object } = fc.letrec<{ value: JsonValue; object: JsonObject }>((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, fc.integer(), fc.string(), fc.boolean(), fc.array(fc.integer(), { maxLength: 2 }), tie('object')),
  object: fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
}));

describe('merge patch', () => {
  test.each<[JsonValue, JsonValue, JsonValue]>([
    // The cases of RFC 7386, appendix A.
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('%j with %j is %j', (target, patch, result) => {
    const before = structuredClone(target);
    expect(applyMergePatch(target, patch)).toEqual(result);
    expect(target).toEqual(before);
  });

  test('refuses __proto__ in the patch at any depth', () => {
    expect(codeOf(() => applyMergePatch({}, JSON.parse('{"a":{"__proto__":{"polluted":1}}}') as JsonValue))).toBe('reserved-key');
    expect(codeOf(() => applyMergePatch({}, JSON.parse('{"a":[{"__proto__":1}]}') as JsonValue))).toBe('reserved-key');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('refuses what is nested too deeply', () => {
    let deep: JsonValue = 1;
    for (let i = 0; i < 200; i++) deep = { a: deep };
    expect(codeOf(() => applyMergePatch({}, deep))).toBe('too-deep');
    expect(codeOf(() => applyMergePatch({}, { a: deep }))).toBe('too-deep');
  });

  test('a difference, applied, makes the one of the other; applied again it changes nothing', () => {
    fc.assert(
      fc.property(object, object, (from, to) => {
        const patch = diffAsMergePatch(from, to);
        const result = applyMergePatch(from, patch);
        expect(result).toEqual(to);
        expect(applyMergePatch(result, patch)).toEqual(to);
        expect(Object.keys(diffAsMergePatch(to, to))).toEqual([]);
      }),
    );
  });
});

describe('last applied', () => {
  const manifest: JsonObject = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', annotations: { x: 'y' } }, spec: {} };

  test('is the manifest without itself, however often it is applied', () => {
    const once = withLastApplied(manifest);
    expect(lastApplied(once)).toEqual(manifest);
    expect(withLastApplied(once)).toEqual(once);
    expect(lastApplied(manifest)).toBeUndefined();
    expect(withLastApplied({ kind: 'Pod' })).toMatchObject({
      metadata: { annotations: { [LAST_APPLIED]: '{"kind":"Pod","metadata":{"annotations":{}}}\n' } },
    });
  });

  test.each(['{', '[]', '"x"', 'null'])('%s in the annotation is an error', (text) => {
    expect(codeOf(() => lastApplied({ metadata: { annotations: { [LAST_APPLIED]: text } } }))).toBe('not-a-patch');
  });
});

describe('JSON patch', () => {
  const target: JsonObject = { a: { b: [1, 2, 3], 'x/y': 1, 'm~n': 2 }, n: null };

  test.each<[JsonValue, JsonValue]>([
    [[{ op: 'add', path: '/a/b/-', value: 4 }], { a: { b: [1, 2, 3, 4], 'x/y': 1, 'm~n': 2 }, n: null }],
    [[{ op: 'add', path: '/a/b/0', value: 0 }], { a: { b: [0, 1, 2, 3], 'x/y': 1, 'm~n': 2 }, n: null }],
    [[{ op: 'remove', path: '/a/b/1' }], { a: { b: [1, 3], 'x/y': 1, 'm~n': 2 }, n: null }],
    [[{ op: 'replace', path: '/a/x~1y', value: 9 }], { a: { b: [1, 2, 3], 'x/y': 9, 'm~n': 2 }, n: null }],
    [[{ op: 'remove', path: '/a/m~0n' }], { a: { b: [1, 2, 3], 'x/y': 1 }, n: null }],
    [[{ op: 'move', from: '/a/b', path: '/c' }], { a: { 'x/y': 1, 'm~n': 2 }, n: null, c: [1, 2, 3] }],
    [
      [
        { op: 'copy', from: '/a/b', path: '/c' },
        { op: 'add', path: '/c/0', value: 0 },
      ],
      { a: { b: [1, 2, 3], 'x/y': 1, 'm~n': 2 }, n: null, c: [0, 1, 2, 3] },
    ],
    [[{ op: 'test', path: '/n', value: null }], target],
    [[{ op: 'replace', path: '', value: { z: 1 } }], { z: 1 }],
    [[], target],
  ])('%j', (patch, result) => {
    const before = structuredClone(target);
    expect(applyJsonPatch(target, patch)).toEqual(result);
    expect(target).toEqual(before);
  });

  test.each<[JsonValue, string]>([
    [{}, 'not-a-patch'],
    [[1], 'not-a-patch'],
    [[{ op: 'jump', path: '/a' }], 'not-a-patch'],
    [[{ op: 'add', path: 'a', value: 1 }], 'not-a-patch'],
    [[{ op: 'add', path: '/a~2', value: 1 }], 'not-a-patch'],
    [[{ op: 'add', path: '/a' }], 'not-a-patch'],
    [[{ op: 'move', path: '/a' }], 'not-a-patch'],
    [[{ op: 'move', from: '/a', path: '/a/b' }], 'not-a-patch'],
    [[{ op: 'test', path: '/a/x~1y', value: 2 }], 'test-failed'],
    [[{ op: 'test', path: '/missing', value: 1 }], 'test-failed'],
    [[{ op: 'remove', path: '/missing' }], 'cannot-apply'],
    [[{ op: 'replace', path: '/missing', value: 1 }], 'cannot-apply'],
    [[{ op: 'add', path: '/missing/deep', value: 1 }], 'cannot-apply'],
    [[{ op: 'add', path: '/a/b/01', value: 1 }], 'cannot-apply'],
    [[{ op: 'add', path: '/a/b/9', value: 1 }], 'cannot-apply'],
    [[{ op: 'copy', from: '/missing', path: '/c' }], 'cannot-apply'],
    [[{ op: 'add', path: '/toString/x', value: 1 }], 'cannot-apply'],
    [[{ op: 'remove', path: '/toString' }], 'cannot-apply'],
    [[{ op: 'add', path: '/__proto__/polluted', value: 1 }], 'reserved-key'],
    [JSON.parse('[{"op":"add","path":"/c","value":{"__proto__":1}}]') as JsonValue, 'reserved-key'],
    [Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/n', value: null })), 'too-long'],
    [
      [
        { op: 'add', path: '/c', value: ['x'.repeat(1000)] },
        ...Array.from({ length: 30 }, () => ({ op: 'copy', from: '/c', path: '/c/-' })),
      ],
      'too-long',
    ],
    [Array.from({ length: 120 }, (_, i) => ({ op: 'add', path: '/d'.repeat(i + 1), value: {} })), 'too-deep'],
  ])('%j is refused: %s', (patch, code) => {
    expect(codeOf(() => applyJsonPatch(target, patch))).toBe(code);
  });

  test('never throws anything but a PatchError, whatever it is given', () => {
    const pointer = fc.constantFrom(
      '',
      '/a',
      '/a/b',
      '/a/b/0',
      '/a/b/-',
      '/a/b/9',
      '/constructor',
      '/constructor/prototype',
      '/a/length',
      '/toString/x',
      '/n/x',
    );
    const operation = fc.record({
      op: fc.constantFrom('add', 'remove', 'replace', 'move', 'copy', 'test'),
      path: pointer,
      from: pointer,
      value: fc.jsonValue(),
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 6 }), (operations) => {
        codeOf(() => applyJsonPatch(target, operations as JsonValue));
        expect(Object.keys(Object.prototype.toString)).toEqual([]);
        expect(Object.keys(Object)).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });
});
