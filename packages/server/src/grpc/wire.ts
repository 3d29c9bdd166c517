// A few lines of protobuf's wire format, for what has no generated message: pre-encoded parts put together into a message, the
// health and reflection services, descriptors. Messages of our own are encoded by their generated code.

const text = new TextDecoder();

/** Bytes of a number as a varint; value in [0, 2^53). */
export function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

/** A field that holds a number. */
export function varintField(field: number, value: number): Uint8Array {
  return Buffer.concat([varint(field * 8), varint(value)]);
}

/** Tag and length of a field of size bytes; the bytes themselves follow. */
export function lengthHeader(field: number, size: number): Uint8Array {
  return Buffer.concat([varint(field * 8 + 2), varint(size)]);
}

/** A field that holds bytes or a message. */
export function bytesField(field: number, value: Uint8Array): Uint8Array {
  return Buffer.concat([lengthHeader(field, value.byteLength), value]);
}

/** A field that holds a text. */
export function textField(field: number, value: string): Uint8Array {
  return bytesField(field, Buffer.from(value, 'utf8'));
}

export interface WireField {
  readonly field: number;
  /** Numbers of fixed width are not told apart further: nobody here needs them. */
  readonly value: number | Uint8Array;
}

/** Fields of a message in their order. Throws RangeError where the bytes are no message. */
export function* fieldsOf(message: Uint8Array): Generator<WireField> {
  let at = 0;
  const number = (): number => {
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10; i++) {
      const byte = message[at++];
      if (byte === undefined) throw new RangeError('the message ends inside a number');
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 0x80;
    }
    throw new RangeError('a number of more than ten bytes');
  };
  const take = (size: number): Uint8Array => {
    if (size > message.byteLength - at) throw new RangeError('the message ends inside a field');
    at += size;
    return message.subarray(at - size, at);
  };
  while (at < message.byteLength) {
    const tag = number();
    const field = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        yield { field, value: number() };
        break;
      case 1:
        yield { field, value: take(8) };
        break;
      case 2:
        yield { field, value: take(number()) };
        break;
      case 5:
        yield { field, value: take(4) };
        break;
      default:
        throw new RangeError(`wire type ${tag % 8} is not known`);
    }
  }
}

/** A field's value as a text; "" for numbers. */
export function textOf(value: number | Uint8Array): string {
  return typeof value === 'number' ? '' : text.decode(value);
}
