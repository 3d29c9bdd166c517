import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  fromMilli,
  fromWhole,
  isQuantity,
  milliValue,
  parseQuantity,
  QuantityError,
  subtractQuantities,
  wholeValue,
} from './quantity.js';

describe('canonical text', () => {
  test.each([
    ['0', '0'],
    ['-0', '0'],
    ['0Ki', '0'],
    ['1', '1'],
    ['+1', '1'],
    ['-1', '-1'],
    ['100', '100'],
    ['1000', '1k'],
    ['1500', '1500'],
    ['0.5', '500m'],
    ['.5', '500m'],
    ['5.', '5'],
    ['1.5', '1500m'],
    ['0.1', '100m'],
    ['100m', '100m'],
    ['1000m', '1'],
    ['1500m', '1500m'],
    ['2000m', '2'],
    ['1u', '1u'],
    ['1000u', '1m'],
    ['1n', '1n'],
    ['0.0000000001', '1n'],
    ['-0.0000000001', '-1n'],
    ['1.0000000001', '1000000001n'],
    ['1k', '1k'],
    ['1M', '1M'],
    ['1000k', '1M'],
    ['1G', '1G'],
    ['1T', '1T'],
    ['1P', '1P'],
    ['1E', '1E'],
    ['0.001k', '1'],
    ['1Ki', '1Ki'],
    ['1024Ki', '1Mi'],
    ['1536Mi', '1536Mi'],
    ['1.5Gi', '1536Mi'],
    ['0.5Ki', '512'],
    ['1Mi', '1Mi'],
    ['2048Mi', '2Gi'],
    ['1Ti', '1Ti'],
    ['1Pi', '1Pi'],
    ['1Ei', '1Ei'],
    ['1.1Ki', '1126400m'],
    ['1000Ki', '1000Ki'],
    ['0.1Mi', '104857600m'],
    ['1e3', '1e3'],
    ['1E3', '1e3'],
    ['1e+3', '1e3'],
    ['1e-3', '1e-3'],
    ['12e6', '12e6'],
    ['100e3', '100e3'],
    ['1e4', '10e3'],
    ['1.5e3', '1500'],
    ['9Ei', '9223372036854775807'],
    ['1e100', '9223372036854775807'],
    ['-1e100', '-9223372036854775807'],
    ['1e-100', '1e-9'],
    ['1e999999999', '9223372036854775807'],
    ['1e-999999999', '1e-9'],
    ['0e999999999', '0'],
  ])('%s is %s', (text, canonical) => {
    expect(canonicalQuantity(text)).toBe(canonical);
  });
});

test.each([
  '',
  ' ',
  '1 ',
  ' 1',
  'm',
  '.',
  '+',
  '-',
  '1.2.3',
  '1mi',
  '1KI',
  '1kb',
  '1Mb',
  '0x10',
  '1e',
  '1e3.5',
  '1_000',
  'NaN',
  'Infinity',
  '--1',
  '1Kii',
  '１',
  '1'.repeat(300),
])('%j is no quantity', (text) => {
  expect(isQuantity(text)).toBe(false);
  expect(() => parseQuantity(text)).toThrow(QuantityError);
  expect(() => milliValue(text)).toThrow(QuantityError);
});

test.each([
  ['100m', 100, 1],
  ['1', 1000, 1],
  ['1.5', 1500, 2],
  ['1u', 1, 1],
  ['-1u', -1, -1],
  ['1Mi', 1_048_576_000, 1_048_576],
  ['500Mi', 524_288_000_000, 524_288_000],
  ['9E', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  ['-9E', Number.MIN_SAFE_INTEGER, Number.MIN_SAFE_INTEGER],
])('%s is %d thousandths, %d whole', (text, milli, whole) => {
  for (let twice = 0; twice < 2; twice++) {
    expect(milliValue(text)).toBe(milli);
    expect(wholeValue(text)).toBe(whole);
  }
});

/** Texts of quantities as people and programs write them. */
const quantityText = fc
  .tuple(
    fc.constantFrom('', '+', '-'),
    fc.integer({ min: 0, max: 999_999 }),
    fc.constantFrom('', '.5', '.25', '.001', '.'),
    fc.constantFrom('', 'n', 'u', 'm', 'k', 'M', 'G', 'T', 'Ki', 'Mi', 'Gi', 'Ti', 'e3', 'e-3', 'E6', 'e0'),
  )
  .map((parts) => parts.join(''));

describe('properties', () => {
  test('the canonical text says the same number and, but for bare digits, is its own canonical text', () => {
    fc.assert(
      fc.property(quantityText, (text) => {
        const quantity = parseQuantity(text);
        const canonical = formatQuantity(quantity);
        expect(compareQuantities(parseQuantity(canonical), quantity)).toBe(0);
        // Of a binary quantity that no power of 1024 divides, only digits are left, and digits are read as a decimal quantity: 697062.5Ki is
        // 713792000, which is 713792k. As in Kubernetes.
        const again = canonicalQuantity(canonical);
        if (!/^-?\d+$/.test(canonical)) expect(again).toBe(canonical);
        expect(canonicalQuantity(again)).toBe(again);
        expect(canonical).not.toContain('.');
      }),
    );
  });

  test('adding and subtracting are exact and undo each other', () => {
    fc.assert(
      fc.property(quantityText, quantityText, (a, b) => {
        const [x, y] = [parseQuantity(a), parseQuantity(b)];
        const sum = addQuantities(x, y);
        expect(compareQuantities(subtractQuantities(sum, y), x)).toBe(0);
        expect(compareQuantities(addQuantities(y, x), sum)).toBe(0);
        expect(sum.nano).toBe(x.nano + y.nano);
      }),
    );
  });

  test('comparing agrees with the numbers', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (a, b) => {
        expect(Math.sign(compareQuantities(parseQuantity(`${a}m`), parseQuantity(`${b}m`)))).toBe(Math.sign(a - b));
        expect(milliValue(`${a}m`)).toBe(a);
        expect(compareQuantities(fromMilli(a), parseQuantity(`${a}m`))).toBe(0);
      }),
    );
  });

  test('whole numbers of bytes survive being written in binary units', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: (1n << 62n) - 1n }), (bytes) => {
        expect(parseQuantity(formatQuantity(fromWhole(bytes))).nano).toBe(bytes * 10n ** 9n);
      }),
    );
  });

  test('any text either is a quantity or is not, quickly', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[-+0-9.eEinumkKMGTP]{0,20}$/)), (text) => {
        if (isQuantity(text)) expect(canonicalQuantity(canonicalQuantity(text))).toBe(canonicalQuantity(text));
      }),
    );
  });
});
