// Joining: from a token to a certificate. The token says which CA to trust, so nothing is sent before the server has shown it.
import { X509Certificate } from 'node:crypto';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import { credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { JoinClient, type JoinResponse } from '@podplane/api/gen/podplane/node/v1/join';
import { Dialing } from '../session/dialing.js';
import { channelOptions, type Identity, SERVER_NAME } from '../session/grpc-channel.js';
import { IdentityError } from './errors.js';
import { newKey } from './keys.js';
import { type JoinToken, parseToken, pinnedCa } from './token.js';

const TIMEOUT_MS = 10_000;

export interface JoinOptions {
  /** host:port */
  readonly server: string;
  readonly token: string;
  readonly nodeName: string;
  readonly machineId: string;
}

/** Asks the server for a certificate. Rejects with IdentityError. */
export async function joinCluster(options: JoinOptions): Promise<Identity> {
  const token = parseToken(options.token);
  const caCertificate = await trustedCa(options.server, token);
  const { key, request } = await newKey(options.nodeName);
  const dialing = new Dialing(credentials.createSsl(Buffer.from(caCertificate)));
  const client = new JoinClient(options.server, dialing.credentials, channelOptions());
  try {
    const response = await new Promise<JoinResponse>((resolve, reject) => {
      const { nodeName, machineId } = options;
      const message = { token: token.text, nodeName, machineId, certificateRequest: request };
      client.join(message, new Metadata(), { deadline: Date.now() + TIMEOUT_MS }, (error, answer) =>
        error === null ? resolve(answer) : reject(error),
      );
    });
    return { caCertificate: response.caCertificate || caCertificate, certificate: response.certificate, key };
  } catch (error) {
    throw joinError(error as ServiceError, options);
  } finally {
    client.close();
    dialing.abandon();
  }
}

/** Splits host:port; [::1]:6443 too. Throws IdentityError unreachable. */
export function splitAddress(server: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(server);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port > 0 && port < 65_536)) {
    throw new IdentityError(
      'unreachable',
      `"${server}" is not an address of the form host:port`,
      'give the address that the server printed, for example 10.0.0.1:6443',
    );
  }
  return { host, port };
}

/** The CA certificate (PEM) that the token names, as the server shows it. */
async function trustedCa(server: string, token: JoinToken): Promise<string> {
  const { host, port } = splitAddress(server);
  const chain = await new Promise<X509Certificate[]>((resolve, reject) => {
    // Nobody is trusted yet: the hash in the token decides.
    const socket = connect({ host, port, servername: SERVER_NAME, ALPNProtocols: ['h2'], rejectUnauthorized: false, timeout: TIMEOUT_MS });
    const fail = (message: string, cause?: unknown): void => {
      socket.destroy();
      reject(
        new IdentityError(
          'unreachable',
          `the server at ${server} cannot be reached: ${message}`,
          'check the address, and that the server runs and its port is open',
          { cause },
        ),
      );
    };
    socket.once('secureConnect', () => {
      const found: X509Certificate[] = [];
      let one: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
      while (one?.raw !== undefined && found.length < 10) {
        found.push(new X509Certificate(one.raw));
        one = one.issuerCertificate === one ? undefined : one.issuerCertificate;
      }
      socket.destroy();
      resolve(found);
    });
    socket.once('timeout', () => fail(`no answer within ${TIMEOUT_MS / 1000} s`));
    socket.once('error', (error) => fail(error.message, error));
  });
  const ca = pinnedCa(chain, token);
  if (ca === undefined) {
    throw new IdentityError(
      'wrong-ca',
      `the server at ${server} is not the one that made this token: its certificate authority is another one`,
      'check the address, or make a new token on this server (podplane token create)',
    );
  }
  return ca.toString();
}

function joinError(error: ServiceError, options: JoinOptions): IdentityError {
  const said = error.details || error.message;
  switch (error.code) {
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return new IdentityError('token-refused', said, 'make a new token on the server: podplane token create', { cause: error });
    case status.ALREADY_EXISTS:
    case status.ABORTED:
    case status.FAILED_PRECONDITION:
      return new IdentityError(
        'name-taken',
        said,
        // The server says what to do.
        '',
        { cause: error },
      );
    case status.UNAVAILABLE:
    case status.DEADLINE_EXCEEDED:
    case status.CANCELLED:
      return new IdentityError(
        'unreachable',
        `the server at ${options.server} cannot be reached: ${said}`,
        'check the address, and that the server runs',
        { cause: error },
      );
    case status.INVALID_ARGUMENT:
      return new IdentityError('refused', `the server refused: ${said}`, 'for another name of this node give --name', { cause: error });
    default:
      return new IdentityError('refused', `the server refused: ${said}`, "see the server's log", { cause: error });
  }
}
