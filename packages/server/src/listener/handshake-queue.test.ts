// Who waits for whom when many nodes dial at once: the queue by hand, and on real TLS connections.
import { EventEmitter, once } from 'node:events';
import net from 'node:net';
import { Duplex } from 'node:stream';
import tls from 'node:tls';
import { HandSystem } from '@podplane/store/testkit/hand-system';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SESSION_NAME } from '../auth/pki.js';
import { testServer } from '../testkit/harness.js';
import { HandshakeQueue } from './handshake-queue.js';

class FakeSocket extends EventEmitter {
  destroyed = false;
  close(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

describe('the queue', () => {
  let system: HandSystem;
  beforeEach(() => {
    system = new HandSystem();
  });
  const begun: number[] = [];
  function enter(queue: HandshakeQueue<FakeSocket>, count: number): FakeSocket[] {
    begun.length = 0;
    return Array.from({ length: count }, (_, i) => {
      const socket = new FakeSocket();
      queue.enter(socket, () => void begun.push(i));
      return socket;
    });
  }

  it('lets so many begin, and as others are done who came last', () => {
    const queue = new HandshakeQueue<FakeSocket>(2, system.timers);
    const sockets = enter(queue, 5);
    expect(begun).toEqual([0, 1]);
    queue.leave(sockets[1] as FakeSocket);
    sockets[0]?.close();
    expect(begun).toEqual([0, 1, 4, 3]);
    sockets[1]?.close(); // its connection ends later: nobody's turn
    expect([begun.length, queue.length]).toEqual([4, 1]);
  });

  it('forgets who closes while it waits', () => {
    const queue = new HandshakeQueue<FakeSocket>(1, system.timers);
    const sockets = enter(queue, 3);
    sockets[1]?.close();
    queue.leave(sockets[0] as FakeSocket);
    expect([begun, queue.length]).toEqual([[0, 2], 0]);
    const late = new FakeSocket();
    late.destroyed = true;
    queue.enter(late, () => void begun.push(99));
    queue.leave(sockets[2] as FakeSocket);
    expect(begun).toEqual([0, 2]);
  });

  it('forgets them also where its turn never comes', () => {
    const queue = new HandshakeQueue<FakeSocket>(1, system.timers);
    enter(queue, 1);
    for (let i = 0; i < 1000; i++) for (const socket of enter(queue, 100).slice(i % 100 === 0 ? 1 : 0)) socket.close();
    expect(queue.length).toBe(10);
    expect(queue.remembered).toBeLessThan(200);
  });

  it('is not held up by one that does not go on', async () => {
    const queue = new HandshakeQueue<FakeSocket>(1, system.timers);
    enter(queue, 2);
    await system.advance(249);
    expect(begun).toEqual([0]);
    await system.advance(1);
    expect(begun).toEqual([0, 1]);
  });
});

describe('on the one port', () => {
  const opened: { destroy(): void }[] = [];
  afterEach(() => {
    for (const one of opened.splice(0)) one.destroy();
  });

  /** Begins a handshake and never ends it: what the server says is not read. */
  function stalled(port: number): void {
    const raw = net.connect({ host: '127.0.0.1', port });
    const deaf = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => void raw.write(chunk, done),
    });
    opened.push(raw, deaf, tls.connect({ socket: deaf, servername: SESSION_NAME, rejectUnauthorized: false }));
  }

  function connect(port: number, servername: string): tls.TLSSocket {
    const socket = tls.connect({ host: '127.0.0.1', port, servername, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    opened.push(socket);
    return socket;
  }

  it('others pass nodes whose handshakes hang, and these come to their turn all the same', async () => {
    await using server = await testServer();
    const { port } = server.running;
    for (let i = 0; i < 40; i++) stalled(port);
    const node = connect(port, SESSION_NAME);
    const client = connect(port, 'podplane-server');
    const order: string[] = [];
    await Promise.all([
      once(client, 'secureConnect').then(() => order.push('client')),
      once(node, 'secureConnect').then(() => order.push('node')),
    ]);
    expect(order).toEqual(['client', 'node']);
  });
});
