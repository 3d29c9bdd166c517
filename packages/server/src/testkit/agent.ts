// For tests: an agent as far as the server can see it. Joins with a token, speaks the real protocol over real gRPC, runs nothing.
import { byteMethods } from '@podplane/api/byte-methods';
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import {
  Client,
  type ClientDuplexStream,
  type ClientOptions,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import * as x509 from '@peculiar/x509';
import { NodeStatus } from '@podplane/api/gen/podplane/core/v1/node';
import { type JoinResponse, JoinService } from '@podplane/api/gen/podplane/node/v1/join';
import {
  type ConnectRequest,
  type ConnectResponse,
  type Hello,
  type OpenTunnel,
  SessionService,
} from '@podplane/api/gen/podplane/node/v1/session';
import { type OpenRequest, type OpenResponse } from '@podplane/api/gen/podplane/node/v1/tunnel';
import type { AgentMessage, ServerMessage } from '../sessions/port.js';
import type { TunnelMessage } from '../tunnels/tunnels.js';
import type { TestServer } from './harness.js';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export interface CertificateRequest {
  readonly request: Buffer;
  /** PEM. */
  readonly key: string;
}

/** A certificate request as agents make it; name: X.500 name, for wrong ones. */
export async function certificateRequest(
  nodeName: string,
  name = `O=system:nodes, CN=system:node:${nodeName}`,
): Promise<CertificateRequest> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({ name, keys, signingAlgorithm: ALGORITHM }, webcrypto);
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return { request: Buffer.from(request.rawData), key: `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n` };
}

export interface Identity {
  readonly certificate: string;
  readonly key: string;
}

/** A channel as anybody: without a certificate, with an agent's, with a wrong one. */
export function channel(server: TestServer, identity?: Identity, options: ClientOptions = {}): Client {
  const ca = Buffer.from(server.context.caCertificate);
  const secrets =
    identity === undefined
      ? credentials.createSsl(ca)
      : credentials.createSsl(ca, Buffer.from(identity.key), Buffer.from(identity.certificate));
  return new Client(server.running.address, secrets, {
    'grpc.ssl_target_name_override': 'podplane-server',
    'grpc.use_local_subchannel_pool': 1,
    'grpc.max_send_message_length': -1,
    ...options,
  });
}

export function call<Q, R>(client: Client, method: MethodDefinition<Q, R>, request: Q): Promise<R> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      new Metadata(),
      {},
      (error: ServiceError | null, answer?: R) => {
        if (error === null) resolve(answer as R);
        else reject(error);
      },
    );
  });
}

/** Joins with a fresh token. */
export async function join(
  server: TestServer,
  nodeName: string,
  machineId = `machine-of-${nodeName}`,
  token?: string,
): Promise<Identity & { readonly answer: JoinResponse }> {
  const { request, key } = await certificateRequest(nodeName);
  const secret = token ?? (await server.running.tokens.create('test', 0)).token;
  const anonymous = channel(server);
  try {
    const answer = await call(anonymous, JoinService.join, { token: secret, nodeName, certificateRequest: request, machineId });
    return { certificate: answer.certificate, key, answer };
  } finally {
    anonymous.close();
  }
}

/** Values that arrive, for a test to await in order. */
export class Arrivals<T> {
  private readonly waiting: ((value: T | undefined) => void)[] = [];
  private readonly values: T[] = [];
  private over = false;

  push(value: T): void {
    const next = this.waiting.shift();
    if (next === undefined) this.values.push(value);
    else next(value);
  }

  end(): void {
    this.over = true;
    for (const next of this.waiting.splice(0)) next(undefined);
  }

  /** undefined: nothing more will come. */
  next(): Promise<T | undefined> {
    const value = this.values.shift();
    if (value !== undefined || this.over) return Promise.resolve(value);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  /** Whether something waits to be taken. */
  get pending(): number {
    return this.values.length;
  }
}

export class FakeAgent implements Disposable {
  private readonly client: Client;
  private stream: ClientDuplexStream<ConnectRequest, ConnectResponse> | undefined;
  readonly machineId: string;

