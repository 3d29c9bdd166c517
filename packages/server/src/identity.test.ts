// Certificates and tokens over real TLS: who gets in, who does not, and what the error says.

import { X509Certificate } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join as joinPath } from 'node:path';
import tls from 'node:tls';
import { Client, status } from '@grpc/grpc-js';
import { ClusterService } from '@podplane/api/gen/podplane/api/v1/cluster';
import { ObjectsService } from '@podplane/api/gen/podplane/api/v1/objects';
import { JoinService } from '@podplane/api/gen/podplane/node/v1/join';
import { realSystem } from '@podplane/api/system';
import { PodplaneClient } from '@podplane/client/client';
import { toApiError } from '@podplane/client/failure';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Pki } from './auth/pki.js';
import { call, certificateRequest, channel, expectNext, FakeAgent, type Identity, join } from './testkit/agent.js';
import { type TestServer, testServer } from './testkit/harness.js';

let server: TestServer;
let client: PodplaneClient;
const channels: Client[] = [];

beforeEach(async () => {
  server = await testServer();
  client = new PodplaneClient(server.context);
});
afterEach(async () => {
  for (const one of channels.splice(0)) one.close();
  client.close();
  await server[Symbol.asyncDispose]();
});

function as(identity?: Identity): Client {
  const made = channel(server, identity);
  channels.push(made);
  return made;
}

/** How a list of pods is refused. */
async function refusal(identity?: Identity): Promise<{ readonly reason: string; readonly message: string; readonly advice: string }> {
  const request = { kind: 'Pod', namespace: '', labelSelector: '', fieldSelector: '', limit: 0, continue: '' };
  return await call(as(identity), ObjectsService.list, request).then(
    () => {
      throw new Error('it was not refused');
    },
    (error: unknown) => toApiError(error),
  );
}

describe('a caller', () => {
  it('without a certificate is told so', async () => {
    expect(await refusal()).toMatchObject({
      reason: 'Unauthorized',
      message: 'podplane.api.v1.Objects.List needs a client certificate: none was shown',
    });
  });

  it("with another cluster's certificate is told so", async () => {
    const other = await Pki.open({ directory: undefined, clock: realSystem().clock, serverNames: [], nodeLifetimeMs: 1000 });
    const refused = await refusal(await other.issueAdmin());
    expect(refused).toMatchObject({ reason: 'Unauthorized', message: expect.stringContaining("not from this cluster's CA") });
    expect(refused.advice).toContain('another cluster');
  });

  it('with an expired certificate is told when it expired', async () => {
    const { clientCertificate, clientKey } = await server.running.issueAdminContext({ lifetimeMs: -1000 });
    expect(await refusal({ certificate: clientCertificate, key: clientKey })).toMatchObject({
      reason: 'Unauthorized',
      message: expect.stringMatching(/expired at \d{4}-\d\d-\d\dT/),
    });
  });

  it('that is a node may not touch objects, nor make tokens', async () => {
    const node = await join(server, 'n1');
    expect(await refusal(node)).toMatchObject({
      reason: 'Forbidden',
      message: expect.stringContaining('node "n1" may only use its own session'),
    });
    await expect(call(as(node), ClusterService.createToken, { description: '', ttlSeconds: 0 })).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
    });
    expect((await call(as(node), ClusterService.getVersion, {})).clusterId).toBe(server.running.clusterId);
  });

  it('loses its connection when its certificate ends', async () => {
    // Signed for as long as it takes to connect: certificates count in whole seconds.
    const { clientCertificate, clientKey } = await server.running.issueAdminContext({ lifetimeMs: 2000 });
    const { caCertificate } = server.context;
    const socket = tls.connect({
      port: server.running.port,
      host: '127.0.0.1',
      ca: caCertificate,
      cert: clientCertificate,
      key: clientKey,
      servername: 'podplane-server',
      ALPNProtocols: ['h2'],
    });
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    socket.on('error', () => undefined);
    socket.resume();
    await closed;
    expect(Date.now()).toBeGreaterThanOrEqual(new X509Certificate(clientCertificate).validToDate.getTime());
  });
});

