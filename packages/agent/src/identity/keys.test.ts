import 'reflect-metadata';
import { createPrivateKey, createPublicKey, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { describe, expect, it } from 'vitest';
import { newKey } from './keys.js';

x509.cryptoProvider.set(webcrypto);

describe('newKey', () => {
  it.each(['n1', 'a'.repeat(253), 'n-ü'])('makes a request that others can read and verify: %s', async (name) => {
    const { key, request } = await newKey(name);
    const read = new x509.Pkcs10CertificateRequest(request);
    expect(await read.verify()).toBe(true);
    expect(read.subjectName.getField('CN')).toEqual([`system:node:${name}`]);
    expect(read.subjectName.getField('O')).toEqual(['system:nodes']);
    const own = createPublicKey(createPrivateKey(key)).export({ type: 'spki', format: 'der' });
    expect(Buffer.from(read.publicKey.rawData).equals(own)).toBe(true);
  });

  it('makes another key each time', async () => {
    expect((await newKey('n')).key).not.toBe((await newKey('n')).key);
  });
});
