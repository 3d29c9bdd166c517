// What a server is started with, checked, and why it may not start. What it then does is in main.ts.
import { hostname, networkInterfaces } from 'node:os';
import type { System } from '@podplane/api/system';
import type { NodeLifecycleConfig } from '@podplane/controllers/node-lifecycle/config';
import { JournalError } from '@podplane/store/errors';
import type { Logger } from 'pino';
import { AuthorityError, DEFAULT_NODE_LIFETIME_MS } from './auth/pki.js';
import { ListenError } from './listener/one-port.js';
import { type Cidr, parseCidr } from './sessions/cidr.js';
import { DEFAULT_SESSION_TIMINGS, type SessionTimings } from './sessions/timings.js';

export interface ServerOptions {
  /** Folder for the database, the certificate authority and archives on their way. Made where it is missing. */
  readonly dataDir: string;
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string;
  /** Default 6443; 0: any free one. */
  readonly port?: number;
  /** Names and addresses under which the server is reached besides its own; the first one is told to nodes that shall join. */
  readonly advertise?: readonly string[];
  /** All pods' addresses; default 10.244.0.0/16. */
  readonly clusterCidr?: string;
  /** Size of one node's range; default 24, which is 256 addresses. */
  readonly nodeCidrBits?: number;
  /** sqlite (default), or memory: nothing outlives the process but the certificate authority. */
  readonly journal?: 'sqlite' | 'memory';
  readonly sessions?: Partial<SessionTimings>;
  /** How nodes are judged and given up. */
  readonly nodeLifecycle?: Partial<NodeLifecycleConfig>;
  /** How long a node's certificate is valid, ms; default a day. */
  readonly nodeCertificateMs?: number;
  /** Whether controllers and scheduler run; default true. Off: only for tests of the rest. */
  readonly deciders?: boolean;
  readonly gitCommit?: string;
  /** Default: the real world. */
  readonly system?: System;
  /** Default: lines on standard error. */
  readonly log?: Logger;
}

export interface Settings {
  readonly host: string;
  readonly port: number;
  readonly advertise: readonly string[];
  readonly clusterCidr: Cidr;
  readonly nodeCidrBits: number;
  readonly journal: 'sqlite' | 'memory';
  readonly sessions: SessionTimings;
  readonly nodeLifecycle: Partial<NodeLifecycleConfig>;
  readonly nodeCertificateMs: number;
}

export type StartProblem =
  | 'bad-option'
  | 'port-taken'
  | 'cannot-listen'
  | 'data-directory-in-use'
  | 'data-directory-unusable'
  | 'data-from-newer-version'
  | 'data-damaged'
  | 'disk-full'
  | 'other';

/** Why a server could not be started; nothing of it is left running. */
export class StartError extends Error {
  override readonly name = 'StartError';
  constructor(
    readonly code: StartProblem,
    message: string,
    readonly advice: string,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

/** Throws StartError "bad-option". */
export function settingsOf(options: ServerOptions): Settings {
  const clusterText = options.clusterCidr ?? '10.244.0.0/16';
  const clusterCidr = parseCidr(clusterText);
  const nodeCidrBits = options.nodeCidrBits ?? 24;
  if (clusterCidr === undefined)
    throw new StartError('bad-option', `cluster CIDR ${clusterText} is no IPv4 range`, 'For example 10.244.0.0/16.');
  if (nodeCidrBits < clusterCidr.bits || nodeCidrBits > 29) {
    throw new StartError(
      'bad-option',
      `a node's range of /${nodeCidrBits} does not fit into ${clusterText}`,
      'Choose a larger cluster CIDR, or a smaller range for each node (at most /29).',
    );
  }
  const port = options.port ?? 6443;
  if (!Number.isInteger(port) || port < 0 || port > 65535)
    throw new StartError('bad-option', `${port} is no port`, 'Choose one between 1 and 65535.');
  return {
    host: options.host ?? '127.0.0.1',
    port,
    advertise: options.advertise ?? [],
    clusterCidr,
    nodeCidrBits,
    journal: options.journal ?? 'sqlite',
    sessions: { ...DEFAULT_SESSION_TIMINGS, ...options.sessions },
    nodeLifecycle: options.nodeLifecycle ?? {},
    nodeCertificateMs: options.nodeCertificateMs ?? DEFAULT_NODE_LIFETIME_MS,
  };
}

/** What made a start fail, in words for the person who started it. */
export function startError(error: unknown, dataDir: string): StartError {
  if (error instanceof StartError) return error;
  if (error instanceof ListenError)
    return new StartError(error.code === 'port-taken' ? 'port-taken' : 'cannot-listen', error.message, error.advice, error);
  if (error instanceof AuthorityError) return new StartError('data-damaged', error.message, error.advice, error);
  if (error instanceof JournalError) return new StartError(journalProblem(error), error.message, sentence(error.advice ?? ''), error);
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const message = error instanceof Error ? error.message : String(error);
  switch (code) {
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'ENOENT':
      return new StartError(
        'data-directory-unusable',
        `the data directory ${dataDir} cannot be written: ${message}`,
        'Give it to this user (chown), or choose another one with --data.',
        error,
      );
    case 'ENOTDIR':
    case 'EEXIST':
      return new StartError(
        'data-directory-unusable',
        `the data directory ${dataDir} cannot be made: it, or a part of its path, is a file`,
        'Choose another one with --data.',
        error,
      );
    case 'ENOSPC':
      return new StartError('disk-full', `there is no room in the data directory ${dataDir}`, 'Make room on its disk.', error);
    default:
      return new StartError('other', message, '', error);
  }
}

/** Advice stands in a line of its own. */
function sentence(text: string): string {
  return text === '' ? '' : `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`;
}

function journalProblem(error: JournalError): StartProblem {
  switch (error.code) {
    case 'locked':
      return 'data-directory-in-use';
    case 'unusable-directory':
      return 'data-directory-unusable';
    case 'newer-format':
      return 'data-from-newer-version';
    case 'foreign':
    case 'corrupt':
      return 'data-damaged';
    case 'full':
      return 'disk-full';
    case 'io':
    case 'closed':
      return 'other';
  }
}

/** host:port for other programs, given what is listened on. */
export function publicAddress({ host, advertise }: Settings, port: number): string {
  const [first] = advertise;
  const name = first ?? (isWildcard(host) ? (firstAddress() ?? hostname()) : host);
  return `${name.includes(':') ? `[${name}]` : name}:${port}`;
}

/** host:port for programs on this machine. */
export function localAddress({ host }: Settings, port: number): string {
  const name = isWildcard(host) ? '127.0.0.1' : host;
  return `${name.includes(':') ? `[${name}]` : name}:${port}`;
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

function firstAddress(): string | undefined {
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}
