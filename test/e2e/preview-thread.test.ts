// A preview of a state that is large enough to be thought through in a thread of its own, on the built program; no Docker is needed.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ServerOnly } from './server-only.js';

const stage = new ServerOnly();
const PODS = 1200;

beforeAll(() => stage.start());
afterAll(() => stage.remove());

it('sim apply of a large cluster says what would come, and changes nothing', async () => {
  mkdirSync(stage.directory, { recursive: true });
  const file = path.join(stage.directory, 'many.json');
  const pods = Array.from({ length: PODS }, (_, i) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `p-${i}` },
    spec: { containers: [{ name: 'c', image: 'app:1' }] },
  }));
  writeFileSync(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: pods }));
  await stage.must('create', '-f', file);
  const web = path.join(stage.directory, 'web.json');
  const labels = { app: 'web' };
  writeFileSync(
    web,
    JSON.stringify({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: {
        replicas: 3,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'app:1' }] } },
      },
    }),
  );
  const told = await stage.must('sim', 'apply', '-f', web);
  expect(told).toMatch(/deployment\/web +pending/);
  expect(told).toMatch(/nothing was changed/);
  const there = await stage.run(['get', 'deployments']);
  expect(there.stdout + there.stderr).toContain('No resources found');
  // Refused there as it is here.
  const wrong = await stage.run(['sim', 'lose-node', 'nowhere']);
  expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('not found')]);
});
