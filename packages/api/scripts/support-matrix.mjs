// Writes docs/support.md. Run it after `npm run build`. What the page says is in src/kinds/support.ts, how in support-matrix.ts there.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { supportMatrix } from '../dist/kinds/support-matrix.js';

const page = fileURLToPath(new URL('../../../docs/support.md', import.meta.url));
writeFileSync(page, supportMatrix());
console.log(`written: ${page}`);
