// The one port: TLS with an optional client certificate, shared by gRPC and HTTP/1.1; what the client offers by ALPN decides. Who the
// peer is, is in ../auth/identity.ts.

import type { AddressInfo, Socket } from 'node:net';
import tls, { TLSSocket } from 'node:tls';
import type { Timers } from '@podplane/api/system';
import { HandshakeQueue } from './handshake-queue.js';

export interface OnePortOptions {
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** PEM: the authority of client certificates. */
  readonly ca: string;
  readonly certificate: ServerCertificate;
  /** Called for each connection once its handshake is done, before either face gets it. */
  readonly accept: (socket: TLSSocket) => void;
  readonly grpc: (socket: TLSSocket) => void;
  readonly http: (socket: TLSSocket) => void;
  readonly timers: Timers;
  /** Name by which nodes' sessions ask for the server (SNI): their handshakes wait in line, those of others do not. */
  readonly sessionName: string;
  /** A connection that never became one: a port scan, a client without TLS. */
  readonly refused: (remote: string, error: Error) => void;
}

/** PEM; chain: the certificate and its issuer. */
export interface ServerCertificate {
  readonly chain: string;
  readonly key: string;
}

export type ListenProblem = 'port-taken' | 'not-permitted' | 'no-such-address' | 'other';

/** Why the port cannot be had. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
  constructor(
    readonly code: ListenProblem,
    message: string,
    readonly advice: string,
    cause: unknown,
  ) {
    super(message, { cause });
  }
}

const HANDSHAKE_MS = 10_000;
/** Handshakes of sessions at a time. Each is 1 to 3 ms of work: whoever comes between two turns waits for so many at most. */
const MOST_SESSION_HANDSHAKES = 16;
/** HTTP/2 and HTTP/1.1; a client that says nothing gets HTTP/1.1, as curl --no-alpn does. */
const chooseProtocol = (protocols: readonly string[]): string | undefined =>
  protocols.includes('http/1.1') ? 'http/1.1' : protocols.includes('h2') ? 'h2' : undefined;

export class OnePort {
  private readonly open = new Set<TLSSocket>();
  /** With those whose handshake is not done yet, or waits for its turn. */
  private readonly connections = new Set<Socket>();

  private constructor(
    private readonly server: tls.Server,
    readonly host: string,
    readonly port: number,
  ) {}

  /** Rejects with ListenError. */
  static async listen(options: OnePortOptions): Promise<OnePort> {
    const queue = new HandshakeQueue<TLSSocket>(MOST_SESSION_HANDSHAKES, options.timers);
    const server = tls.createServer({
      ca: options.ca,
      cert: options.certificate.chain,
      key: options.certificate.key,
      minVersion: 'TLSv1.2',
      requestCert: true,
      // A peer without a good certificate is anonymous, not refused: joining nodes have none yet, and an error says more than a reset.
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_MS,
      // Asked before anything that costs. What Node calls it on is the socket.
      SNICallback(this: unknown, name: string, done: (error: Error | null) => void): void {
        if (name === options.sessionName && this instanceof TLSSocket) queue.enter(this, () => done(null));
        else done(null);
      },
      ALPNCallback: ({ protocols }) => chooseProtocol(protocols),
    });
    await new Promise<void>((resolve, reject) => {
      const failed = (error: NodeJS.ErrnoException): void => reject(listenError(options, error));
      server.once('error', failed);
      // 5,000 agents may come back at once.
      server.listen({ host: options.host, port: options.port, backlog: 4096 }, () => {
        server.removeListener('error', failed);
        resolve();
      });
    });
    const address = server.address() as AddressInfo; // it listens on TCP
    const port = new OnePort(server, options.host, address.port);
    server.on('error', (error) => options.refused('listener', error));
    server.on('connection', (socket) => {
      port.connections.add(socket);
      socket.once('close', () => port.connections.delete(socket));
    });
    server.on('tlsClientError', (error, socket) => options.refused(socket.remoteAddress ?? '', error));
    server.on('secureConnection', (socket) => {
      queue.leave(socket);
      port.open.add(socket);
      socket.once('close', () => port.open.delete(socket));
      socket.on('error', () => socket.destroy()); // a reset: each face sees the close
      socket.setNoDelay(true);
      options.accept(socket);
      if (socket.alpnProtocol === 'h2') options.grpc(socket);
      else options.http(socket);
    });
    return port;
  }

  /** For new connections. */
  renewCertificate(certificate: ServerCertificate, ca: string): void {
    this.server.setSecureContext({ ca, cert: certificate.chain, key: certificate.key });
  }

  /** Takes no more connections; those that are open go on. */
  stopAccepting(): void {
    this.server.close();
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      if (!this.server.listening && this.open.size === 0) resolve();
      else this.server.close(() => resolve());
    });
    for (const socket of this.open) socket.destroy();
    for (const socket of this.connections) socket.destroy();
    await closed;
  }
}

function listenError({ host, port }: { readonly host: string; readonly port: number }, error: NodeJS.ErrnoException): ListenError {
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  switch (error.code) {
    case 'EADDRINUSE':
      return new ListenError(
        'port-taken',
        `port ${port} is taken: ${where} cannot be listened on`,
        `Stop the other program (ss -ltnp 'sport = :${port}' names it), or choose another one with --port (0: any free one).`,
        error,
      );
    case 'EACCES':
      return new ListenError(
        'not-permitted',
        `${where} may not be listened on`,
        'Ports below 1024 need root; choose a higher one with --port.',
        error,
      );
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new ListenError(
        'no-such-address',
        `${host} is no address of this machine`,
        'Choose one with --address, for example 0.0.0.0 for all.',
        error,
      );
    default:
      return new ListenError('other', `${where} cannot be listened on: ${error.message}`, '', error);
  }
}
