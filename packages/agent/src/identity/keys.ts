// The agent's own key and its certificate request: P-256, PKCS #10 (RFC 2986). Written out by hand, as it is one small structure and a
// library for all of X.509 costs an idle agent 11 MB. Who signs is in join.ts and renewal.ts.
import { generateKeyPair, sign } from 'node:crypto';
import { promisify } from 'node:util';

export interface KeyAndRequest {
  /** PKCS #8, PEM. */
  readonly key: string;
  /** PKCS #10, DER. */
  readonly request: Buffer;
}

const generate = promisify(generateKeyPair);

// Tags of DER.
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const UTF8_STRING = 0x0c;
const SEQUENCE = 0x30;
const SET = 0x31;
const ATTRIBUTES = 0xa0;

// Object identifiers, encoded.
const ORGANIZATION = Buffer.from('060355040a', 'hex');
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const ECDSA_WITH_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex');

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body]);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  const significant = length.subarray(length.findIndex((byte) => byte !== 0));
  return Buffer.concat([Buffer.from([tag, 0x80 | significant.length]), significant, body]);
}

function namePart(kind: Buffer, value: string): Buffer {
  return der(SET, der(SEQUENCE, kind, der(UTF8_STRING, Buffer.from(value, 'utf8'))));
}

/** A fresh key for a node, with the request that the server signs: O=system:nodes, CN=system:node:<name>. */
export async function newKey(nodeName: string): Promise<KeyAndRequest> {
  const { privateKey, publicKey } = await generate('ec', { namedCurve: 'P-256' });
  const subject = der(SEQUENCE, namePart(ORGANIZATION, 'system:nodes'), namePart(COMMON_NAME, `system:node:${nodeName}`));
  const info = der(SEQUENCE, der(INTEGER, Buffer.from([0])), subject, publicKey.export({ type: 'spki', format: 'der' }), der(ATTRIBUTES));
  const signature = sign('sha256', info, privateKey);
  // The leading zero: no bits of the last byte are unused.
  const request = der(SEQUENCE, info, der(SEQUENCE, ECDSA_WITH_SHA256), der(BIT_STRING, Buffer.from([0]), signature));
  return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), request };
}
