import { expect, it } from 'vitest';
import { reservedOption } from './care-flags.js';

it.each([
  ['cpu=500m,memory=1Gi', { cpuMillis: 500, memoryBytes: 2 ** 30 }],
  ['memory=100M', { cpuMillis: 0, memoryBytes: 1e8 }],
  [' cpu = 2 ', { cpuMillis: 2000, memoryBytes: 0 }],
  ['cpu=0', { cpuMillis: 0, memoryBytes: 0 }],
])('--system-reserved %s', (text, reserved) => {
  expect(reservedOption(text)).toEqual(reserved);
});

it.each([
  ['', /it must be cpu=AMOUNT or memory=AMOUNT/],
  ['pid=5', /it must be cpu=AMOUNT or memory=AMOUNT/],
  ['cpu=1=2', /it must be cpu=AMOUNT or memory=AMOUNT/],
  ['cpu=', /"" is no amount/],
  ['memory=lots', /"lots" is no amount/],
  ['memory=-1', /"-1" is no amount/],
  ['cpu=1,cpu=2', /cpu is given twice/],
])('--system-reserved %s is refused', (text, problem) => {
  expect(() => reservedOption(text)).toThrow(problem);
});
