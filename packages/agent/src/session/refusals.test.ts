import { expect, it } from 'vitest';
import { Refusals } from './refusals.js';

it('gives up for a rival that is there again, not for a word of one that is gone', () => {
  const refusals = new Refusals();
  expect(refusals.judge('Superseded', 1_000)).toBe('soon');
  expect(refusals.judge('Superseded', 302_000)).toBe('soon');
  expect(refusals.judge('Superseded', 303_000)).toBe('stop');
});

it.each([
  ['CertificateRevoked', 'stop'],
  ['WrongCluster', 'stop'],
  ['NodeNameTaken', 'retry'],
  ['SomethingNew', 'retry'],
] as const)('%s: %s', (reason, then) => {
  expect(new Refusals().judge(reason, 0)).toBe(then);
});
