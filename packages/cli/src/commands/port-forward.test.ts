import { Socket } from 'node:net';
import { Pod } from '@podplane/api/gen/podplane/core/v1/pod';
import { describe, expect, it } from 'vitest';
import { parsePorts, remotePort, roomOrEnd } from './port-forward.js';

describe('parsePorts', () => {
  it.each([
    ['8080:80', { local: 8080, remote: '80' }],
    ['80', { local: 80, remote: '80' }],
    [':80', { local: 0, remote: '80' }],
    ['0:80', { local: 0, remote: '80' }],
    ['8080:http', { local: 8080, remote: 'http' }],
    ['http', { local: 0, remote: 'http' }],
  ])('%s', (text, pair) => {
    expect(parsePorts(text)).toEqual(pair);
  });

  it.each(['', ':', '8080:', 'a:b:c', '70000:80', '8080:70000', 'x:80', '8080:0', '8080:Http!'])('refuses %j', (text) => {
    expect(() => parsePorts(text)).toThrow();
  });
});

describe('remotePort', () => {
  const pod = Pod.fromPartial({
    metadata: { name: 'p' },
    spec: { containers: [{ name: 'a' }, { name: 'b', ports: [{ name: 'http', containerPort: 8081 }] }] },
  });
  it('finds a port by its name in any container', () => expect(remotePort(pod, 'http')).toBe(8081));
  it('takes numbers as they are', () => expect(remotePort(pod, '99')).toBe(99));
  it('says which name is missing', () => expect(() => remotePort(pod, 'grpc')).toThrow('pod p has no port named "grpc"'));
});

describe('roomOrEnd', () => {
  it('leaves no listeners on a socket that is full again and again, and does not wait for one that is gone', async () => {
    const socket = new Socket();
    const before = socket.listenerCount('close');
    for (let turn = 0; turn < 20; turn++) {
      const waited = roomOrEnd(socket);
      socket.emit('drain');
      await waited;
    }
    expect([socket.listenerCount('drain'), socket.listenerCount('close')]).toEqual([0, before]);
    const last = roomOrEnd(socket);
    socket.destroy();
    await last;
  });
});
