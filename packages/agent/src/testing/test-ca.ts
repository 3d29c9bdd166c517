// A certificate authority for tests that need real TLS. The real one is the server's.
import 'reflect-metadata';
import { createHash, KeyObject, webcrypto } from 'node:crypto';
import { ServerCredentials } from '@grpc/grpc-js';
import * as x509 from '@peculiar/x509';
import { newKey } from '../identity/keys.js';
import { type Identity, SERVER_NAME } from '../session/grpc-channel.js';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const HOUR = 3_600_000;

export class TestCa {
  private serial = 2;

  private constructor(
    private readonly certificate: x509.X509Certificate,
    private readonly keys: webcrypto.CryptoKeyPair,
  ) {}

  static async create(): Promise<TestCa> {
    x509.cryptoProvider.set(webcrypto);
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=test-ca',
      notBefore: new Date(Date.now() - HOUR),
      notAfter: new Date(Date.now() + 24 * HOUR),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
    });
    return new TestCa(certificate, keys);
  }

  get pem(): string {
    return this.certificate.toString('pem');
  }

  token(secret: string): string {
    return `pp1.${createHash('sha256').update(Buffer.from(this.certificate.rawData)).digest('base64url')}.id1.${secret}`;
  }

  private async issue(publicKey: x509.PublicKeyType, subject: string, san: string | undefined): Promise<string> {
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: String(this.serial++).padStart(2, '0'),
      subject,
      issuer: this.certificate.subject,
      notBefore: new Date(Date.now() - HOUR),
      notAfter: new Date(Date.now() + 2 * HOUR),
      signingAlgorithm: ALGORITHM,
      publicKey,
      signingKey: this.keys.privateKey,
      extensions: san === undefined ? [] : [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: san }])],
    });
    return certificate.toString('pem');
  }

  /** Signs a certificate request; throws where its signature is wrong. */
  async sign(request: Buffer): Promise<{ readonly certificate: string; readonly caCertificate: string; readonly subject: string }> {
    const read = new x509.Pkcs10CertificateRequest(request);
    if (!(await read.verify())) throw new Error('the signature of the request is wrong');
    return { certificate: await this.issue(read.publicKey, read.subject, undefined), caCertificate: this.pem, subject: read.subject };
  }

  async identity(nodeName: string): Promise<Identity> {
    const { key, request } = await newKey(nodeName);
    const { certificate, caCertificate } = await this.sign(request);
    return { key, certificate, caCertificate };
  }

  /** Credentials of a server that sends leaf and CA. Clients are asked for a certificate; demand: and refused without one. */
  async serverCredentials(demand: boolean): Promise<ServerCredentials> {
    const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
    const leaf = await this.issue(keys.publicKey, 'CN=server', SERVER_NAME);
    const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' });
    return ServerCredentials.createSsl(
      Buffer.from(this.pem),
      [{ private_key: Buffer.from(key), cert_chain: Buffer.from(`${leaf}\n${this.pem}\n`) }],
      demand,
    );
  }
}
