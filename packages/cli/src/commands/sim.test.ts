// `sim` against a cluster that only answers: what is refused is told with its place. What the answers are is in packages/server/src/what-if.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { invalid, invalidObject } from '@podplane/api/errors';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runCommand, TestCluster } from '../testkit/world.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'podplane-sim-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it('tells where in the file is what the server refuses', async () => {
  const cluster = new TestCluster();
  const metadata = { name: 'web', namespace: 'default' };
  cluster.put('Deployment', { metadata, spec: { replicas: 1, selector: { matchLabels: { app: 'web' } } } });
  const refused = invalidObject('Deployment', 'default', 'web', [invalid('spec.selector', {}, 'field is immutable')]);
  cluster.simulate = () => Promise.reject(refused);
  writeFileSync(
    path.join(folder, 'web.yaml'),
    'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 2\n  selector: {matchLabels: {app: other}}\n',
  );
  const { code, err } = await runCommand(cluster, ['sim', 'apply', '-f', 'web.yaml'], { cwd: folder });
  expect(code).toBe(1);
  expect(err).toMatch(
    /^Error from server \(Invalid\): web\.yaml:6:3: Deployment\.apps "web" is invalid: spec\.selector: .*field is immutable\n$/,
  );
});
