// How large objects may be, over real gRPC: the limits of Kubernetes and its etcd, in their words.
import { ApiError } from '@podplane/api/errors';
import { Deployment } from '@podplane/api/gen/podplane/apps/v1/deployment';
import { Secret } from '@podplane/api/gen/podplane/core/v1/secret';
import { PodplaneClient } from '@podplane/client/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestServer, testServer } from './testkit/harness.js';
import { configMap, pod, refusal } from './testkit/objects.js';

let server: TestServer;
let client: PodplaneClient;

beforeAll(async () => {
  server = await testServer();
  client = new PodplaneClient(server.context, { fieldManager: 'test' });
});
afterAll(async () => {
  client.close();
  await server[Symbol.asyncDispose]();
});

describe('create', () => {
  const refused: readonly (readonly [string, () => Promise<unknown>, object])[] = [
    [
      'an object of more than 1.5 MiB, as etcd does',
      () =>
        client.create(
          'Pod',
          pod('big', ({ spec }) => spec?.containers[0]?.env.push({ name: 'A', value: 'x'.repeat(1.5 * 1024 * 1024) })),
        ),
      {
        reason: 'RequestEntityTooLarge',
        message: 'Request entity too large: limit is 1572864',
        advice: expect.stringMatching(/would have 15\d{5} bytes/),
      },
    ],
    [
      'data of more than 1 MiB',
      () => client.create('ConfigMap', configMap('big', 'default', { a: 'x'.repeat(1024 * 1024 + 1) })),
      { reason: 'Invalid', message: expect.stringContaining('Too long: may not be more than 1048576 bytes') },
    ],
    [
      'data of a Secret of more than 1 MiB',
      () =>
        client.create(
          'Secret',
          Secret.fromPartial({ metadata: { name: 'big', namespace: 'default' }, data: { a: Buffer.alloc(1024 * 1024 + 1) } }),
        ),
      { reason: 'Invalid', message: expect.stringContaining('data: Too long: may not be more than 1048576 bytes') },
    ],
    [
      'annotations of more than 256 KiB in all',
      () =>
        client.create(
          'Pod',
          pod('x', ({ metadata }) =>
            Object.assign(metadata ?? {}, { annotations: { a: 'x'.repeat(2 ** 17), b: 'y'.repeat(2 ** 17 - 1) } }),
          ),
        ),
      { reason: 'Invalid', message: expect.stringContaining('metadata.annotations: Too long: may not be more than 262144 bytes') },
    ],
  ];
  it.each(refused)('refuses %s', async (_what, attempt, wanted) => {
    expect(await refusal(attempt())).toMatchObject(wanted);
  });

  it('takes what is just small enough', async () => {
    await client.create('ConfigMap', configMap('just', 'default', { a: 'x'.repeat(1024 * 1024) }));
    const annotations = { a: 'x'.repeat(2 ** 17), b: 'y'.repeat(2 ** 17 - 2) };
    await client.create(
      'Pod',
      pod('just', ({ metadata }) => Object.assign(metadata ?? {}, { annotations })),
    );
  });
});

describe('an object that grows', () => {
  const big = 'x'.repeat(800 * 1024);

  it('is refused by update and patch at 1.5 MiB, and stays what it was', async () => {
    const env = (name: string) => ({ name, value: big });
    const made = (await client.create('Deployment', deploymentWith([env('A')]))).object;
    const template = (count: number) => [env('A'), env('B')].slice(0, count);
    const patch = { spec: { template: { spec: { containers: [{ name: 'web', image: 'web:1', env: template(2) }] } } } };
    const tooLarge = { reason: 'RequestEntityTooLarge', message: 'Request entity too large: limit is 1572864' };
    expect(await refusal(client.mergePatch('Deployment', 'default', 'grows', patch))).toMatchObject(tooLarge);
    const next = deploymentWith(template(2));
    Object.assign(next.metadata ?? {}, { resourceVersion: made.metadata?.resourceVersion });
    expect(await refusal(client.update('Deployment', next))).toMatchObject(tooLarge);
    const kept = await client.get('Deployment', 'default', 'grows');
    expect(kept.spec?.template?.spec?.containers[0]?.env).toHaveLength(1);
  });

  it('and one of a batch that is too large leaves nothing behind, and the others be', async () => {
    const large = pod('batch-large', ({ spec }) => spec?.containers[0]?.env.push({ name: 'A', value: big }, { name: 'B', value: big }));
    const results = await client.createBatch([
      { kind: 'Pod', object: pod('batch-small') },
      { kind: 'Pod', object: large },
    ]);
    expect(results.map((one) => (one instanceof ApiError ? one.reason : 'made'))).toEqual(['made', 'RequestEntityTooLarge']);
    expect(await refusal(client.get('Pod', 'default', 'batch-large'))).toMatchObject({ reason: 'NotFound' });
  });

  function deploymentWith(env: { name: string; value: string }[]): Deployment {
    return Deployment.fromPartial({
      metadata: { name: 'grows', namespace: 'default' },
      spec: {
        selector: { matchLabels: { app: 'grows' } },
        template: { metadata: { labels: { app: 'grows' } }, spec: { containers: [{ name: 'web', image: 'web:1', env }] } },
      },
    });
  }
});
