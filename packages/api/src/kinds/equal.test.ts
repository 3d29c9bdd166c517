import { expect, test } from 'vitest';
import { deepEqual, specDiffers } from './equal.js';

test.each([
  [1, 1, true],
  [1, 2, false],
  [Number.NaN, Number.NaN, true],
  [null, undefined, false],
  [undefined, undefined, true],
  ['a', 'a', true],
  [0, '', false],
  [{}, {}, true],
  [{ a: undefined }, {}, true],
  [{}, { a: undefined }, true],
  [{ a: null }, {}, false],
  [{ a: 1, b: 2 }, { b: 2, a: 1 }, true],
  [{ a: 1 }, { a: 1, b: 2 }, false],
  [[], {}, false],
  [{}, [], false],
  [[1, 2], [1, 2], true],
  [[1, 2], [2, 1], false],
  [[1], [1, 2], false],
  [{ toString: undefined }, {}, true],
  [{}, { toString: 1 }, false],
  [{ toString: 1 }, {}, false],
  [Buffer.from('ab'), new Uint8Array([97, 98]), true],
  [Buffer.from('ab'), Buffer.from('ac'), false],
  [Buffer.from(''), {}, false],
])('%j and %j: %s', (a, b, equal) => {
  expect(deepEqual(a, b)).toBe(equal);
});

test('metadata and status are no part of what is wished', () => {
  expect(specDiffers({ metadata: 1, status: 2, spec: 3 }, { metadata: 2, status: 3, spec: 3 })).toBe(false);
  expect(specDiffers({ spec: 3 }, { spec: 4 })).toBe(true);
  expect(specDiffers({ data: 3 }, {})).toBe(true);
});
