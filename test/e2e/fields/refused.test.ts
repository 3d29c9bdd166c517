// Every row of the support table that refuses something: a real server refuses it by its path and lets through what the row says it lets
// through. The cases are made from the table, so a new row is in here by itself. No Docker is needed.
import { ApiError } from '@podplane/api/errors';
import { decoded } from '@podplane/api/kinds/testing/pods';
import { type RefusedSample, refusedSamples } from '@podplane/api/kinds/testing/samples';
import { PodplaneClient } from '@podplane/client/client';
import { readContext } from '@podplane/client/context';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ServerOnly } from '../server-only.js';

const server = new ServerOnly();
let client: PodplaneClient;

beforeAll(async () => {
  await server.start();
  client = new PodplaneClient(await readContext(server.contextFile));
});
afterAll(async () => {
  client[Symbol.dispose]();
  await server.remove();
});

/** What the server says of a manifest; empty: it would take it. */
async function said({ kind }: RefusedSample, manifest: RefusedSample['manifest']): Promise<string> {
  try {
    await client.create(kind, decoded(kind, manifest), { dryRun: true });
    return '';
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}

it.each(refusedSamples().map((sample) => [sample.rule.scope, sample.rule.path, sample] as const))(
  '%s %s is refused by its path, what it lets through is not',
  async (_scope, _path, sample) => {
    expect(await said(sample, sample.manifest)).toContain(`${sample.path}: Forbidden: not supported yet`);
    for (const manifest of sample.accepted) expect(await said(sample, manifest)).not.toContain(`${sample.path}: Forbidden`);
  },
);
