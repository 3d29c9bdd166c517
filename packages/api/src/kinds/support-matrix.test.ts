import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { supportTable } from './support.js';
import { supportMatrix } from './support-matrix.js';
import { FIELD_TESTS, proofsIn, rowName } from './support-proofs.js';

const root = new URL('../../../../', import.meta.url);
const tests = new URL(`${FIELD_TESTS}/`, root);
const found = proofsIn(
  new Map(
    readdirSync(tests)
      .filter((name) => name.endsWith('.test.ts'))
      .sort()
      .map((name) => [name.replace(/\.test\.ts$/, ''), readFileSync(new URL(name, tests), 'utf8')] as const),
  ),
);

test('docs/support.md says what the table says (else: npm run docs:support)', () => {
  expect(readFileSync(new URL('docs/support.md', root), 'utf8')).toBe(supportMatrix(found.proofs));
});

test('titles of field tests name rows of the table', () => {
  expect(found.unknown).toEqual([]);
});

test('every row has its end-to-end test', () => {
  expect(supportTable.map(rowName).filter((name) => !found.proofs.has(name))).toEqual([]);
});
