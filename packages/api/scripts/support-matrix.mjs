// Writes docs/support.md. Run it after `npm run build`. What the page says is in src/kinds/support.ts, how in support-matrix.ts there,
// and which test proves a row in the titles of test/e2e/fields/*.test.ts.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { supportMatrix } from '../dist/kinds/support-matrix.js';
import { FIELD_TESTS, proofsIn } from '../dist/kinds/support-proofs.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const tests = path.join(root, FIELD_TESTS);
const files = readdirSync(tests)
  .filter((name) => name.endsWith('.test.ts'))
  .sort()
  .map((name) => [name.replace(/\.test\.ts$/, ''), readFileSync(path.join(tests, name), 'utf8')]);
const { proofs } = proofsIn(new Map(files));
const page = path.join(root, 'docs/support.md');
writeFileSync(page, supportMatrix(proofs));
console.log(`written: ${page}`);