  constructor(
    private readonly server: TestServer,
    readonly nodeName: string,
    readonly identity: Identity,
    options: { readonly machineId?: string; readonly channel?: ClientOptions } = {},
  ) {
    this.machineId = options.machineId ?? `machine-of-${nodeName}`;
    this.client = channel(server, identity, options.channel);
  }

  /** Joins and makes the agent. */
  static async join(
    server: TestServer,
    nodeName: string,
    options: { readonly machineId?: string; readonly channel?: ClientOptions } = {},
  ): Promise<FakeAgent> {
    return new FakeAgent(server, nodeName, await join(server, nodeName, options.machineId), options);
  }

  /** Opens a session; what the server says arrives in order. */
  connect(hello: Partial<Hello> = {}, answerHeartbeats = true): Arrivals<ServerMessage> {
    const arrivals = new Arrivals<ServerMessage>();
    const { path, requestSerialize, responseDeserialize } = SessionService.connect;
    const stream = this.client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata(), {});
    this.stream = stream;
    stream.on('data', ({ message }: ConnectResponse) => {
      if (message !== undefined && (answerHeartbeats || message.$case !== 'heartbeatAck')) arrivals.push(message);
    });
    stream.on('error', () => arrivals.end());
    stream.on('end', () => arrivals.end());
    const resources = { cpu: '4', memory: '8Gi', pods: '110' };
    this.say({
      $case: 'hello',
      value: {
        nodeName: this.nodeName,
        bootId: 'boot-1',
        machineId: this.machineId,
        agentVersion: 'test',
        labels: { 'kubernetes.io/hostname': this.nodeName },
        status: NodeStatus.fromPartial({
          capacity: resources,
          allocatable: resources,
          conditions: [{ type: 'Ready', status: 'True', reason: 'AgentReady', message: 'fine' }],
          addresses: [{ type: 'InternalIP', address: '127.0.0.1' }],
        }),
        inventory: [],
        podCIDR: '',
        taints: [],
        dial: 0,
        epoch: 0,
        term: 0,
        ...hello,
      },
    });
    return arrivals;
  }

  say(message: AgentMessage): void {
    this.stream?.write({ message });
  }

  /** As when the process is killed. */
  hangUp(): void {
    this.stream?.cancel();
  }

  /** Opens the tunnel that was asked for. */
  openTunnel(asked: OpenTunnel): FakeTunnel {
    const { path, requestSerialize, responseDeserialize } = byteMethods.tunnel;
    const tunnel = new FakeTunnel(this.client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata(), {}));
    tunnel.say({ $case: 'hello', value: { tunnelId: asked.tunnelId } });
    return tunnel;
  }

  unary<Q, R>(method: MethodDefinition<Q, R>, request: Q): Promise<R> {
    return call(this.client, method, request);
  }

  [Symbol.dispose](): void {
    this.stream?.cancel();
    this.client.close();
  }
}

export class FakeTunnel {
  readonly arrivals = new Arrivals<NonNullable<OpenResponse['message']>>();
  readonly failed = Promise.withResolvers<ServiceError>();

  constructor(readonly stream: ClientDuplexStream<OpenRequest, OpenResponse>) {
    stream.on('data', ({ message }: OpenResponse) => {
      if (message !== undefined) this.arrivals.push(message);
    });
    stream.on('error', (error: ServiceError) => {
      this.failed.resolve(error);
      this.arrivals.end();
    });
    stream.on('end', () => this.arrivals.end());
  }

  /** False: the buffer is full. */
  say(message: TunnelMessage): boolean {
    return this.stream.write({ message });
  }

  end(): void {
    this.stream.end();
  }
}

/** The next message, which must be of this kind. */
export async function expectNext<C extends ServerMessage['$case']>(
  arrivals: Arrivals<ServerMessage>,
  wanted: C,
): Promise<Extract<ServerMessage, { $case: C }>['value']> {
  const message: ServerMessage | undefined = await arrivals.next();
  if (message?.$case !== wanted) throw new Error(`expected ${wanted}, got ${JSON.stringify(message)}`);
  return message.value as never; // its case was just compared
}
