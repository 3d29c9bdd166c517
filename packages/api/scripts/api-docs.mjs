// Writes docs/api.md from the proto files. Run it with `npm run docs:api`, which builds what it needs. What the page says and how
// is in src/schema/reference.ts.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { apiReference } from '../dist/schema/reference.js';

const page = fileURLToPath(new URL('../../../docs/api.md', import.meta.url));
writeFileSync(page, apiReference());
console.log(`written: ${page}`);
