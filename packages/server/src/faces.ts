// The faces on the one port: gRPC with all services, HTTP/1.1 with very little. What they call is made in main.ts.
import type { Http2Server } from 'node:http2';
import { type ConnectionInjector, Server, ServerCredentials } from '@grpc/grpc-js';
import { serviceUnavailable } from '@podplane/api/errors';
import { descriptorSetBase64 } from '@podplane/api/gen/descriptors';
import type { System, Timer } from '@podplane/api/system';
import type { Store } from '@podplane/store/types';
import type { Logger } from 'pino';
import { ACCOUNT_USER_PREFIX, type AccountTokens } from './auth/account-tokens.js';
import { authorize } from './auth/authorize.js';
import { type Identity, judgePeer, type Peers } from './auth/identity.js';
import type { Memberships } from './auth/memberships.js';
import { type Pki, SESSION_NAME } from './auth/pki.js';
import type { JoinTokens } from './auth/tokens.js';
import { clusterService, type VersionInfo } from './grpc/cluster.js';
import { Health } from './grpc/health.js';
import { joinService } from './grpc/join.js';
import { objectsService } from './grpc/objects.js';
import { podsService } from './grpc/pods.js';
import { describe, reflectionService } from './grpc/reflection.js';
import { type Gate, HARD_MAX_REQUEST_BYTES, OpenCalls } from './grpc/service.js';
import { sessionService } from './grpc/session.js';
import { tunnelService } from './grpc/tunnel.js';
import { HttpFace } from './listener/http-face.js';
import { OnePort } from './listener/one-port.js';
import { Drains } from './nodes/drains.js';
import { publicAddress, type Settings } from './options.js';
import type { Registry } from './registry/registry.js';
import type { NodeSessions } from './sessions/sessions.js';
import type { Tunnels } from './tunnels/tunnels.js';
import { Thinker } from './what-if/thinker.js';

export interface FaceParts {
  readonly settings: Settings;
  readonly system: System;
  readonly log: Logger;
  readonly store: Store;
  readonly registry: Registry;
  readonly sessions: NodeSessions;
  readonly tunnels: Tunnels;
  readonly tokens: JoinTokens;
  readonly memberships: Memberships;
  readonly accountTokens: AccountTokens;
  readonly pki: Pki;
  readonly peers: Peers;
  readonly clusterId: string;
  readonly spoolDirectory: string;
  readonly version: VersionInfo;
}

export interface Faces {
  readonly port: number;
  stopAccepting(): void;
  close(): Promise<void>;
}

const SERVICES = [
  'podplane.api.v1.Objects',
  'podplane.api.v1.Pods',
  'podplane.api.v1.Cluster',
  'podplane.node.v1.Join',
  'podplane.node.v1.Session',
  'podplane.node.v1.Tunnel',
];
/** The server's own certificate is looked at this often, ms, and renewed when less than this is left of it. */
const CERTIFICATE_CHECK_MS = 12 * 3_600_000;
const CERTIFICATE_LEFT_MS = 120 * 86_400_000;
/** Calls that are still open get this long to take in their last message when the server stops, ms. */
const LAST_WORDS_MS = 200;

/** Rejects with ListenError. */
export async function startFaces(parts: FaceParts): Promise<Faces> {
  const { settings, system, log, store, pki, peers } = parts;
  const health = new Health(new Set(SERVICES));
  let bound = 0;
  const calls = new OpenCalls();
  const server = grpcServer(parts, gateOf(parts, calls), health, () => publicAddress(settings, bound));
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure()); // TLS ends before it
  widenWindows(server);
  const http = new HttpFace({
    healthy: () => store.health.state === 'ok',
    version: () => ({ ...parts.version, nodeVersion: process.versions.node, clusterId: parts.clusterId }),
  });
  let certificate = await pki.issueServer();
  const port = await OnePort.listen({
    host: settings.host,
    port: settings.port,
    ca: pki.caCertificate,
    certificate,
    timers: system.timers,
    sessionName: SESSION_NAME,
    accept: (socket) => void peers.add(socket),
    grpc: (socket) => injector.injectConnection(socket),
    http: (socket) => http.serve(socket),
    refused: (remote, error) => log.debug({ remote, err: error }, 'a connection was refused'),
  });
  bound = port.port;
  let timer: Timer | undefined;
  const watchCertificate = (): void => {
    timer = system.timers.after(
      CERTIFICATE_CHECK_MS,
      () => {
        watchCertificate();
        if (certificate.expires - system.clock.now() > CERTIFICATE_LEFT_MS) return;
        pki.issueServer().then(
          (fresh) => {
            certificate = fresh;
            port.renewCertificate(fresh, pki.caCertificate);
            log.info('the server has a new certificate');
          },
          (error: unknown) => log.error({ err: error }, 'the server could not renew its certificate'),
        );
      },
      { background: true },
    );
  };
  watchCertificate();
  return {
    port: port.port,
    stopAccepting: () => {
      health.set('not-serving');
      port.stopAccepting();
    },
    close: async () => {
      timer?.cancel();
      calls.endAll(serviceUnavailable('the server is stopping', { advice: 'Try again in a moment.' }));
      await drain(injector, system);
      http.close();
      await port.close();
      server.forceShutdown();
    },
  };
}

