// The health protocol on the wire, against a real gRPC server on the loopback.
import { Server, ServerCredentials, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { decodeState, encodeRequest, probeGrpc } from './grpc.js';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.forceShutdown();
});

type Answer = 'hang' | number | { readonly code: status; readonly details: string };

/** A server whose health service answers so; asked: the services that were asked for. */
async function serve(answer: Answer, path = '/grpc.health.v1.Health/Check'): Promise<{ readonly port: number; readonly asked: string[] }> {
  const server = new Server();
  servers.push(server);
  const asked: string[] = [];
  const service = {
    check: {
      path,
      requestStream: false as const,
      responseStream: false as const,
      requestSerialize: (bytes: Buffer) => bytes,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: (state: number) => Buffer.from(state === 0 ? [] : [0x08, state]),
      responseDeserialize: (bytes: Buffer) => bytes[1] ?? 0,
    },
  };
  server.addService(service, {
    check: (call: { readonly request: Buffer }, done: (error: object | null, state?: number) => void) => {
      asked.push(call.request.toString('latin1'));
      if (answer === 'hang') return;
      if (typeof answer === 'number') done(null, answer);
      else done(answer);
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { port, asked };
}

const never = new AbortController().signal;

describe('probeGrpc', () => {
  it('succeeds where the service serves, and names the service', async () => {
    const { port, asked } = await serve(1);
    expect(await probeGrpc({ port, service: 'a.b' }, '127.0.0.1', never)).toMatchObject({ result: 'success' });
    expect(asked).toEqual([encodeRequest('a.b').toString('latin1')]);
  });

  it.each([
    [0, '"UNKNOWN"'],
    [2, '"NOT_SERVING"'],
    [3, '"SERVICE_UNKNOWN"'],
  ])('fails where it answers %i', async (state, word) => {
    const { port } = await serve(state);
    const outcome = await probeGrpc({ port }, '127.0.0.1', never);
    expect(outcome).toEqual({ result: 'failure', message: `service unhealthy (responded with ${word})` });
  });

  it('fails where there is no such protocol, no server, or an error', async () => {
    const other = await serve(1, '/other.Service/Check');
    expect((await probeGrpc({ port: other.port }, '127.0.0.1', never)).message).toContain('does not implement the grpc health protocol');
    const error = await serve({ code: status.NOT_FOUND, details: 'no such service' });
    expect(await probeGrpc({ port: error.port }, '127.0.0.1', never)).toEqual({
      result: 'failure',
      message: 'health rpc failed: no such service',
    });
    const closed = await serve(1);
    servers.pop()?.forceShutdown();
    const outcome = await probeGrpc({ port: closed.port }, '127.0.0.1', never);
    expect(outcome.result).toBe('failure');
    expect(outcome.message).toContain(`failed to connect service "127.0.0.1:${closed.port}"`);
  });

  it('ends when it is told to', async () => {
    const { port } = await serve('hang');
    const stop = new AbortController();
    const outcome = probeGrpc({ port }, '127.0.0.1', stop.signal);
    stop.abort();
    expect(await outcome).toMatchObject({ result: 'failure', message: expect.stringContaining('timeout') });
    expect(await probeGrpc({ port }, '127.0.0.1', stop.signal)).toMatchObject({ result: 'failure' });
  });
});

describe('messages', () => {
  it('are as protobuf has them, also with long names', () => {
    expect(encodeRequest('')).toHaveLength(0);
    expect([...encodeRequest('ab')]).toEqual([0x0a, 2, 97, 98]);
    const long = encodeRequest('x'.repeat(300));
    expect([...long.subarray(0, 3)]).toEqual([0x0a, 0xac, 0x02]);
    expect(long).toHaveLength(303);
  });

  it('of strangers are no states', () => {
    expect(decodeState(new Uint8Array())).toBe(0);
    expect(decodeState(Uint8Array.of(0x12, 1))).toBe(0);
    expect(decodeState(Uint8Array.of(0x08, 0xff))).toBe(0);
    expect(decodeState(Uint8Array.of(0x08, 1))).toBe(1);
  });
});
