// The client library against servers that are not there, are others, or come and go.
import net from 'node:net';
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { PodplaneClient } from '@podplane/client/client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TestServer, testServer } from './testkit/harness.js';

let server: TestServer;
beforeEach(async () => {
  server = await testServer({ journal: 'sqlite' });
});
afterEach(() => server[Symbol.asyncDispose]());

describe('a client', () => {
  it('says that nothing listens there', async () => {
    using client = new PodplaneClient(server.context);
    await server.stop();
    await expect(client.version()).rejects.toMatchObject({
      reason: 'ServiceUnavailable',
      message: `the server at ${server.context.server} does not answer: nothing listens there`,
      advice: expect.stringContaining('podplane up'),
    });
  });

  it('says that it is another cluster', async () => {
    const other = await testServer();
    using client = new PodplaneClient({ ...server.context, server: other.running.address });
    await expect(client.version()).rejects.toMatchObject({
      reason: 'ServiceUnavailable',
      message: expect.stringContaining("not of this context's cluster"),
    });
    await other[Symbol.asyncDispose]();
  });

  it('says that something else listens there', async () => {
    const stranger = net.createServer((socket) => socket.end('220 hello\r\n'));
    await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
    const { port } = stranger.address() as net.AddressInfo;
    using client = new PodplaneClient({ ...server.context, server: `127.0.0.1:${port}` });
    await expect(client.version()).rejects.toMatchObject({
      reason: 'ServiceUnavailable',
      message: expect.stringContaining('is not usable'),
    });
    stranger.close();
  });

  it('says that the name has no address', async () => {
    using client = new PodplaneClient({ ...server.context, server: 'no-such-host.invalid:6443' });
    await expect(client.version()).rejects.toMatchObject({ reason: 'ServiceUnavailable' });
  });

  it('waits for a server that is started again, for reads and writes', async () => {
    using client = new PodplaneClient(server.context);
    await client.version();
    const restarted = server.restart();
    const { object } = await client
      .create('ConfigMap', ConfigMap.fromPartial({ metadata: { name: 'a', namespace: 'default' } }))
      .catch(async (error: unknown) => {
        // A write that was under way when the server stopped is not repeated by the client: whether it was done is not known.
        expect(error).toMatchObject({ reason: 'ServiceUnavailable' });
        return await client.create('ConfigMap', ConfigMap.fromPartial({ metadata: { name: 'b', namespace: 'default' } }));
      });
    await restarted;
    expect((await client.get('ConfigMap', 'default', object.metadata?.name ?? '')).metadata?.uid).toBe(object.metadata?.uid);
  });

  it('does not wait longer than it is told to', async () => {
    using client = new PodplaneClient(server.context, { timeoutMs: 500 });
    await client.version();
    await server.stop();
    await expect(client.get('Namespace', '', 'default')).rejects.toMatchObject({
      reason: 'ServiceUnavailable',
      message: expect.stringContaining('nothing listens there'),
    });
  });
});
