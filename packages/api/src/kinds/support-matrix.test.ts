import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { supportMatrix } from './support-matrix.js';

test('docs/support.md says what the table says (else: npm run build && node packages/api/scripts/support-matrix.mjs)', () => {
  expect(readFileSync(new URL('../../../../docs/support.md', import.meta.url), 'utf8')).toBe(supportMatrix());
});
