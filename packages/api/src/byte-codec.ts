// The codec of messages that carry bytes in bulk: those bytes are copied once when they are written and never when they are read. The generated codec
// copies them three times and zeroes what it copies to, which was half of the CPU time of a tunnel. Which calls have it is in byte-methods.ts.
import type { MethodDefinition } from '@grpc/grpc-js';

/** By case of the message's oneof: the number of the bytes field. "" stands for a field `data` that is in no oneof. */
type BytesFields = Readonly<Record<string, number>>;

interface Oneof {
  readonly message?: { readonly $case: string; readonly value: unknown } | undefined;
  readonly data?: unknown;
}

const LENGTH_DELIMITED = 2;
/** Of a tag and a length. */
const MAX_HEADER = 6;

/** A message that has nothing but a bytes field; field below 16. */
export function encodeBytes(field: number, value: Uint8Array): Buffer {
  const { length } = value;
  let header = 2;
  for (let rest = length; rest >= 0x80; rest >>>= 7) header++;
  const out = Buffer.allocUnsafe(header + length);
  out[0] = (field << 3) | LENGTH_DELIMITED;
  let at = 1;
  let rest = length;
  for (; rest >= 0x80; rest >>>= 7) out[at++] = (rest & 0x7f) | 0x80;
  out[at++] = rest;
  out.set(value, at);
  return out;
}

/** The field and its bytes, which are a part of the message's; undefined where the message has anything else in it. */
export function decodeBytes(wire: Buffer): { readonly field: number; readonly value: Buffer } | undefined {
  const tag = wire[0] ?? 0;
  if ((tag & 0x87) !== LENGTH_DELIMITED) return undefined;
  let length = 0;
  let at = 1;
  for (let shift = 0; ; shift += 7) {
    const byte = wire[at++];
    if (byte === undefined || at > MAX_HEADER) return undefined;
    length += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  return at + length === wire.length ? { field: tag >> 3, value: wire.subarray(at) } : undefined;
}

function serializer<T>(fields: BytesFields, ordinary: (message: T) => Buffer): (message: T) => Buffer {
  return (message) => {
    const { message: one, data } = message as Oneof;
    const value = one === undefined ? data : one.value;
    const field = fields[one === undefined ? '' : one.$case];
    return field !== undefined && value instanceof Uint8Array && value.length > 0 ? encodeBytes(field, value) : ordinary(message);
  };
}

function deserializer<T>(fields: BytesFields, ordinary: (wire: Buffer) => T): (wire: Buffer) => T {
  const names = new Map(Object.entries(fields).map(([name, field]) => [field, name]));
  return (wire) => {
    const found = decodeBytes(wire);
    const name = found === undefined ? undefined : names.get(found.field);
    if (found === undefined || name === undefined) return ordinary(wire);
    // As the generated codec makes it.
    return (name === '' ? { data: found.value } : { message: { $case: name, value: found.value } }) as T;
  };
}

/** The same call with this codec for messages that have nothing but one of these fields; others go the ordinary way. */
export function withBytes<Q, R>(method: MethodDefinition<Q, R>, request: BytesFields, response: BytesFields): MethodDefinition<Q, R> {
  return {
    ...method,
    requestSerialize: serializer(request, method.requestSerialize),
    requestDeserialize: deserializer(request, method.requestDeserialize),
    responseSerialize: serializer(response, method.responseSerialize),
    responseDeserialize: deserializer(response, method.responseDeserialize),
  };
}
