// Objects over real gRPC and mTLS on loopback: every method, every refusal that a client can provoke.

import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import type { KindMap } from '@podplane/api/kinds/kind-map';
import { PodplaneClient } from '@podplane/client/client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestServer, testServer } from './testkit/harness.js';

let server: TestServer;
let client: PodplaneClient;

beforeAll(async () => {
  server = await testServer();
  client = new PodplaneClient(server.context);
});
afterAll(async () => {
  client.close();
  await server[Symbol.asyncDispose]();
});

function pod(name: string, change: (pod: Pod) => void = () => undefined): KindMap['Pod'] {
  const made = Pod.fromPartial({
    metadata: { name, namespace: 'default', labels: { app: 'web' } },
    spec: { containers: [{ name: 'web', image: 'web:1' }] },
  });
  change(made);
  return made;
}

describe('objects', () => {
  it('are created, read and deleted', async () => {
    const { object } = await client.create('Pod', pod('web-1'));
    expect(object.metadata?.uid).not.toBe('');
    expect(object.spec?.restartPolicy).toBe('Always');
    const read = await client.get('Pod', 'default', 'web-1');
    expect(read).toEqual(object);
    const { gone } = await client.delete('Pod', 'default', 'web-1');
    expect(gone).toBe(true);
    await expect(client.get('Pod', 'default', 'web-1')).rejects.toMatchObject({ reason: 'NotFound', message: 'pods "web-1" not found' });
  });

  it('are patched', async () => {
    await client.create('ConfigMap', ConfigMap.fromPartial({ metadata: { name: 'c', namespace: 'default' }, data: { a: '1' } }));
    const { object } = await client.mergePatch('ConfigMap', 'default', 'c', { data: { b: '2' } });
    expect(object.data).toEqual({ a: '1', b: '2' });
  });
});