/** Lets what was written go out, then ends all calls. */
async function drain(injector: ConnectionInjector, system: System): Promise<void> {
  injector.drain(LAST_WORDS_MS);
  await new Promise<void>((resolve) => system.timers.after(LAST_WORDS_MS, resolve));
  injector.destroy();
}

function grpcServer(parts: FaceParts, gate: Gate, health: Health, address: () => string): Server {
  const { registry, sessions, tunnels, tokens, pki, store, system } = parts;
  const server = new Server({
    'grpc.max_receive_message_length': HARD_MAX_REQUEST_BYTES,
    'grpc.max_send_message_length': -1,
    'grpc.enable_channelz': 0,
    // Finds out about watchers whose machine is gone.
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 10_000,
  });
  const thinker = new Thinker({ view: store, system, liveness: sessions.liveness });
  const described = lazy(() => describe(Buffer.from(descriptorSetBase64, 'base64')));
  const services = [
    objectsService(registry, gate),
    podsService({ connectedNodes: () => sessions.connectedNodes, registry, store, tunnels, clock: system.clock }, gate),
    clusterService(
      {
        store,
        system,
        tunnels,
        tokens,
        accountTokens: parts.accountTokens,
        version: parts.version,
        clusterId: parts.clusterId,
        spoolDirectory: parts.spoolDirectory,
        drains: new Drains({
          store,
          system,
          preview: (node, options, others) => thinker.ask('drain', { node, options, others }),
        }),
        thinker,
        connectedNodes: () => sessions.connectedNodes,
        publicAddress: address,
      },
      gate,
    ),
    joinService({ pki, tokens, sessions, memberships: parts.memberships }, gate),
    sessionService(sessions, gate),
    tunnelService(tunnels, gate),
    health.service(gate),
    reflectionService('v1', described, SERVICES, gate),
    reflectionService('v1alpha', described, SERVICES, gate),
  ];
  for (const service of services) service.addTo(server);
  return server;
}

/** Bytes of a stream, and of a connection besides, that may be on their way to us. The default of 64 KiB makes uploads slow. */
const WINDOW_BYTES = 1024 * 1024;

/** grpc-js has this setting for clients only; its servers have it where they keep their sessions. Without it all works, slower. */
function widenWindows(server: Server): void {
  const { http2Servers } = server as unknown as { readonly http2Servers?: ReadonlyMap<Http2Server, unknown> };
  for (const one of http2Servers?.keys() ?? []) {
    one.on('session', (session) => {
      session.settings({ initialWindowSize: WINDOW_BYTES });
      session.setLocalWindowSize(WINDOW_BYTES);
    });
  }
}

function gateOf({ peers, system, log, accountTokens }: FaceParts, calls: OpenCalls): Gate {
  return {
    calls,
    admit(method, call) {
      const identity = withToken(identityOf(peers, call, system.clock.now()), call, accountTokens);
      authorize(method, identity);
      return identity;
    },
    failed: (method, error) => log.error({ method, err: error }, 'a call failed by our own fault'),
  };
}

/** Whoever shows no certificate may show a token. */
function withToken(identity: Identity, { metadata }: Parameters<Gate['admit']>[1], tokens: AccountTokens): Identity {
  if (identity.kind !== 'anonymous' || identity.code !== 'no-certificate') return identity;
  const [shown] = metadata.get('authorization');
  const token = typeof shown === 'string' ? /^Bearer +(\S+)$/i.exec(shown)?.[1] : undefined;
  if (token === undefined) return identity;
  const found = tokens.check(token);
  if ('problem' in found) return { kind: 'anonymous', code: 'token', detail: found.problem };
  const { namespace, account, uid } = found;
  return { kind: 'account', name: `${ACCOUNT_USER_PREFIX}${namespace}:${account}`, namespace, uid };
}

function identityOf(peers: Peers, call: Parameters<Gate['admit']>[1], now: number): Identity {
  const peer = peers.find(call.getPeer());
  if (peer !== undefined) return peer.identity;
  const shown = call.getAuthContext() as { readonly sslPeerCertificate?: { readonly raw: Buffer } };
  return judgePeer(
    { authorized: shown.sslPeerCertificate !== undefined, authorizationCode: '', certificate: shown.sslPeerCertificate?.raw },
    now,
  ).identity;
}

function lazy<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
