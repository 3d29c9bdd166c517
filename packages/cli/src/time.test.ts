import { parseDuration } from '@podplane/api/duration';
import { describe, expect, it } from 'vitest';
import { countOption, durationOption, optionText, spent } from './time.js';

describe('parseDuration', () => {
  it.each([
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['1.5s', 1500],
    ['250ms', 250],
    ['2d', 172_800_000],
    ['15', 15_000],
    ['0', 0],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  it.each(['', 'm', '5x', '5m3', '-5s', '1 s', '5 minutes'])('%j is none', (text) => {
    expect(parseDuration(text)).toBeUndefined();
    expect(() => durationOption(text)).toThrow(/duration/);
  });
});

describe('countOption', () => {
  it('takes whole numbers', () => expect(countOption('12')).toBe(12));
  it.each(['-1', '1.5', 'x', '', '99999999999'])('refuses %j', (text) => {
    expect(() => countOption(text)).toThrow(/whole number/);
  });
});

describe('optionText', () => {
  it.each([
    [0, '0'],
    [15_000, '15s'],
    [90_000, '90s'],
    [300_000, '5m'],
    [86_400_000, '24h'],
    [250, '250ms'],
  ])('%d ms: %s, which means the same', (ms, text) => {
    expect(optionText(ms)).toBe(text);
    expect(durationOption(text)).toBe(ms);
  });
});

describe('spent', () => {
  it.each([
    [40, '0.0 s'],
    [1234, '1.2 s'],
    [9940, '9.9 s'],
    [9960, '10 s'],
    [119_000, '119 s'],
    [200_000, '3m20s'],
  ])('%d ms: %s', (ms, text) => {
    expect(spent(ms)).toBe(text);
  });
});
