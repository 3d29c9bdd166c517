import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IndexSet, indexesProblem } from './job-indexes.js';

test.each<[string, number[] | undefined]>([
  ['', []],
  ['0,2-4', [0, 2, 3, 4]],
  ['7', [7]],
  ['0,1', [0, 1]],
  ['3,2', undefined],
  ['1-', undefined],
  ['4-2', undefined],
  ['0-99', undefined],
  ['a', undefined],
])('indexes %j', (text, indexes) => {
  const parsed = IndexSet.parse(text, 10);
  expect(parsed && [...parsed]).toEqual(indexes);
  expect(indexesProblem(text, 10) === undefined).toBe(indexes !== undefined);
  if (indexes !== undefined) expect(String(IndexSet.of(indexes))).toBe(text);
});

test('a text that names two thousand million costs nothing', () => {
  const all = IndexSet.parse('0-1999999999', 2 ** 31);
  expect([all?.size, all?.has(1_234_567_890), all?.has(2_000_000_000), String(all)]).toEqual([2_000_000_000, true, false, '0-1999999999']);
  expect(all?.missing(2_000_000_002).next().value).toBe(2_000_000_000);
});

test('is a set, whatever the order of additions', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(30)), fc.array(fc.nat(30)), (a, b) => {
      const set = IndexSet.of(a);
      const model = new Set(a);
      const sorted = [...model].sort((x, y) => x - y);
      expect([...set]).toEqual(sorted);
      expect(set.size).toBe(model.size);
      for (let i = 0; i <= 31; i++) expect(set.has(i)).toBe(model.has(i));
      expect([...set.missing(20)]).toEqual(Array.from({ length: 20 }, (_, i) => i).filter((i) => !model.has(i)));
      const again = IndexSet.parse(String(set), 31);
      expect(again && [...again]).toEqual(sorted);
      const below = IndexSet.below(String(set), 15);
      expect([[...below], below.size]).toEqual([sorted.filter((i) => i < 15), sorted.filter((i) => i < 15).length]);
      expect(set.common(IndexSet.of(b))).toBe([...model].filter((one) => new Set(b).has(one)).length);
    }),
  );
});
