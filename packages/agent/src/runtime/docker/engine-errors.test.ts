// What the socket and the engine say becomes a code to act on. Answers of a real engine are in the *.docker.test.ts files.

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { realSystem } from '@podplane/api/system';
import { describe, expect, it } from 'vitest';
import { RuntimeError } from '../errors.js';
import { DockerRuntime } from './docker-runtime.js';
import { toRuntimeError } from './engine-errors.js';

const errno = (code: string): Error => Object.assign(new Error(`connect ${code}`), { code });

describe('toRuntimeError', () => {
  it('maps errno of the connection, with advice', () => {
    const expected: Record<string, [string, RegExp]> = {
      ENOENT: ['unreachable', /start dockerd/],
      ECONNREFUSED: ['unreachable', /DOCKER_HOST/],
      ECONNRESET: ['unreachable', /start dockerd/],
      EACCES: ['permission', /group "docker".*root/],
      ETIMEDOUT: ['timeout', /DOCKER_HOST/],
      EMFILE: ['failed', /^$/],
    };
    for (const [code, [mapped, advice]] of Object.entries(expected)) {
      const error = toRuntimeError(errno(code), 'list containers');
      expect([error.code, error.message], code).toEqual([mapped, expect.stringMatching(new RegExp(`^list containers: .*${code}`))]);
      expect(error.advice, code).toMatch(advice);
    }
  });

  it('leaves what is mapped already, and takes anything', () => {
    const mapped = new RuntimeError('no-space', 'full');
    expect(toRuntimeError(mapped, 'x')).toBe(mapped);
    for (const odd of [undefined, null, 'text', 7, {}, { statusCode: 'x' }]) expect(toRuntimeError(odd, 'x').code).toBe('failed');
  });
});

describe('DockerRuntime against an engine that misbehaves', () => {
  async function withEngine(
    answer: (path: string) => readonly [status: number, body: string],
    test: (runtime: DockerRuntime) => Promise<void>,
  ): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'podplane-engine-'));
    const server = createServer((request, response) => {
      const [status, body] = answer(request.url ?? '');
      if (status === 0) return void request.socket.destroy();
      request.resume();
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(join(folder, 's'), resolve));
    try {
      await test(new DockerRuntime(realSystem(), { socketPath: join(folder, 's') }));
    } finally {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true });
    }
  }
  const message = (text: string): string => JSON.stringify({ message: text });

  it('tells a full disk, a taken port and a time-out from their words, everything else fails', async () => {
    const words: Record<string, string> = {
      'write /var/lib/docker/x: no space left on device': 'no-space',
      'driver failed programming external connectivity on endpoint x: Bind for 0.0.0.0:80 failed: port is already allocated':
        'address-in-use',
      'listen tcp4 0.0.0.0:80: bind: address already in use': 'address-in-use',
      'context deadline exceeded': 'timeout',
      'something else': 'failed',
    };
    for (const [text, code] of Object.entries(words)) {
      await withEngine(
        () => [500, message(text)],
        (runtime) => expect(runtime.info()).rejects.toMatchObject({ code, message: expect.stringContaining(text) }),
      );
    }
  });

  it('a connection that breaks means unreachable; watching ends without error', async () => {
    await withEngine(
      () => [0, ''],
      async (runtime) => {
        await expect(runtime.info()).rejects.toMatchObject({ code: 'unreachable' });
        await expect(runtime.inspect('x')).rejects.toMatchObject({ code: 'unreachable' });
      },
    );
    await withEngine(
      () => [200, '{"Type":"container","Action":"die","Actor":{"ID":"a","Attributes":{"podplane.dev/pod-uid":"u"}}}\n{"odd":1}\n'],
      async (runtime) => {
        const seen: unknown[] = [];
        for await (const hint of runtime.watch('n', new AbortController().signal)) seen.push(hint);
        expect(seen).toEqual([{ containerId: 'a', podUid: 'u', action: 'die' }]);
      },
    );
  });

  it('says what the engine answered where that is no JSON at all', async () => {
    await withEngine(
      () => [502, '<html>bad gateway</html>'],
      (runtime) =>
        expect(
          runtime
            .logs('x', { follow: false, tail: undefined, since: undefined, timestamps: false }, new AbortController().signal)
            [Symbol.asyncIterator]()
            .next(),
        ).rejects.toMatchObject({ code: 'failed' }),
    );
  });

  it('refuses engines of other architectures', async () => {
    await withEngine(
      () => [200, '{"Architecture":"riscv64"}'],
      (runtime) =>
        expect(runtime.prepareNode({ nodeName: 'n', podCIDR: '10.1.0.0/24' })).rejects.toMatchObject({
          code: expect.stringMatching(/invalid|failed/),
        }),
    );
  });
});
