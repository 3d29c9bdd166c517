// Lists over real gRPC: pages of one revision, selectors, and what is refused.
import { Namespace } from '@podplane/api/gen/podplane/core/v1/namespace';
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

/** All but the one that the server puts into every namespace. */
const MINE = 'metadata.name!=kube-root-ca.crt';

describe('reading', () => {
  it('refuses kinds, places and selectors that mean nothing', async () => {
    const page = (kind: string, query: object): Promise<unknown> => client.page(kind as 'Pod', { namespace: '', ...query }, 0, '');
    expect(await refusal(page('Pods', {}))).toMatchObject({ reason: 'BadRequest', advice: 'Did you mean Pod?' });
    expect(await refusal(page('Sandwich', {}))).toMatchObject({ reason: 'BadRequest', message: 'kind "Sandwich" is not known' });
    expect((await refusal(page('Node', { namespace: 'default' }))).reason).toBe('BadRequest');
    expect((await refusal(page('Pod', { labelSelector: 'a in b' }))).reason).toBe('BadRequest');
    expect(await refusal(page('Pod', { fieldSelector: 'spec.color=red' }))).toMatchObject({
      reason: 'BadRequest',
      message: expect.stringContaining('field label not supported: spec.color'),
    });
    expect((await refusal(client.get('Pod', '', 'x'))).reason).toBe('BadRequest');
    expect((await refusal(client.get('Pod', 'default', ''))).reason).toBe('BadRequest');
    expect((await refusal(client.page('Pod', { namespace: '' }, -1, ''))).reason).toBe('BadRequest');
    expect((await refusal(client.page('Pod', { namespace: '' }, 0, 'nonsense'))).reason).toBe('BadRequest');
  });

  it('pages through one revision, whatever changes meanwhile', async () => {
    await client.create('Namespace', Namespace.fromPartial({ metadata: { name: 'paged' } }));
    await client.createBatch(
      Array.from({ length: 25 }, (_, i) => ({ kind: 'ConfigMap' as const, object: configMap(`c-${String(i).padStart(2, '0')}`, 'paged') })),
    );
    const query = { namespace: 'paged', fieldSelector: MINE };
    const first = await client.page('ConfigMap', query, 10, '');
    expect(first).toMatchObject({ remaining: 15 });
    await client.mergePatch('ConfigMap', 'paged', 'c-12', { data: { a: 'changed' } });
    await client.delete('ConfigMap', 'paged', 'c-13');
    await client.create('ConfigMap', configMap('c-11-new', 'paged'));
    const second = await client.page('ConfigMap', query, 10, first.continue);
    const third = await client.page('ConfigMap', query, 10, second.continue);
    const all = [...first.items, ...second.items, ...third.items];
    expect(all.map(({ metadata }) => metadata?.name)).toEqual(Array.from({ length: 25 }, (_, i) => `c-${String(i).padStart(2, '0')}`));
    expect(all.every(({ data }) => data['a'] === '1')).toBe(true);
    expect(third).toMatchObject({ continue: '', resourceVersion: first.resourceVersion });
    expect((await refusal(client.page('ConfigMap', { namespace: 'default' }, 10, first.continue))).reason).toBe('BadRequest');
    expect((await client.list('ConfigMap', query)).items).toHaveLength(25);
  });

  it('ends a page before it is too large', async () => {
    await client.create('Namespace', Namespace.fromPartial({ metadata: { name: 'large' } }));
    for (let i = 0; i < 5; i++) await client.create('ConfigMap', configMap(`l-${i}`, 'large', { a: 'x'.repeat(900_000) }));
    const first = await client.page('ConfigMap', { namespace: 'large', fieldSelector: MINE }, 0, '');
    expect(first.items).toHaveLength(3);
    expect((await client.list('ConfigMap', { namespace: 'large', fieldSelector: MINE })).items).toHaveLength(5);
  });

  it('selects by labels and fields', async () => {
    await client.create(
      'Pod',
      pod('on-n7', ({ metadata, spec }) => {
        Object.assign(spec ?? {}, { nodeName: 'n7' });
        Object.assign(metadata?.labels ?? {}, { app: 'db' });
      }),
    );
    const names = async (query: object): Promise<(string | undefined)[]> =>
      (await client.list('Pod', { namespace: '', ...query })).items.map(({ metadata }) => metadata?.name);
    expect(await names({ labelSelector: 'app in (db)' })).toEqual(['on-n7']);
    expect(await names({ fieldSelector: 'spec.nodeName=n7' })).toEqual(['on-n7']);
    expect(await names({ fieldSelector: 'metadata.name=on-n7', namespace: 'default' })).toEqual(['on-n7']);
    expect(await names({ labelSelector: 'app=web', fieldSelector: 'spec.nodeName=n7' })).toEqual([]);
  });
});
