// The session's port over real gRPC and TLS: order, flow control, ends, and a connection that is dead without saying so.
import { once } from 'node:events';
import { connect, createServer, type Server as NetServer, type Socket } from 'node:net';
import { Server, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { type ConnectRequest, type ConnectResponse, type SessionServer, SessionService } from '@podplane/api/gen/podplane/node/v1/session';
import { realSystem } from '@podplane/api/system';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../log.js';
import { TestCa } from '../testing/test-ca.js';
import type { Identity } from './grpc-channel.js';
import { grpcSessionPort } from './grpc-port.js';
import type { PortClosed, PortHandlers } from './port.js';
import { SessionClient } from './session.js';

type Call = ServerDuplexStream<ConnectRequest, ConnectResponse>;

describe('gRPC port', () => {
  let server: Server;
  let address: string;
  let port = 0;
  let ca: TestCa;
  let identity: Identity;
  let onCall: (call: Call) => void = () => undefined;

  beforeAll(async () => {
    ca = await TestCa.create();
    identity = await ca.identity('n1');
    server = new Server();
    const service: SessionServer = { connect: (call) => onCall(call) };
    server.addService(SessionService, service);
    const credentials = await ca.serverCredentials(true);
    port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error === null ? resolve(bound) : reject(error))),
    );
    address = `127.0.0.1:${port}`;
  });
  afterAll(() => server.forceShutdown());

  const heartbeat = (seq: number): ConnectRequest => ({ message: { $case: 'heartbeat', value: { seq } } });
  const ack = (seq: number): ConnectResponse => ({
    message: { $case: 'heartbeatAck', value: { seq, leaseMillis: 1, heartbeatPeriodMillis: 1, term: 1, epoch: 0, startsHeld: false } },
  });
  const quiet: PortHandlers = { message: () => undefined, closed: () => undefined };

  /** The reason for which a port closes. */
  const closing = (make: (handlers: PortHandlers) => void): Promise<PortClosed> =>
    new Promise((resolve) => make({ ...quiet, closed: resolve }));

  it('carries messages both ways in order', async () => {
    onCall = (call) => {
      call.on('data', ({ message }: ConnectRequest) => {
        if (message?.$case === 'heartbeat') call.write(ack(message.value.seq));
      });
      call.on('end', () => call.end());
    };
    const seen: number[] = [];
    const all = Promise.withResolvers<void>();
    const open = grpcSessionPort(
      address,
      () => identity,
    )({
      ...quiet,
      message: ({ message }) => {
        if (message?.$case === 'heartbeatAck') seen.push(message.value.seq);
        if (seen.length === 100) all.resolve();
      },
    });
    for (let seq = 0; seq < 100; seq++) await open.send(heartbeat(seq));
    await all.promise;
    expect(seen).toEqual(Array.from({ length: 100 }, (_, i) => i));
    open.close();
    await expect(open.send(heartbeat(1))).rejects.toThrow();
  });

  it('waits with sending while the other side does not read, and is freed by the end', async () => {
    const calls: Call[] = [];
    onCall = (call) => {
      call.pause();
      calls.push(call);
    };
    let sent = 0;
    const closed = Promise.withResolvers<PortClosed>();
    const open = grpcSessionPort(address, () => identity)({ ...quiet, closed: closed.resolve });
    const big: ConnectRequest = { message: { $case: 'goodbye', value: { reason: 'x'.repeat(100_000) } } };
    const sending = (async () => {
      for (;;) {
        await open.send(big);
        sent++;
      }
    })().catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const stuck = sent;
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(sent).toBe(stuck);
    expect(sent).toBeLessThan(100);
    calls[0]?.emit('error', { code: status.UNAVAILABLE, details: 'going away' });
    expect((await closed.promise).code).toBe('unreachable');
    await sending;
  });

  it('says why it closed', async () => {
    onCall = (call) => call.end();
    expect((await closing((handlers) => grpcSessionPort(address, () => identity)(handlers))).code).toBe('ended');
    onCall = (call) => call.emit('error', { code: status.PERMISSION_DENIED, details: 'only nodes have sessions' });
    expect(await closing((handlers) => grpcSessionPort(address, () => identity)(handlers))).toEqual({
      code: 'unauthorized',
      message: 'only nodes have sessions',
    });
    const stranger = await TestCa.create();
    const wrong = await stranger.identity('n1');
    expect((await closing((handlers) => grpcSessionPort(address, () => wrong)(handlers))).code).toBe('unreachable');
    expect((await closing((handlers) => grpcSessionPort('127.0.0.1:1', () => identity)(handlers))).code).toBe('unreachable');
  });

  it('a dial that is given up leaves no connection behind', async () => {
    const accepted: Socket[] = [];
    const arrived = Promise.withResolvers<void>();
    const silent: NetServer = createServer((socket) => {
      accepted.push(socket);
      // With its ClientHello the dial is in the middle of the handshake.
      socket.once('data', () => arrived.resolve());
    });
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const bound = silent.address();
    const where = `127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}`;
    const dial = grpcSessionPort(where, () => identity)(quiet);
    await arrived.promise;
    const gone = once(accepted[0] as Socket, 'close');
    dial.close();
    await gone;
    // Given up before TCP has connected. All connections are gone when the server can close.
    grpcSessionPort(where, () => identity)(quiet).close();
    await new Promise((resolve) => silent.close(resolve));
  });

  it('a connection that is dead without saying so is given up within seconds, and a new one is made', { timeout: 20_000 }, async () => {
    // Between agent and server: passes bytes on, or swallows them.
    const sockets = new Set<Socket>();
    let dead = false;
    const proxy: NetServer = createServer((near) => {
      const far = connect({ host: '127.0.0.1', port });
      const swallow = dead;
      for (const socket of [near, far]) {
        sockets.add(socket);
        socket.on('error', () => undefined);
      }
      near.on('data', (data) => void (dead || swallow || far.write(data)));
      far.on('data', (data) => void (dead || swallow || near.write(data)));
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const bound = proxy.address();
    const proxyAddress = `127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}`;
    const third = Promise.withResolvers<void>();
    onCall = (call) => {
      call.on('error', () => undefined);
      call.on('data', ({ message }: ConnectRequest) => {
        const value = {
          sessionId: 's',
          heartbeatPeriodMillis: 200,
          leaseMillis: 15_000,
          podCIDR: '',
          clusterCIDR: '',
          clusterId: '',
          term: 1,
          previousTerm: 0,
          epoch: 0,
          startsHeld: false,
        };
        if (message?.$case === 'hello') call.write({ message: { $case: 'welcome', value } });
        if (message?.$case === 'heartbeat' && message.value.seq === 3) third.resolve();
        if (message?.$case === 'heartbeat')
          call.write({
            message: {
              $case: 'heartbeatAck',
              value: { seq: message.value.seq, leaseMillis: 15_000, heartbeatPeriodMillis: 200, term: 1, epoch: 0, startsHeld: false },
            },
          });
      });
    };
    let welcomes = 0;
    let welcomed = Promise.withResolvers<void>();
    const lost = Promise.withResolvers<PortClosed>();
    const system = realSystem();
    const client = new SessionClient({
      system,
      log: silentLog,
      connect: grpcSessionPort(proxyAddress, () => identity),
      handlers: {
        hello: () => ({
          nodeName: 'n1',
          bootId: 'b',
          machineId: 'm',
          agentVersion: 'v',
          labels: {},
          inventory: [],
          epoch: 0,
          term: 0,
          podCIDR: '',
          taints: [],
          status: undefined,
        }),
        welcome: () => {
          welcomes++;
          welcomed.resolve();
        },
        assignments: () => true,
        openTunnel: () => undefined,
        tokenReply: () => undefined,
        leased: () => undefined,
        acknowledged: () => undefined,
        refused: () => 'retry',
        disconnected: (reason) => lost.resolve(reason),
      },
    });
    client.start();
    await welcomed.promise;
    await third.promise;
    welcomed = Promise.withResolvers<void>();
    dead = true;
    const began = system.clock.monotonic();
    expect(await lost.promise).toMatchObject({ code: 'unreachable', message: expect.stringContaining('3 s') });
    expect(system.clock.monotonic() - began).toBeLessThan(5_000);
    expect(client.leaseUntil).toBeGreaterThan(system.clock.monotonic());
    dead = false;
    await welcomed.promise;
    expect(welcomes).toBe(2);
    client.stop();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  });
});
