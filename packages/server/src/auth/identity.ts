// Who is at the other end of a connection: read from its client certificate, once for each connection. What an identity may do is in
// authorize.ts; who issued the certificate is in pki.ts.
import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { Clock, Timer, Timers } from '@podplane/api/system';

export const ADMIN_GROUP = 'system:masters';
export const NODE_GROUP = 'system:nodes';
export const NODE_USER_PREFIX = 'system:node:';

/** Why a peer is nobody. */
export type AnonymousCode = 'no-certificate' | 'expired' | 'not-yet-valid' | 'unknown-ca' | 'unknown-subject' | 'rejected' | 'token';

export type Identity =
  | { readonly kind: 'admin'; readonly name: string }
  | { readonly kind: 'node'; readonly name: string; readonly nodeName: string }
  | { readonly kind: 'account'; readonly name: string; readonly namespace: string; readonly uid: string }
  | { readonly kind: 'anonymous'; readonly code: AnonymousCode; readonly detail: string };

/** As causes name it: "user:admin", "node:n1". */
export function actorOf(identity: Identity): string {
  switch (identity.kind) {
    case 'admin':
      return `user:${identity.name}`;
    case 'node':
      return `node:${identity.nodeName}`;
    case 'account':
      return `user:${identity.name}`;
    case 'anonymous':
      return 'user:system:anonymous';
  }
}

const UNKNOWN_CA = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
]);

/** What a TLS socket shows of its peer. */
export interface PeerFacts {
  readonly authorized: boolean;
  /** OpenSSL's code, where the certificate was not accepted. */
  readonly authorizationCode: string;
  /** DER, or already read; undefined: none shown. */
  readonly certificate: Uint8Array | X509Certificate | undefined;
}

export interface Peer {
  readonly identity: Identity;
  /** Ms since 1970; undefined for anonymous peers. */
  readonly expires: number | undefined;
}

/** Judges a peer's certificate at now (ms since 1970). A resumed TLS session is not judged anew by OpenSSL, so times are looked at here too. */
export function judgePeer(facts: PeerFacts, now: number): Peer {
  const anonymous = (code: AnonymousCode, detail: string): Peer => ({ identity: { kind: 'anonymous', code, detail }, expires: undefined });
  if (facts.certificate === undefined) return anonymous('no-certificate', '');
  // Reading one costs as much as all else that we do with a new connection.
  const certificate = facts.certificate instanceof X509Certificate ? facts.certificate : new X509Certificate(facts.certificate);
  const from = certificate.validFromDate.getTime();
  const to = certificate.validToDate.getTime();
  if (!facts.authorized && UNKNOWN_CA.has(facts.authorizationCode)) return anonymous('unknown-ca', facts.authorizationCode);
  if (now >= to || facts.authorizationCode === 'CERT_HAS_EXPIRED') return anonymous('expired', certificate.validToDate.toISOString());
  if (now < from || facts.authorizationCode === 'CERT_NOT_YET_VALID')
    return anonymous('not-yet-valid', certificate.validFromDate.toISOString());
  if (!facts.authorized) return anonymous('rejected', facts.authorizationCode);
  const identity = subjectIdentity(certificate.subject);
  return identity === undefined ? anonymous('unknown-subject', certificate.subject.replaceAll('\n', ', ')) : { identity, expires: to };
}

/** From the subject as Node prints it, one part a line: "O=system:masters\nCN=admin". */
function subjectIdentity(subject: string): Identity | undefined {
  const parts = subject.split('\n');
  const values = (key: string): string[] => parts.filter((part) => part.startsWith(`${key}=`)).map((part) => part.slice(key.length + 1));
  const groups = values('O');
  const [name, ...more] = values('CN');
  if (name === undefined || more.length > 0) return undefined;
  if (groups.includes(ADMIN_GROUP)) return { kind: 'admin', name };
  if (groups.includes(NODE_GROUP) && name.startsWith(NODE_USER_PREFIX))
    return { kind: 'node', name, nodeName: name.slice(NODE_USER_PREFIX.length) };
  return undefined;
}

const DAY_MS = 86_400_000;

/** The open connections and who is behind them. A connection ends when its certificate does. */
export class Peers {
  private readonly byAddress = new Map<string, Set<TLSSocket>>();
  private readonly peers = new WeakMap<TLSSocket, Peer>();

  constructor(
    private readonly clock: Clock,
    private readonly timers: Timers,
  ) {}

  /** Takes a connection in; forgets it by itself when it closes. */
  add(socket: TLSSocket): Peer {
    const shown = socket.getPeerX509Certificate();
    // Types say Error; what Node puts there is the code as a text, or null.
    const problem: unknown = socket.authorizationError;
    const code = typeof problem === 'string' ? problem : problem instanceof Error && 'code' in problem ? String(problem.code) : '';
    const peer = judgePeer({ authorized: socket.authorized, authorizationCode: code, certificate: shown }, this.clock.now());
    this.peers.set(socket, peer);
    const address = `${socket.remoteAddress}:${socket.remotePort}`;
    let sockets = this.byAddress.get(address);
    if (sockets === undefined) this.byAddress.set(address, (sockets = new Set()));
    sockets.add(socket);
    const end = peer.expires === undefined ? undefined : this.endAt(socket, peer.expires);
    socket.once('close', () => {
      end?.cancel();
      sockets.delete(socket);
      if (sockets.size === 0 && this.byAddress.get(address) === sockets) this.byAddress.delete(address);
    });
    return peer;
  }

  /** The peer of a call, by the address that grpc-js tells. */
  find(address: string): Peer | undefined {
    const sockets = this.byAddress.get(address);
    // One port of a peer may be connected to two of our addresses; then it is not known which of them calls.
    if (sockets?.size !== 1) return undefined;
    for (const socket of sockets) return this.peers.get(socket);
    return undefined;
  }

  private endAt(socket: TLSSocket, expires: number): { cancel(): void } {
    let timer: Timer;
    const arm = (): void => {
      const left = expires - this.clock.now();
      timer = this.timers.after(Math.max(0, Math.min(left, DAY_MS)), left <= DAY_MS ? () => socket.destroy() : arm, { background: true });
    };
    arm();
    return { cancel: () => timer.cancel() };
  }
}