describe('joining', () => {
  it('gives a certificate for the node, and the authority', async () => {
    const { certificate, answer } = await join(server, 'n1');
    const made = new X509Certificate(certificate);
    expect(made.subject.split('\n').sort()).toEqual(['CN=system:node:n1', 'O=system:nodes']);
    expect(made.verify(new X509Certificate(answer.caCertificate).publicKey)).toBe(true);
    const hours = (made.validToDate.getTime() - Date.now()) / 3_600_000;
    expect(hours).toBeGreaterThan(23);
    expect(hours).toBeLessThan(24.5);
  });

  it('pins the authority in the token', async () => {
    const { secret, command } = await client.createToken('', 0);
    const [, hash] = secret.split('.');
    const socket = tls.connect({ port: server.running.port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    const { issuerCertificate } = socket.getPeerCertificate(true);
    socket.destroy();
    expect(Buffer.from(issuerCertificate.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url')).toBe(hash);
    expect(command).toBe(`podplane agent --server ${server.running.publicAddress} --token ${secret}`);
  });

  it('is refused with a token that is wrong, expired, revoked, malformed or of another cluster', async () => {
    const { secret, token } = await client.createToken('for n1', 60);
    const anonymous = as();
    const { request } = await certificateRequest('n1');
    const tryWith = async (text: string): Promise<string> =>
      await call(anonymous, JoinService.join, { token: text, nodeName: 'n1', certificateRequest: request, machineId: 'm' }).then(
        () => 'accepted',
        (error: unknown) => toApiError(error).message,
      );
    const [version, hash, id, rest] = secret.split('.');
    expect(await tryWith(`${version}.${hash}.${id}.${rest?.slice(1)}x`)).toBe('the join token is wrong or was revoked');
    expect(await tryWith(`${version}.${hash}.0000000000.${rest}`)).toBe('the join token is wrong or was revoked');
    expect(await tryWith(`${version}.${'x'.repeat(43)}.${id}.${rest}`)).toBe('the join token belongs to another cluster');
    expect(await tryWith('hello')).toContain('is not of the form');
    expect(await tryWith(secret)).toBe('accepted');
    expect(await client.listTokens()).toMatchObject([{ id: token?.id, description: 'for n1', uses: 1 }]);
    await client.revokeToken(id ?? '');
    expect(await tryWith(secret)).toBe('the join token is wrong or was revoked');
    expect(await client.listTokens()).toEqual([]);
    await expect(client.revokeToken(id ?? '')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it('is refused with a request for another subject, a damaged one, and a name that is none', async () => {
    const { secret } = await client.createToken('', 0);
    const anonymous = as();
    const tryWith = async (nodeName: string, request: Buffer, machineId = 'm'): Promise<string> =>
      await call(anonymous, JoinService.join, { token: secret, nodeName, certificateRequest: request, machineId }).then(
        () => 'accepted',
        (error: unknown) => toApiError(error).message,
      );
    const { request } = await certificateRequest('n2');
    expect(await tryWith('n1', request)).toContain('its subject must be O=system:nodes, CN=system:node:n1');
    expect(await tryWith('n1', (await certificateRequest('n1', 'O=system:masters, CN=system:node:n1')).request)).toContain(
      'its subject must be',
    );
    expect(await tryWith('n1', (await certificateRequest('n1', 'O=system:nodes, O=system:masters, CN=system:node:n1')).request)).toContain(
      'its subject must be',
    );
    const damaged = Buffer.from(request);
    damaged[60] = (damaged[60] ?? 0) ^ 1;
    expect(await tryWith('n2', damaged)).toContain('the certificate request is refused');
    expect(await tryWith('n1', Buffer.from('nonsense'))).toContain('it is no PKCS #10 request');
    expect(await tryWith('Not A Name', request)).toContain('nodeName: Invalid value');
    expect(await tryWith('n2', request, '')).toContain('machineId: Required value');
  });

  it('is renewed with the certificate, and only as oneself', async () => {
    const node = await join(server, 'n1');
    const { request } = await certificateRequest('n1');
    const renewed = await call(as(node), JoinService.renew, { certificateRequest: request });
    expect(new X509Certificate(renewed.certificate).serialNumber).not.toBe(new X509Certificate(node.certificate).serialNumber);
    await expect(call(as(node), JoinService.renew, { certificateRequest: (await certificateRequest('n2')).request })).rejects.toMatchObject(
      { code: status.INVALID_ARGUMENT },
    );
    await expect(call(as(), JoinService.renew, { certificateRequest: request })).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
  });
});

describe('the authority', () => {
  it('outlives the server, in files that only its user can read', async () => {
    const agent = await FakeAgent.join(server, 'n1');
    await server.restart();
    const again = new FakeAgent(server, 'n1', agent.identity);
    await expectNext(again.connect(), 'welcome');
    agent[Symbol.dispose]();
    again[Symbol.dispose]();
    const folder = joinPath(server.dataDir, 'pki');
    for (const name of await readdir(folder)) expect((await stat(joinPath(folder, name))).mode & 0o777).toBe(0o600);
  });
});

describe('the port', () => {
  it('answers HTTP/1.1 a little', async () => {
    const get = async (path: string): Promise<string> => {
      const socket = tls.connect({
        port: server.running.port,
        host: '127.0.0.1',
        ca: server.context.caCertificate,
        servername: 'podplane-server',
        ALPNProtocols: ['http/1.1'],
      });
      await new Promise((resolve) => socket.once('secureConnect', resolve));
      socket.end(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      let text = '';
      for await (const chunk of socket) text += String(chunk);
      return text;
    };
    expect(await get('/healthz')).toMatch(/^HTTP\/1\.1 200 [\s\S]*ok$/);
    expect(await get('/version')).toContain(server.running.clusterId);
    expect(await get('/api/v1/pods')).toMatch(/^HTTP\/1\.1 404 [\s\S]*gRPC/);
  });

  it('that is taken gives an error that says so', async () => {
    await expect(testServer({ port: server.running.port })).rejects.toMatchObject({
      code: 'port-taken',
      advice: expect.stringContaining('--port'),
    });
  });
});

describe('a node that is removed', () => {
  it('is told, and stays away with its certificate until it joins anew, also after a restart of the server', async () => {
    await server[Symbol.asyncDispose]();
    server = await testServer({ journal: 'sqlite' });
    const agent = await FakeAgent.join(server, 'n1');
    const said = agent.connect();
    await expectNext(said, 'welcome');
    client.close();
    client = new PodplaneClient(server.context);
    await client.delete('Node', '', 'n1');
    await expectNext(said, 'assignments');
    expect((await expectNext(said, 'refused')).reason).toBe('NodeRemoved');
    const { request } = await certificateRequest('n1');
    await expect(call(as(agent.identity), JoinService.renew, { certificateRequest: request })).rejects.toMatchObject({
      details: 'node "n1" was removed from the cluster',
    });
    await server.restart();
    const again = new FakeAgent(server, 'n1', agent.identity);
    expect(await expectNext(again.connect(), 'refused')).toMatchObject({
      reason: 'NodeRemoved',
      message: 'node "n1" was removed from the cluster; to bring it back, start its agent with a new token: podplane token create',
    });
    const fresh = await FakeAgent.join(server, 'n1');
    await expectNext(fresh.connect(), 'welcome');
    for (const one of [agent, again, fresh]) one[Symbol.dispose]();
  });
});
