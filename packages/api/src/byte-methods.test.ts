// The quick codec says and reads what the generated one does.
import type { MethodDefinition } from '@grpc/grpc-js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeBytes, encodeBytes } from './byte-codec.js';
import { byteMethods } from './byte-methods.js';
import { ClusterService } from './gen/podplane/api/v1/cluster.js';
import { PodsService } from './gen/podplane/api/v1/pods.js';
import { TunnelService } from './gen/podplane/node/v1/tunnel.js';

type Any = MethodDefinition<unknown, unknown>;
const { logs, exec, attach, portForward, readFiles, writeFiles } = PodsService;
const ordinary = {
  logs,
  exec,
  attach,
  portForward,
  readFiles,
  writeFiles,
  loadImage: ClusterService.loadImage,
  tunnel: TunnelService.open,
};

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const message = (...cases: readonly string[]): fc.Arbitrary<unknown> =>
  fc.record({ message: fc.record({ $case: fc.constantFrom(...cases), value: bytes }) });
const requests: Readonly<Record<keyof typeof ordinary, fc.Arbitrary<unknown> | undefined>> = {
  logs: undefined,
  exec: message('stdin'),
  attach: message('stdin'),
  portForward: message('data'),
  readFiles: undefined,
  writeFiles: message('data'),
  loadImage: message('data'),
  tunnel: message('data', 'errorData'),
};
const responses: typeof requests = {
  logs: fc.record({ data: bytes }),
  exec: message('stdout', 'stderr'),
  attach: message('stdout', 'stderr'),
  portForward: message('data'),
  readFiles: fc.record({ data: bytes }),
  writeFiles: undefined,
  loadImage: undefined,
  tunnel: message('data'),
};

const names = Object.keys(ordinary) as (keyof typeof ordinary)[];
test.each(names)('%s', (name) => {
  const quick = byteMethods[name] as unknown as Any;
  const slow = ordinary[name] as unknown as Any;
  const same = (arbitrary: fc.Arbitrary<unknown> | undefined, half: 'request' | 'response'): void => {
    if (arbitrary === undefined) return;
    fc.assert(
      fc.property(arbitrary, (value) => {
        const wire = slow[`${half}Serialize`](value);
        expect(quick[`${half}Serialize`](value)).toEqual(wire);
        expect(quick[`${half}Deserialize`](wire)).toEqual(slow[`${half}Deserialize`](wire));
      }),
    );
  };
  same(requests[name], 'request');
  same(responses[name], 'response');
  expect(quick.path).toBe(slow.path);
});

test('what is not just bytes goes the ordinary way', () => {
  const value = { namespace: 'n', pod: 'p', container: '', command: ['x'], stdin: true, tty: false };
  const start = { message: { $case: 'start' as const, value } };
  expect(byteMethods.exec.requestDeserialize(byteMethods.exec.requestSerialize(start))).toEqual(start);
  const exit = { message: { $case: 'exit', value: { code: 3 } } } as const;
  expect(byteMethods.exec.responseDeserialize(byteMethods.exec.responseSerialize(exit))).toEqual(exit);
});

test('whatever comes over the wire is read as the generated codec reads it, or refused as it refuses it', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.uint8Array({ maxLength: 40 }).map((one) => encodeBytes(2, one)),
      ),
      (array) => {
        const wire = Buffer.from(array);
        const read = (method: Any): unknown => {
          try {
            return method.requestDeserialize(wire);
          } catch {
            return 'refused';
          }
        };
        expect(read(byteMethods.tunnel as unknown as Any)).toEqual(read(TunnelService.open as unknown as Any));
      },
    ),
    { numRuns: 2000 },
  );
});

test('a length of several bytes', () => {
  for (const length of [0, 1, 127, 128, 16_383, 16_384, 2_097_152]) {
    const value = Buffer.alloc(length, 7);
    const found = decodeBytes(encodeBytes(15, value));
    expect(found?.field).toBe(15);
    expect(found?.value.equals(value)).toBe(true);
  }
});
