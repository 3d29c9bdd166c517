import { generateKeyPairSync } from 'node:crypto';
import { expect, it } from 'vitest';
import { ContextError } from './context.js';
import { dial } from './dial.js';

const key = (): string => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

it.each([
  ['is no certificate', 'nope', key()],
  ['is cut off', '-----BEGIN CERTIFICATE-----\nMIIB\n', key()],
])("a context whose client certificate %s is the context's fault, and says so", (_what, clientCertificate, clientKey) => {
  const context = { name: 'mine', server: '127.0.0.1:1', caCertificate: '', clientCertificate, clientKey };
  let thrown: unknown;
  try {
    dial(context).close();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(ContextError);
  expect(thrown).toMatchObject({
    message: expect.stringMatching(/^the certificates and the key of context "mine" cannot be used \(.+\)$/),
    advice: 'Get a new context file from the server.',
  });
});
