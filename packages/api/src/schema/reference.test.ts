// docs/api.md is what the proto files say now.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { apiReference } from './reference.js';

const written = new URL('../../../../docs/api.md', import.meta.url);

it('docs/api.md is up to date (else run: npm run docs:api)', () => {
  expect(readFileSync(written, 'utf8') === apiReference()).toBe(true);
});

it('every link of the reference leads somewhere, and no two headings are alike', () => {
  const text = apiReference();
  const headings = [...text.matchAll(/^###? (.+)$/gm)].map((it) => (it[1] ?? '').toLowerCase().replaceAll(' ', '-'));
  expect(headings.filter((it, index) => headings.indexOf(it) !== index)).toEqual([]);
  const wanted = new Set([...text.matchAll(/\]\(#([^)]+)\)/g)].map((it) => it[1] ?? ''));
  expect(wanted.size).toBeGreaterThan(100);
  expect([...wanted].filter((it) => !headings.includes(it))).toEqual([]);
});

it('says of a service what it does, and of a field what it is', () => {
  const text = apiReference();
  expect(text).toContain('| Watch | [WatchRequest](#watchrequest) → stream of [WatchResponse](#watchresponse) |');
  expect(text).toMatch(/\| containers \| 2 \| list of \[Container\]\(#container\) \| \*Required\.\* .* Merged by `name`\. \|/);
  expect(text).toMatch(/\| restartPolicy \| 3 \| string \| .* Values: `Always`, `OnFailure`, `Never`\. Default: `Always`\. \|/);
});
