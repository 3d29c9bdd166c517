import { WatchResponse } from '@podplane/api/gen/podplane/api/v1/objects';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesField, fieldsOf, textField, textOf, varintField } from './wire.js';

describe('the wire format', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 500_000_000 }),
        fc.nat(Number.MAX_SAFE_INTEGER),
        fc.string(),
        fc.uint8Array(),
        (field, number, text, bytes) => {
          const message = Buffer.concat([varintField(field, number), textField(field, text), bytesField(field, bytes)]);
          const [a, b, c, ...rest] = fieldsOf(message);
          expect(a).toEqual({ field, value: number });
          expect(textOf(b?.value ?? 0)).toBe(text.toWellFormed());
          expect(Buffer.from(c?.value as Uint8Array).equals(Buffer.from(bytes))).toBe(true);
          expect(rest).toEqual([]);
        },
      ),
    );
  });

  it('is what generated code reads', () => {
    const message = Buffer.concat([textField(2, '12'), varintField(3, 1)]);
    expect(WatchResponse.decode(message)).toEqual({ events: [], resourceVersion: '12', synced: true });
  });

  it('that is none throws, and never more', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          for (const { value } of fieldsOf(bytes)) textOf(value);
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError);
        }
      }),
    );
  });
});
