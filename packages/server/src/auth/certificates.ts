// Making certificates and checking certificate requests: P-256 keys, X.509, PKCS #10. Where they are kept is in pki.ts.
import 'reflect-metadata'; // @peculiar/x509 needs it loaded first
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(webcrypto);

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
/** Clocks of machines differ a little: certificates are valid from this much earlier. */
const BACKDATE_MS = 5 * 60_000;
const YEAR_MS = 365 * 86_400_000;
const CA_YEARS = 20;

/** A certificate and its key, PEM. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

export interface Authority {
  readonly certificate: x509.X509Certificate;
  readonly privateKey: webcrypto.CryptoKey;
  /** PEM. */
  readonly pem: string;
}

async function keyPem(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

/** Positive, 127 bits. */
function serialNumber(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return Buffer.from(bytes).toString('hex');
}

/** PEM with exactly one line end after it, so that files can be joined. */
function pem(certificate: x509.X509Certificate): string {
  return `${certificate.toString('pem').trimEnd()}\n`;
}

/** A new certificate authority; now in ms since 1970. */
export async function createAuthority(now: number): Promise<KeyPair> {
  const keys = await generateKeys();
  const serial = serialNumber();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial,
    // The number in the name keeps the authorities of two clusters apart where a chain is looked up by name.
    name: `CN=podplane-ca-${serial.slice(0, 8)}`,
    notBefore: new Date(now - BACKDATE_MS),
    notAfter: new Date(now + CA_YEARS * YEAR_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: pem(certificate), key: await keyPem(keys.privateKey) };
}

/** Throws where the two texts are no certificate and key, or do not belong together. */
export async function loadAuthority(pair: KeyPair): Promise<Authority> {
  const certificate = new x509.X509Certificate(pair.certificate);
  const der = Buffer.from(pair.key.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  const privateKey = await webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
  const probe = Buffer.from('podplane');
  const signature = await webcrypto.subtle.sign(ALGORITHM, privateKey, probe);
  const publicKey = await certificate.publicKey.export(ALGORITHM, ['verify'], webcrypto);
  if (!(await webcrypto.subtle.verify(ALGORITHM, publicKey, signature, probe))) {
    throw new Error('the key does not belong to the certificate');
  }
  return { certificate, privateKey, pem: pem(certificate) };
}

export interface Subject {
  readonly group?: string;
  readonly name: string;
}

export interface IssueInput {
  readonly subject: Subject;
  readonly use: 'server' | 'client';
  /** Names and addresses that a server answers to. */
  readonly names?: readonly { readonly type: 'dns' | 'ip'; readonly value: string }[];
  /** Ms since 1970. */
  readonly now: number;
  readonly lifetimeMs: number;
}

async function issue(authority: Authority, publicKey: x509.PublicKeyType, input: IssueInput): Promise<string> {
  const { subject } = input;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: [...(subject.group === undefined ? [] : [{ O: [subject.group] }]), { CN: [subject.name] }],
    issuer: authority.certificate.subject,
    notBefore: new Date(input.now - BACKDATE_MS),
    notAfter: new Date(Math.min(input.now + input.lifetimeMs, authority.certificate.notAfter.getTime())),
    signingAlgorithm: ALGORITHM,
    publicKey,
    signingKey: authority.privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([input.use === 'server' ? x509.ExtendedKeyUsage.serverAuth : x509.ExtendedKeyUsage.clientAuth]),
      ...(input.names === undefined
        ? []
        : [new x509.SubjectAlternativeNameExtension(input.names.map(({ type, value }) => ({ type, value })))]),
      await x509.AuthorityKeyIdentifierExtension.create(authority.certificate),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return pem(certificate);
}

/** A new key and its certificate. */
export async function issueKeyPair(authority: Authority, input: IssueInput): Promise<KeyPair> {
  const keys = await generateKeys();
  return { certificate: await issue(authority, keys.publicKey, input), key: await keyPem(keys.privateKey) };
}

export type RequestProblem = 'not-a-request' | 'bad-signature' | 'wrong-subject' | 'wrong-key';

/** A certificate for the key of a certificate request (PKCS #10, DER), whose subject must be exactly the one wanted. */
export async function signRequest(
  authority: Authority,
  request: Uint8Array,
  input: IssueInput,
): Promise<{ readonly certificate: string } | { readonly problem: RequestProblem; readonly detail: string }> {
  let parsed: x509.Pkcs10CertificateRequest;
  try {
    parsed = new x509.Pkcs10CertificateRequest(Buffer.from(request));
    // Reading the key's algorithm here, too: a request is hostile until all of it has been parsed.
    const { algorithm } = parsed.publicKey as { algorithm: { name: string; namedCurve?: string } };
    if (algorithm.name !== 'ECDSA' || algorithm.namedCurve !== 'P-256') {
      return { problem: 'wrong-key', detail: `${algorithm.name} ${algorithm.namedCurve ?? ''}`.trim() };
    }
  } catch (error) {
    return { problem: 'not-a-request', detail: error instanceof Error ? error.message : String(error) };
  }
  try {
    if (!(await parsed.verify())) return { problem: 'bad-signature', detail: '' };
  } catch {
    return { problem: 'bad-signature', detail: '' };
  }
  const parts = parsed.subjectName.toJSON();
  const values = (key: string): string[] => parts.flatMap((part) => part[key] ?? []);
  const right = parts.every((part) => Object.keys(part).every((key) => key === 'O' || key === 'CN'));
  if (!right || values('CN').join('\n') !== input.subject.name || values('O').join('\n') !== (input.subject.group ?? '')) {
    return { problem: 'wrong-subject', detail: parsed.subject };
  }
  return { certificate: await issue(authority, parsed.publicKey, input) };
}
