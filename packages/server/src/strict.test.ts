// Objects as protobuf bytes that no manifest could be, put together by hand and sent over real gRPC, as a client in any language might.
import type { Client, ServiceError } from '@grpc/grpc-js';
import { type ApiError, fromStatus } from '@podplane/api/errors';
import { CreateBatchResponse } from '@podplane/api/gen/podplane/api/v1/objects';
import { ConfigMap } from '@podplane/api/gen/podplane/core/v1/config_map';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { PodplaneClient } from '@podplane/client/client';
import { dial } from '@podplane/client/dial';
import { toApiError } from '@podplane/client/failure';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bytesField, textField, varintField } from './grpc/wire.js';
import { type TestServer, testServer } from './testkit/harness.js';

let server: TestServer;
let client: PodplaneClient;
let raw: Client;

beforeAll(async () => {
  server = await testServer();
  client = new PodplaneClient(server.context);
  raw = dial(server.context);
});
afterAll(async () => {
  raw.close();
  client.close();
  await server[Symbol.asyncDispose]();
});

type Bytes = Uint8Array;

const POD_ARM = 1;
const CONFIG_MAP_ARM = 4;
const join = (...parts: readonly Bytes[]): Bytes => Buffer.concat(parts);

/** A Pod with more fields in its metadata, its second container, or itself. */
function pod(name: string, more: { readonly metadata?: Bytes; readonly container?: Bytes; readonly pod?: Bytes } = {}): Bytes {
  const none = Buffer.alloc(0);
  const container = (called: string, rest: Bytes): Bytes => bytesField(2, join(textField(1, called), textField(2, 'web:1'), rest));
  return join(
    bytesField(1, join(textField(1, name), textField(3, 'default'), more.metadata ?? none)),
    bytesField(2, join(container('web', none), container('probed', more.container ?? none))),
    more.pod ?? none,
  );
}

/** creationTimestamp: google.protobuf.Timestamp{seconds, nanos}. */
const created = (seconds: number, nanos = 0): Bytes => bytesField(8, join(varintField(1, seconds), varintField(2, nanos)));
/** livenessProbe.httpGet.port: google.protobuf.Value{structValue{a: "b"}}. */
const STRUCT: Bytes = bytesField(5, bytesField(1, join(textField(1, 'a'), bytesField(2, textField(3, 'b')))));
const probed: Bytes = bytesField(10, bytesField(1002, bytesField(2, STRUCT)));

function call(method: string, request: Bytes): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    raw.makeUnaryRequest(
      `/podplane.api.v1.Objects/${method}`,
      (bytes: Bytes) => Buffer.from(bytes),
      (bytes: Buffer) => bytes,
      request,
      (error: ServiceError | null, answer?: Buffer) => (error === null ? resolve(answer ?? Buffer.alloc(0)) : reject(toApiError(error))),
    );
  });
}

const inObject = (field: number, arm: number, object: Bytes): Bytes => bytesField(field, bytesField(arm, object));

const faulty: [string, (name: string) => Bytes, Partial<ApiError>][] = [
  [
    'a time in the year 12000',
    (name) => pod(name, { metadata: created(316_516_896_000) }),
    { message: expect.stringContaining('metadata.creationTimestamp: "+012000-'), causes: [cause('metadata.creationTimestamp')] },
  ],
  [
    'a time that no calendar has',
    (name) => pod(name, { metadata: created(2 ** 52) }),
    {
      message: expect.stringContaining('metadata.creationTimestamp: "4503599627370496 s and 0 ns since 1970" is not a time'),
      causes: [cause('metadata.creationTimestamp')],
    },
  ],
  [
    'more nanoseconds than a second has',
    (name) => pod(name, { metadata: created(1, 2_000_000_000) }),
    { causes: [cause('metadata.creationTimestamp')] },
  ],
  [
    'a struct as a port',
    (name) => pod(name, { container: probed }),
    {
      message: expect.stringContaining('spec.containers[1].livenessProbe.httpGet.port'),
      causes: [cause('spec.containers[1].livenessProbe.httpGet.port')],
    },
  ],
  [
    'another kind than its arm of the union',
    (name) => pod(name, { pod: textField(1001, 'Service') }),
    { message: expect.stringContaining('expected an object of kind Pod, got Service') },
  ],
  ['another apiVersion', (name) => pod(name, { pod: textField(1002, 'v2') }), { message: expect.stringContaining('v2') }],
];

function cause(field: string): ApiError['causes'][number] {
  return expect.objectContaining({ field }) as ApiError['causes'][number];
}

describe.each(faulty)('%s', (_what, make, wanted) => {
  const refused = { reason: 'BadRequest', ...wanted };

  it('is refused by create', async () => {
    await expect(call('Create', inObject(1, POD_ARM, make('strict')))).rejects.toMatchObject(refused);
    await expect(client.get('Pod', 'default', 'strict')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it('is refused by createBatch, alone', async () => {
    const name = `beside-${faulty.findIndex(([what]) => what === _what)}`;
    const beside = ConfigMap.encode(ConfigMap.fromPartial({ metadata: { name, namespace: 'default' } })).finish();
    const answer = await call('CreateBatch', join(inObject(1, POD_ARM, make('strict')), inObject(1, CONFIG_MAP_ARM, beside)));
    const [first, second] = CreateBatchResponse.decode(answer).results;
    expect(first?.result?.$case).toBe('error');
    expect(first?.result?.$case === 'error' ? fromStatus(first.result.value) : undefined).toMatchObject(refused);
    expect(second?.result?.$case).toBe('object');
    await expect(client.get('Pod', 'default', 'strict')).rejects.toMatchObject({ reason: 'NotFound' });
  });

  it('is refused by update, and changes nothing', async () => {
    const { object } = await client.create('Pod', Pod.decode(pod('updated')));
    try {
      await expect(call('Update', inObject(1, POD_ARM, make('updated')))).rejects.toMatchObject(refused);
      expect(await client.get('Pod', 'default', 'updated')).toEqual(object);
    } finally {
      await client.delete('Pod', 'default', 'updated', { gracePeriodSeconds: 0 });
    }
  });
});

it('a number that is greater than JavaScript can hold is refused', async () => {
  // spec.terminationGracePeriodSeconds = 2^60, as a varint
  const huge = Buffer.from([4 << 3, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10]);
  await expect(call('Create', inObject(1, POD_ARM, join(pod('huge'), bytesField(2, huge))))).rejects.toMatchObject({
    reason: 'BadRequest',
    message: expect.stringContaining('larger than'),
  });
});

it('bytes that are no message are refused', async () => {
  await expect(call('Create', Buffer.from([0xff, 0xff, 0xff]))).rejects.toMatchObject({
    reason: 'BadRequest',
    message: expect.stringContaining('not a protobuf message'),
  });
});

it('an object of no kind is refused', async () => {
  await expect(call('Create', inObject(1, 99, pod('x')))).rejects.toMatchObject({
    reason: 'BadRequest',
    message: expect.stringContaining('object: Required value'),
  });
});
