// The agent's identity on disk: machine id, key, certificate and CA in the data directory, readable by its owner only.
import { randomUUID, X509Certificate } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Identity } from '../session/grpc-channel.js';
import { IdentityError } from './errors.js';

export interface StoredIdentity extends Identity {
  readonly nodeName: string;
  /** ms since 1970 */
  readonly notBefore: number;
  readonly notAfter: number;
}

const FILE = 'identity.json';

function unreadable(path: string, error: unknown): IdentityError {
  const message = error instanceof Error ? error.message : String(error);
  return new IdentityError(
    'unreadable',
    `${path}: ${message}`,
    'the data directory must belong to the user that runs the agent and be writable',
    { cause: error },
  );
}

function write(path: string, text: string): void {
  const part = `${path}.part`;
  const file = openSync(part, 'w', 0o600);
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(part, path);
}

export class IdentityStore {
  constructor(private readonly folder: string) {}

  /** Makes the directory. Throws IdentityError unreadable. */
  open(): void {
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw unreadable(this.folder, error);
    }
  }

  /** Throws away what the node had from its cluster; the machine stays the same. */
  forget(): void {
    rmSync(join(this.folder, FILE), { force: true });
  }

  /** The same for the life of the data directory. Throws IdentityError unreadable. */
  machineId(): string {
    const path = join(this.folder, 'machine-id');
    try {
      const known = existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
      if (known !== '') return known;
      const id = randomUUID();
      write(path, `${id}\n`);
      return id;
    } catch (error) {
      throw unreadable(path, error);
    }
  }

  /** undefined: never joined. Throws IdentityError unreadable. */
  load(): StoredIdentity | undefined {
    const path = join(this.folder, FILE);
    try {
      if (!existsSync(path)) return undefined;
      const json: unknown = JSON.parse(readFileSync(path, 'utf8'));
      if (typeof json !== 'object' || json === null) throw new Error('not an object');
      const field = (name: string): string => {
        const value: unknown = Reflect.get(json, name);
        if (typeof value !== 'string' || value === '') throw new Error(`${name} is missing`);
        return value;
      };
      return withDates({ caCertificate: field('caCertificate'), certificate: field('certificate'), key: field('key') }, field('nodeName'));
    } catch (error) {
      throw unreadable(path, error);
    }
  }

  /** Key and certificate are replaced together. Throws IdentityError unreadable. */
  save(identity: Identity, nodeName: string): StoredIdentity {
    const path = join(this.folder, FILE);
    try {
      const { caCertificate, certificate, key } = identity;
      write(path, `${JSON.stringify({ nodeName, caCertificate, certificate, key }, null, 2)}\n`);
      return withDates(identity, nodeName);
    } catch (error) {
      throw unreadable(path, error);
    }
  }
}

function withDates(identity: Identity, nodeName: string): StoredIdentity {
  const certificate = new X509Certificate(identity.certificate);
  return { ...identity, nodeName, notBefore: Date.parse(certificate.validFrom), notAfter: Date.parse(certificate.validTo) };
}
