// How much may be on its way to the server on one stream: grpc-js has no setting for it, so what we do instead is looked at from outside.
import { once } from 'node:events';
import { connect } from 'node:http2';
import { expect, it } from 'vitest';
import { testServer } from './testkit/harness.js';

it('takes a megabyte of each stream ahead, where HTTP/2 would begin with 64 KiB', async () => {
  await using server = await testServer();
  const { server: address, caCertificate, clientCertificate, clientKey } = server.context;
  const session = connect(`https://${address}`, {
    ca: caCertificate,
    cert: clientCertificate,
    key: clientKey,
    servername: 'podplane-server',
  });
  // The first settings are the library's own.
  for (let size = 0; size !== 1024 * 1024; ) {
    const [settings] = (await once(session, 'remoteSettings')) as [{ readonly initialWindowSize: number }];
    size = settings.initialWindowSize;
  }
  expect(session.remoteSettings.initialWindowSize).toBe(1024 * 1024);
  session.destroy();
});
