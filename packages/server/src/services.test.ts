// Health, reflection, and requests that are no requests, as a stranger's gRPC client sees them.
import { type Client, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { toApiError } from '@podplane/client/failure';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bytesField, fieldsOf, textField, textOf } from './grpc/wire.js';
import { channel } from './testkit/agent.js';
import { type TestServer, testServer } from './testkit/harness.js';

let server: TestServer;
let admin: Client;
let anonymous: Client;

beforeAll(async () => {
  server = await testServer();
  admin = channel(server, { certificate: server.context.clientCertificate, key: server.context.clientKey });
  anonymous = channel(server);
});
afterAll(async () => {
  admin.close();
  anonymous.close();
  await server[Symbol.asyncDispose]();
});

const bytes = (value: Buffer): Buffer => value;

function unary(client: Client, path: string, request: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, bytes, bytes, Buffer.from(request), (error: ServiceError | null, answer?: Buffer) => {
      if (error === null) resolve(answer ?? Buffer.alloc(0));
      else reject(error);
    });
  });
}

/** All answers of reflection to one question. */
async function reflect(question: Uint8Array, version = 'v1'): Promise<Buffer> {
  const call = admin.makeBidiStreamRequest(
    `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    bytes,
    bytes,
    new Metadata(),
    {},
  );
  call.write(Buffer.from(question));
  call.end();
  const answers: Buffer[] = [];
  for await (const answer of call) answers.push(answer as Buffer);
  expect(answers).toHaveLength(1);
  return answers[0] ?? Buffer.alloc(0);
}

function inside(message: Uint8Array, ...path: readonly number[]): Uint8Array[] {
  let found: Uint8Array[] = [message];
  for (const wanted of path)
    found = found.flatMap((one) => [...fieldsOf(one)].filter(({ field }) => field === wanted).map(({ value }) => value as Uint8Array));
  return found;
}

describe('health', () => {
  it('is told to anybody', async () => {
    expect([...(await unary(anonymous, '/grpc.health.v1.Health/Check', Buffer.alloc(0)))]).toEqual([8, 1]);
    expect([...(await unary(anonymous, '/grpc.health.v1.Health/Check', textField(1, 'podplane.api.v1.Objects')))]).toEqual([8, 1]);
    await expect(unary(anonymous, '/grpc.health.v1.Health/Check', textField(1, 'nobody'))).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
  });

  it('can be watched', async () => {
    const own = await testServer();
    const client = channel(own);
    const call = client.makeServerStreamRequest('/grpc.health.v1.Health/Watch', bytes, bytes, Buffer.alloc(0), new Metadata(), {});
    const told: number[][] = [];
    const first = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    call.on('data', (answer: Buffer) => {
      told.push([...answer]);
      first.resolve();
    });
    call.on('error', () => ended.resolve());
    await first.promise;
    await own[Symbol.asyncDispose]();
    await ended.promise;
    expect(told).toEqual([
      [8, 1],
      [8, 2],
    ]);
    client.close();
  });
});

describe('reflection', () => {
  it.each(['v1', 'v1alpha'])('lists the services (%s)', async (version) => {
    const names = inside(await reflect(textField(7, ''), version), 6, 1, 1).map(textOf);
    expect(names).toEqual(expect.arrayContaining(['podplane.api.v1.Objects', 'podplane.api.v1.Pods', 'podplane.node.v1.Session']));
  });

  it('gives the file of a symbol, with all that it imports', async () => {
    for (const symbol of ['podplane.api.v1.Objects', 'podplane.api.v1.Objects.Watch', 'podplane.core.v1.Pod']) {
      const files = inside(await reflect(textField(4, symbol)), 4, 1);
      const names = files.map((file) => textOf(inside(file, 1)[0] ?? 0));
      expect(names).toContain('podplane/core/v1/pod.proto');
      expect(names).toContain('google/protobuf/timestamp.proto');
      for (const file of files) for (const dependency of inside(file, 3).map(textOf)) expect(names).toContain(dependency);
    }
  });

  it('says what it does not know', async () => {
    const [code] = fieldsOf(inside(await reflect(textField(4, 'no.Such')), 7)[0] ?? Buffer.alloc(0));
    expect(code?.value).toBe(5);
  });
});

describe('a request', () => {
  it('that is no message is refused with a reason', async () => {
    const error = await unary(admin, '/podplane.api.v1.Objects/Get', Buffer.from([0x0a, 0x7f, 1])).then(
      () => undefined,
      (failed: unknown) => failed,
    );
    expect(error).toMatchObject({ code: status.INVALID_ARGUMENT });
    expect(toApiError(error)).toMatchObject({ reason: 'BadRequest', message: expect.stringContaining('not a protobuf message') });
  });

  it('without an object is refused', async () => {
    await expect(unary(admin, '/podplane.api.v1.Objects/Create', Buffer.alloc(0))).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    // Arm 99 of the union: a kind of a newer client.
    await expect(unary(admin, '/podplane.api.v1.Objects/Create', bytesField(1, bytesField(99, Buffer.alloc(0))))).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
  });

  it('for a method that is not there is unimplemented', async () => {
    await expect(unary(admin, '/podplane.api.v1.Objects/Fly', Buffer.alloc(0))).rejects.toMatchObject({ code: status.UNIMPLEMENTED });
  });
});
