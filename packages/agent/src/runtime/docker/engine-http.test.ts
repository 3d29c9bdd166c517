// The HTTP client against servers in this process: addresses, answers, connections that were kept open, hand-over.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Timer, Timers } from '@podplane/api/system';
import { realSystem } from '@podplane/api/system';
import { afterEach, describe, expect, it } from 'vitest';
import { Engine } from './engine.js';
import { EngineAnswer, EngineHttp, engineAddress, pathPart } from './engine-http.js';

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function serve(listener: RequestListener): Promise<{ readonly server: Server; readonly http: EngineHttp; readonly port: number }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stops.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return { server, port, http: new EngineHttp({ kind: 'tcp', host: '127.0.0.1', port, tls: undefined }) };
}

describe('engineAddress', () => {
  it('reads DOCKER_HOST as the docker command does', () => {
    expect(engineAddress({})).toEqual({ kind: 'socket', path: '/var/run/docker.sock' });
    expect(engineAddress({ DOCKER_HOST: 'unix:///run/user/1000/docker.sock' })).toEqual({
      kind: 'socket',
      path: '/run/user/1000/docker.sock',
    });
    expect(engineAddress({ DOCKER_HOST: 'unix://' })).toEqual({ kind: 'socket', path: '/var/run/docker.sock' });
    expect(engineAddress({ DOCKER_HOST: 'tcp://10.0.0.1:2375' })).toEqual({ kind: 'tcp', host: '10.0.0.1', port: 2375, tls: undefined });
    expect(engineAddress({ DOCKER_HOST: 'node-1' })).toEqual({ kind: 'tcp', host: 'node-1', port: 2375, tls: undefined });
  });

  it('says what is wrong with it', () => {
    for (const host of ['ssh://me@host', 'npipe:////./pipe/docker_engine', 'tcp://:::']) {
      expect(() => engineAddress({ DOCKER_HOST: host }), host).toThrow(
        expect.objectContaining({ code: 'invalid', advice: expect.stringContaining('unix:///var/run/docker.sock') }),
      );
    }
    expect(() => engineAddress({ DOCKER_HOST: 'tcp://host:2376', DOCKER_CERT_PATH: '/no/such' })).toThrow(
      expect.objectContaining({ code: 'invalid', advice: expect.stringContaining('ca.pem') }),
    );
  });
});

describe('EngineHttp', () => {
  it('sends query, JSON and archives, and reads JSON', async () => {
    const { http } = await serve((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () =>
        response.end(JSON.stringify({ method: request.method, url: request.url, type: request.headers['content-type'], body })),
      );
    });
    expect(
      await http.json({
        method: 'POST',
        path: `/x/${pathPart('a/b c:1')}`,
        query: { filters: { a: ['ä'] }, all: true, none: undefined },
        body: { x: 1 },
      }),
    ).toEqual({
      method: 'POST',
      url: '/x/a/b%20c%3A1?filters=%7B%22a%22%3A%5B%22%C3%A4%22%5D%7D&all=true',
      type: 'application/json',
      body: '{"x":1}',
    });
    expect(await http.json({ method: 'POST', path: '/load', archive: Readable.from(['one', 'two']) })).toMatchObject({
      type: 'application/x-tar',
      body: 'onetwo',
    });
    expect(await http.json({ method: 'DELETE', path: '/x' })).toMatchObject({ method: 'DELETE', url: '/x', body: '' });
  });

  it('gives no content as undefined, and other statuses with their words', async () => {
    const { http } = await serve((request, response) => {
      const status = Number(request.url?.slice(1));
      response.writeHead(status);
      if (status === 404) response.end('{"message":"No such thing\\n"}');
      else if (status === 500) response.end('x'.repeat(1_000_000));
      else response.end();
    });
    expect(await http.json({ method: 'POST', path: '/204' })).toBeUndefined();
    await expect(http.json({ method: 'POST', path: '/304' })).rejects.toMatchObject({ statusCode: 304 });
    await expect(http.json({ method: 'GET', path: '/404' })).rejects.toMatchObject({ statusCode: 404, text: 'No such thing' });
    const long = await http.json({ method: 'GET', path: '/500' }).catch((error: unknown) => error);
    expect(long).toBeInstanceOf(EngineAnswer);
    expect((long as EngineAnswer).text.length).toBeLessThanOrEqual(65536);
  });

  it('asks again when a connection that was kept open has gone, but only what changes nothing', async () => {
    let drop = false;
    let count = 0;
    const { http } = await serve((request, response) => {
      count++;
      if (drop) {
        drop = false;
        return void request.socket.resetAndDestroy();
      }
      response.end('{}');
    });
    await http.json({ method: 'GET', path: '/' });
    drop = true;
    expect(await http.json({ method: 'GET', path: '/' })).toEqual({});
    expect(count).toBe(3);
    drop = true;
    await expect(http.json({ method: 'POST', path: '/' })).rejects.toMatchObject({ code: 'ECONNRESET' });
    expect(count).toBe(4);
  });

  it('hands a connection over with what came along, and says when there is none', async () => {
    const { http, server } = await serve((_request, response) => response.writeHead(409).end('{"message":"paused"}'));
    await expect(http.upgrade({ method: 'POST', path: '/' })).rejects.toMatchObject({ statusCode: 409, text: 'paused' });
    server.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly ');
      socket.pipe(socket);
    });
    const socket = await http.upgrade({ method: 'POST', path: '/' });
    socket.end('late');
    let text = '';
    for await (const chunk of socket) text += (chunk as Buffer).toString();
    expect(text).toBe('early late');
  });

  it('stops when the signal says so', async () => {
    const { http } = await serve(() => undefined);
    const stop = new AbortController();
    const asking = http.json({ method: 'GET', path: '/', signal: stop.signal });
    stop.abort();
    await expect(asking).rejects.toMatchObject({ name: 'AbortError' });
  });
});

describe('Engine', () => {
  it('gives up on an engine that does not answer', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'podplane-engine-'));
    stops.push(() => rmSync(folder, { recursive: true }));
    const closed = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    const server = createServer((request) => {
      request.socket.on('close', () => closed.resolve());
      asked.resolve();
    });
    await new Promise<void>((resolve) => server.listen(join(folder, 's'), resolve));
    stops.push(() => void server.close());
    let fire: (() => void) | undefined;
    const timers: Timers = {
      after: (ms, fn): Timer => {
        expect(ms).toBe(120_000);
        fire = fn;
        return { cancel: () => undefined };
      },
      soon: queueMicrotask,
    };
    const engine = new Engine({ ...realSystem(), timers }, { socketPath: join(folder, 's') });
    const asking = engine.call('ask', { method: 'GET', path: '/info' });
    await asked.promise;
    fire?.();
    await expect(asking).rejects.toMatchObject({ code: 'timeout' });
    await closed.promise; // and lets go of the connection
  });
});
