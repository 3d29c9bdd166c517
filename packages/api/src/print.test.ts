import { expect, test } from 'vitest';
import { age, humanDuration, labelsText } from './print.js';

const S = 1000;
const M = 60 * S;
const H = 60 * M;
const D = 24 * H;

test.each([
  [-3 * S, '<invalid>'],
  [-1 * S, '0s'],
  [0, '0s'],
  [999, '0s'],
  [S, '1s'],
  [119 * S, '119s'],
  [2 * M, '2m'],
  [2 * M + 5 * S, '2m5s'],
  [9 * M + 59 * S, '9m59s'],
  [10 * M + 5 * S, '10m'],
  [179 * M, '179m'],
  [3 * H, '3h'],
  [3 * H + 5 * M, '3h5m'],
  [8 * H + 5 * M, '8h'],
  [47 * H, '47h'],
  [2 * D, '2d'],
  [2 * D + 3 * H, '2d3h'],
  [8 * D + 3 * H, '8d'],
  [729 * D, '729d'],
  [730 * D, '2y'],
  [800 * D, '2y70d'],
  [9 * 365 * D, '9y'],
  [Number.NaN, '<invalid>'],
])('%d ms is %s', (ms, text) => {
  expect(humanDuration(ms)).toBe(text);
});

test('ages and labels', () => {
  const now = Date.parse('2026-01-01T00:01:00Z');
  expect(age('2026-01-01T00:00:00Z', now)).toBe('60s');
  expect(age(undefined, now)).toBe('<unknown>');
  expect(age('yesterday', now)).toBe('<unknown>');
  expect(labelsText({ b: '2', a: '1' })).toBe('a=1,b=2');
  expect(labelsText({})).toBe('<none>');
});
