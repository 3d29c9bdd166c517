import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { clonePlain, equalPlain, freezePlain, shareWith } from './plain.js';

const plain = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(undefined, null, 0, 1, '', 'a', true, Number.NaN),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', 'constructor'), tie('value'), { noNullPrototype: true }),
    fc.uint8Array({ maxLength: 2 }).map((bytes) => Buffer.from(bytes)),
  ),
})).value;

function withProtoKey(value: unknown): Record<string, unknown> {
  return JSON.parse(`{"__proto__": ${JSON.stringify(value)}}`) as Record<string, unknown>;
}

function frozenAllTheWay(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return true;
  return Object.isFrozen(value) && Object.values(value).every(frozenAllTheWay);
}

describe('plain data', () => {
  test('a copy equals what it was made of and shares nothing', () => {
    fc.assert(
      fc.property(plain, (value) => {
        const copy = clonePlain(freezePlain(value));
        expect(equalPlain(copy, value)).toBe(true);
        expect(copy).toEqual(value);
        if (typeof copy === 'object' && copy !== null) {
          expect(copy).not.toBe(value);
          if (!(copy instanceof Uint8Array)) expect(Object.isFrozen(copy)).toBe(false);
        }
      }),
    );
  });

  test('freezing reaches everything', () => {
    fc.assert(
      fc.property(plain, (value) => {
        expect(frozenAllTheWay(freezePlain(value))).toBe(true);
      }),
    );
  });

  test('sharing changes no value, returns the old one exactly when all is equal, and works on frozen input', () => {
    fc.assert(
      fc.property(plain, plain, fc.boolean(), (old, next, frozen) => {
        const wanted = clonePlain(next);
        const equal = equalPlain(old, next);
        const shared = shareWith(freezePlain(old), frozen ? freezePlain(next) : next);
        expect(equalPlain(shared, wanted)).toBe(true);
        if (typeof old === 'object' && old !== null) expect(shared === old).toBe(equal);
      }),
      { numRuns: 500 },
    );
  });

  test('what was not touched is shared', () => {
    const old = freezePlain({ spec: { a: [1, { b: 2 }], c: 'x' }, status: { phase: 'Running', ips: ['1'] } });
    const draft = clonePlain(old) as typeof old;
    (draft.spec as { c: string }).c = 'y';
    const shared = shareWith(old, draft) as typeof old;
    expect(shared).not.toBe(old);
    expect(shared.status).toBe(old.status);
    expect(shared.spec.a).toBe(old.spec.a);
    expect(shared.spec.c).toBe('y');
  });

  test('undefined equals absent, on both sides', () => {
    expect(equalPlain({ a: 1, b: undefined }, { a: 1 })).toBe(true);
    expect(equalPlain({ a: 1 }, { a: 1, b: undefined })).toBe(true);
    expect(equalPlain({ a: 1 }, { a: 1, b: null })).toBe(false);
    expect(equalPlain({ a: undefined }, { b: undefined })).toBe(true);
    expect(equalPlain({ a: 1, c: 2 }, { a: 1, b: 2 })).toBe(false);
  });

  test('a field named __proto__ is a field', () => {
    const source = withProtoKey({ a: 1 });
    const copy = clonePlain(source) as Record<string, unknown>;
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype);
    expect(Object.hasOwn(copy, '__proto__')).toBe(true);
    expect(equalPlain(source, copy)).toBe(true);
    expect(equalPlain(source, {})).toBe(false);
    expect(equalPlain({}, withProtoKey({}))).toBe(false);
    const shared = shareWith({}, withProtoKey({})) as Record<string, unknown>;
    expect(Object.hasOwn(shared, '__proto__')).toBe(true);
  });
});
