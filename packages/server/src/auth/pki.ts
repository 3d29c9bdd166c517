// The cluster's certificate authority and what it issues, with its files in the data directory. How certificates are made is in
// certificates.ts; who somebody is by a certificate is in identity.ts.
import { createHash, X509Certificate } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises';
import { isIP } from 'node:net';
import { hostname, networkInterfaces } from 'node:os';
import { dirname, join } from 'node:path';
import { badRequest } from '@podplane/api/errors';
import { dnsSubdomainProblems } from '@podplane/api/names';
import type { Clock } from '@podplane/api/system';
import {
  type Authority,
  createAuthority,
  issueKeyPair,
  type KeyPair,
  loadAuthority,
  type RequestProblem,
  signRequest,
} from './certificates.js';
import { ADMIN_GROUP, NODE_GROUP, NODE_USER_PREFIX } from './identity.js';

const DAY_MS = 86_400_000;
const SERVER_LIFETIME_MS = 365 * DAY_MS;
const ADMIN_LIFETIME_MS = 365 * DAY_MS;
export const DEFAULT_NODE_LIFETIME_MS = DAY_MS;

/** Every server's certificate has this name, whatever its address: clients check for it. */
export const SERVER_NAME = 'podplane-server';
/** What agents ask for by SNI when they dial their session; the certificate that they expect is the same. */
export const SESSION_NAME = 'sessions.podplane-server';

export interface PkiOptions {
  /** Folder for the authority's files; undefined: nothing is kept (tests). */
  readonly directory: string | undefined;
  readonly clock: Clock;
  /** More names and addresses under which the server is reached. */
  readonly serverNames: readonly string[];
  readonly nodeLifetimeMs: number;
}

/** The authority's files are damaged. */
export class AuthorityError extends Error {
  override readonly name = 'AuthorityError';
  readonly advice = 'Put the folder pki of the data directory back from a backup; without it no agent and no context is known any more.';
}

export class Pki {
  private constructor(
    private readonly authority: Authority,
    private readonly options: PkiOptions,
  ) {}

  /** Reads the authority, or makes it where there is none. Rejects with AuthorityError where they are damaged, or with the file system's error. */
  static async open(options: PkiOptions): Promise<Pki> {
    if (options.directory === undefined) return new Pki(await loadAuthority(await createAuthority(options.clock.now())), options);
    const certificateFile = join(options.directory, 'ca.crt');
    const keyFile = join(options.directory, 'ca.key');
    const certificate = await readIfThere(certificateFile);
    const key = await readIfThere(keyFile);
    // The key is written first, so a certificate without one means that somebody took it away.
    if (certificate === undefined) {
      const made = await createAuthority(options.clock.now());
      await mkdir(options.directory, { recursive: true, mode: 0o700 });
      await writePrivate(keyFile, made.key);
      await writePrivate(certificateFile, made.certificate);
      return new Pki(await loadAuthority(made), options);
    }
    if (key === undefined) throw new AuthorityError(`${keyFile} is missing, but ${certificateFile} is there`);
    await chmod(keyFile, 0o600);
    try {
      return new Pki(await loadAuthority({ certificate, key }), options);
    } catch (error) {
      throw new AuthorityError(
        `the authority in ${options.directory} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
        {
          cause: error,
        },
      );
    }
  }

  /** PEM. */
  get caCertificate(): string {
    return this.authority.pem;
  }

  /** SHA-256 of the authority's certificate (DER), base64url: what a join token pins. */
  get caHash(): string {
    return createHash('sha256').update(new X509Certificate(this.authority.pem).raw).digest('base64url');
  }

  /** A fresh certificate for this server; chain includes the authority's own, so that somebody who knows only its hash can check it. */
  async issueServer(): Promise<KeyPair & { readonly chain: string; readonly expires: number }> {
    const now = this.options.clock.now();
    const names = new Set([
      'localhost',
      SERVER_NAME,
      '127.0.0.1',
      '::1',
      hostname().toLowerCase(),
      ...ownAddresses(),
      ...this.options.serverNames,
    ]);
    const pair = await issueKeyPair(this.authority, {
      subject: { name: SERVER_NAME },
      use: 'server',
      names: [...names].flatMap((value) => asAlternativeName(value)),
      now,
      lifetimeMs: SERVER_LIFETIME_MS,
    });
    return { ...pair, chain: pair.certificate + this.authority.pem, expires: now + SERVER_LIFETIME_MS };
  }

  /** A new key and certificate for an administrator. */
  issueAdmin(name = 'admin', lifetimeMs = ADMIN_LIFETIME_MS): Promise<KeyPair> {
    return issueKeyPair(this.authority, {
      subject: { group: ADMIN_GROUP, name },
      use: 'client',
      now: this.options.clock.now(),
      lifetimeMs,
    });
  }

  /** Signs a node's certificate request. Rejects with ApiError BadRequest. */
  async signNode(nodeName: string, request: Uint8Array): Promise<string> {
    const subject = { group: NODE_GROUP, name: NODE_USER_PREFIX + nodeName };
    const result = await signRequest(this.authority, request, {
      subject,
      use: 'client',
      now: this.options.clock.now(),
      lifetimeMs: this.options.nodeLifetimeMs,
    });
    if ('certificate' in result) return result.certificate;
    throw badRequest(
      `the certificate request is refused: ${problemText(result.problem, result.detail, `O=${subject.group}, CN=${subject.name}`)}`,
    );
  }
}

function problemText(problem: RequestProblem, detail: string, wanted: string): string {
  switch (problem) {
    case 'not-a-request':
      return `it is no PKCS #10 request (${detail})`;
    case 'bad-signature':
      return 'its signature is not by its own key';
    case 'wrong-subject':
      return `its subject must be ${wanted}, not ${detail}`;
    case 'wrong-key':
      return `its key must be ECDSA P-256, not ${detail}`;
  }
}

function asAlternativeName(value: string): { type: 'dns' | 'ip'; value: string }[] {
  if (isIP(value) !== 0) return [{ type: 'ip', value }];
  return dnsSubdomainProblems(value).length === 0 ? [{ type: 'dns', value }] : [];
}

function ownAddresses(): string[] {
  // Link-local addresses carry a zone that no certificate can name.
  return Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).filter((one) => one.scopeid === undefined || one.scopeid === 0).map((one) => one.address),
  );
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whole or not at all, and on the disk when it resolves. */
export async function writePrivate(file: string, text: string): Promise<void> {
  const temporary = `${file}.new`;
  const handle = await open(temporary, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, file);
  const folder = await open(dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
